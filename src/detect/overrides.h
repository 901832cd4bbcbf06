#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "detect/detect.h"
#include "detect/project.h"

namespace slipway::detection {

// What flags and slipway.toml say instead of detection, and where they say it. A value.
struct Overrides {
  DetectOptions whole;
  std::map<std::string, std::map<std::string, std::string>>
      services;  // [services.NAME] key -> value
  // Directories to keep, of a service's name; "" is the chosen one.
  std::map<std::string, std::vector<std::string>> volumes;
  std::map<std::string, int> lines;  // key, or "NAME.key" -> line of slipway.toml
  std::vector<Warning> findings;
};

// slipway.toml of the tree, with the flags over it. Keys that a project may not set are findings.
[[nodiscard]] Overrides read_overrides(const Project& project, const DetectOptions& flags);

// Applies what is said about the chosen service (`whole`), or about one of several by its name.
void apply_overrides(const Overrides& overrides, const DetectOptions& flags, Service& service,
                     bool main);

}  // namespace slipway::detection
