#include "identity/restriction.h"

#include <algorithm>

#include "model/environment_class.h"

namespace slipway {

bool Restriction::allows_project(std::string_view project) const {
  return !projects || std::ranges::find(*projects, project) != projects->end();
}

bool Restriction::allows_environment(std::string_view environment) const {
  if (!environments) return true;
  return std::ranges::any_of(*environments, [&](const std::string& name) {
    return name == environment || name == environment_class(environment);
  });
}

}  // namespace slipway
