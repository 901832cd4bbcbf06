#include "identity/restriction.h"

#include <algorithm>

namespace slipway {

bool Restriction::allows_project(std::string_view project) const {
  return !projects || std::ranges::find(*projects, project) != projects->end();
}

bool Restriction::allows_environment(std::string_view environment) const {
  if (!environments) return true;
  const bool preview = environment != "production" && environment != "staging";
  return std::ranges::any_of(*environments, [&](const std::string& name) {
    return name == environment || (preview && name == "preview");
  });
}

}  // namespace slipway
