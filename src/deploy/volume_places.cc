#include "deploy/volume_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/text.h"

namespace slipway {
namespace {

constexpr std::string_view fact_prefix = "volumes: SQLite database ";

struct Placed {
  std::string path;  // absolute and clean
  std::string problem;
};

bool is_within(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

// What the system has there; "" when nothing.
std::string_view owner_of(std::string_view path) {
  for (const std::string_view system :
       {"/proc", "/sys", "/dev", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64",
        "/libx32", "/boot", "/opt/slipway", "/var/lib/slipway"})
    if (is_within(path, system)) return "the system's";
  for (const std::string_view memory :
       {"/tmp", "/var/tmp", "/run", "/var/run", "/var/lock", "/dev/shm"})
    if (is_within(path, memory)) return "memory";
  return {};
}

Placed place_of(std::string_view root, std::string_view path) {
  if (path.empty()) return {{}, "is empty"};
  if (path.size() > 500) return {{}, "is too long"};
  if (std::ranges::any_of(path, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return {{}, "holds a control character"};
  std::string whole;
  const auto append = [&](std::string_view text) {
    for (const std::string_view part : split(text, '/')) {
      if (part.empty() || part == ".") continue;
      if (part == "..") return false;
      whole += '/';
      whole += part;
    }
    return true;
  };
  if (!path.starts_with('/')) {
    whole = "/app";
    if (!append(root)) return {{}, "belongs to a service outside of the project"};
  }
  const std::string own = whole;
  if (!append(path)) return {{}, "leaves its folder by \"..\""};
  if (whole == own || whole == "/app" || whole == "/home/app" || whole == "/home" ||
      whole.empty() || whole == "/var" || whole == "/opt" || whole == "/mnt")
    return {{}, "is no folder of its own"};
  if (const std::string_view owner = owner_of(whole); !owner.empty())
    return {{}, fmt::format("is {}", owner)};
  return {std::move(whole), {}};
}

// A file name for a path; distinct for distinct ones.
std::string encoded(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-')
      out += c;
    else if (c == '/')
      out += '~';
    else
      out += fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string name_of(std::string_view root, std::string_view path) {
  std::string name;
  if (path.starts_with("/app/"))
    name = encoded(path.substr(5));
  else if (path.starts_with("/home/app/"))
    name = "~home~" + encoded(path.substr(10));
  else
    // Two services may both have a "/data" that has nothing to do with the other's.
    name = encoded(root) + "@" + encoded(path.substr(1));
  // No name begins with a dot: those are Slipway's own.
  if (name.front() == '.') name = "%2e" + name.substr(1);
  if (name.size() <= 150) return name;
  return name.substr(0, 100) + "~" + sha256(name).hex().substr(0, 32);
}

}  // namespace

bool is_database_name(std::string_view name) {
  for (const std::string_view end : {".db", ".sqlite", ".sqlite3", ".db3", ".s3db", ".sdb"})
    if (name.size() > end.size() && name.ends_with(end)) return true;
  return false;
}

bool is_beside_database(std::string_view name) {
  return name.ends_with("-wal") || name.ends_with("-shm") || name.ends_with("-journal");
}

std::vector<std::string> database_files(const Service& service) {
  std::vector<std::string> out;
  for (const Evidence& evidence : service.evidence) {
    if (!evidence.fact.starts_with(fact_prefix)) continue;
    Placed placed = place_of(service.root, evidence.fact.substr(fact_prefix.size()));
    if (placed.problem.empty()) out.push_back(std::move(placed.path));
  }
  return out;
}

std::string problem_of_place(std::string_view root, std::string_view path) {
  return place_of(root, path).problem;
}

VolumePlaces volume_places(const Service& service) {
  VolumePlaces out;
  const std::vector<std::string> databases = database_files(service);
  for (const std::string& path : service.volumes) {
    Placed placed = place_of(service.root, path);
    if (!placed.problem.empty()) {
      out.problems.push_back(
          fmt::format("{} is kept no further: it {}", sanitize_line(path), placed.problem));
      continue;
    }
    const std::string_view last = std::string_view(placed.path).substr(placed.path.rfind('/') + 1);
    const bool is_file =
        is_database_name(last) || std::ranges::find(databases, placed.path) != databases.end();
    out.places.push_back(
        {.name = name_of(service.root, placed.path),
         .path = std::move(placed.path),
         .kind = is_file ? VolumePlace::Kind::file : VolumePlace::Kind::directory});
  }
  std::ranges::sort(out.places, {}, &VolumePlace::path);
  const auto same = std::ranges::unique(out.places, {}, &VolumePlace::path);
  out.places.erase(same.begin(), same.end());
  return out;
}

}  // namespace slipway
