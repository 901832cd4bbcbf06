#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "detect/project.h"

namespace slipway::detection {

// A service that a file about the whole project lists: compose, render.yaml, .do/app.yaml. Only
// what the file says; empty means that it says nothing.
struct Listed {
  std::string name;
  std::string root;  // from the project's root
  std::string kind;  // web | worker | cron | static | ""
  std::string file;
  int line = 0;
  std::optional<std::string> build, start, release;
  std::string schedule, health_path, publish;
  std::optional<int> port;
  std::vector<std::pair<std::string, std::string>> env;  // as written
  std::vector<Wire> wires;                               // by names of Listed services
  std::vector<std::string> needs;                        // names of Listed or of backing services
  std::vector<std::string> volumes;
  std::vector<std::string> databases;
};

// What such files say together. A value.
struct Listing {
  std::vector<Listed> services;                // in the file's order
  std::map<std::string, std::string> backing;  // "db" -> "postgres"; "" when it is no database
  std::vector<std::pair<std::string, std::string>> images;  // other images: name, image
  [[nodiscard]] const Listed* find(std::string_view name) const;
};
[[nodiscard]] Listing read_listing(const Project& project);

void list_compose(const Project& project, Listing& into);
void list_render(const Project& project, Listing& into);
void list_digitalocean(const Project& project, Listing& into);

// Applies what is listed for a proposal's root: the first service to the proposal itself, the rest
// as further processes of the same code.
void apply_listing(const Listing& listing, const Root& root, Proposal& proposal);

// A database's or broker's image -> what it is ("postgres:16-alpine" -> "postgres"); "" when none.
[[nodiscard]] std::string_view database_of_image(std::string_view image);

// Helpers of the files that read declared intent.
[[nodiscard]] bool is_development(std::string_view command);
// Whether a declared Dockerfile is not the one of this folder: `Dockerfile.n8n` says how another
// program beside this one is made.
[[nodiscard]] bool builds_other_image(std::string_view dockerfile);
// The command without the parts that only install dependencies: "npm ci && npm run build" ->
// "npm run build".
[[nodiscard]] std::string without_install(std::string_view command);
void set_command(std::optional<std::string>& command, std::string_view text,
                 const std::string& file, int line, std::string_view what, Proposal& proposal);
void add_volume(Service& service, std::string_view path);
// Stands in Service::needs for the service that lies in the same root, until names are known.
inline constexpr std::string_view same_root = "<same root>";
// A further process of the same code: no route, no release, no page.
[[nodiscard]] Service process_of(const Service& service, std::string name, std::string kind,
                                 std::string command);

}  // namespace slipway::detection
