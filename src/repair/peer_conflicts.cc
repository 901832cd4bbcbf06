#include "repair/kinds.h"

namespace slipway::repair {

std::optional<Change> peer_conflicts(const Failure& failure) {
  if (failure.service.package_manager != "npm" || !failure.service.install ||
      !holds_any(failure.log, {"ERESOLVE"}))
    return std::nullopt;
  Change change;
  change.install_env["npm_config_legacy_peer_deps"] = "true";
  // A build that installs for itself meets the same packages.
  change.build_env = change.install_env;
  // What `npm ci` refuses for its peers is hardly what the lockfile was made of.
  change.install = replaced(*failure.service.install, "npm ci", "npm install");
  change.message =
      "packages ask for peer dependencies that exclude each other; npm was told to accept that";
  change.file = "package.json";
  change.fix = "npm config set legacy-peer-deps true --location project";
  return change;
}

}  // namespace slipway::repair
