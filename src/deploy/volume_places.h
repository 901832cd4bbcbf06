#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/plan.h"

namespace slipway {

// Where the volumes of a service belong. Pure: names and paths inside a sandbox, never a host's.

struct VolumePlace {
  // A file name, the same for the same place in every deployment: "data", "web~uploads",
  // "web@data". Services of different folders never share one.
  std::string name;
  std::string path;  // absolute, inside: what is kept
  // What is kept is one file, with what a database makes beside it; nothing else of its folder is.
  enum class Kind { directory, file } kind = Kind::directory;

  bool operator==(const VolumePlace&) const = default;
};
struct VolumePlaces {
  std::vector<VolumePlace> places;    // outer ones before those inside them
  std::vector<std::string> problems;  // one line for each that cannot be, safe for a terminal
};

// Places below /app and /home/app, or outside of what the system itself has ("/data"). What leaves
// the app by "..", is the app's own folder or belongs to the system is a problem.
[[nodiscard]] VolumePlaces volume_places(const Service& service);

// Files that detection found to be databases, absolute, inside: those that its evidence names.
[[nodiscard]] std::vector<std::string> database_files(const Service& service);

// Whether a file called so is an SQLite database or what SQLite makes beside one.
[[nodiscard]] bool is_database_name(std::string_view name);
[[nodiscard]] bool is_beside_database(std::string_view name);

// "" for what a volume may be at; else why not.
[[nodiscard]] std::string problem_of_place(std::string_view root, std::string_view path);

}  // namespace slipway
