#include "release/release_placement.h"

namespace slipway {

Placement release_placement(const Names& names, const Release& release) {
  Placement out;
  out.environment = release.environment;
  out.config_version = release.config_version;
  out.cgroup = release.environment == production_environment ? "production" : "previews";
  // No alias is called so, whatever the environment's name.
  out.uid_owner = fmt::format("env:{}/{}", release.project, release.environment);
  out.release = release.number;
  out.host = [&names, project = release.project,
              environment = release.environment](std::string_view label) {
    return names.release_host(project, environment, label);
  };
  return out;
}

}  // namespace slipway
