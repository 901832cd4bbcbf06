#include "repair/kinds.h"

namespace slipway::repair {

std::optional<Change> engine_ranges(const Failure& failure) {
  if (!failure.service.install ||
      !holds_any(failure.log, {"EBADENGINE", "ERR_PNPM_UNSUPPORTED_ENGINE",
                               "is incompatible with this module", "Unsupported engine"}))
    return std::nullopt;
  Change change;
  if (failure.service.package_manager == "yarn") {
    change.install_env["YARN_IGNORE_ENGINES"] = "true";
  } else if (failure.service.package_manager == "npm" ||
             failure.service.package_manager == "pnpm") {
    change.install_env["npm_config_engine_strict"] = "false";
    change.install_env["pnpm_config_engine_strict"] = "false";
  } else {
    return std::nullopt;
  }
  change.build_env = change.install_env;
  change.message = "a package asks for another version of Node; it was installed all the same";
  change.file = "package.json";
  change.fix = "say which Node the app wants in package.json \"engines\"";
  return change;
}

}  // namespace slipway::repair
