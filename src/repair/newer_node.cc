#include "repair/kinds.h"

namespace slipway::repair {

std::optional<Change> newer_node(const Failure& failure) {
  // What an app says about its Node is meant.
  if (failure.service.runtime.name != "node" || failure.service.runtime.source != "default" ||
      !failure.service.runtime.version.empty())
    return std::nullopt;
  // Sets' methods, Promise.withResolvers, require() of ES modules, the navigator: of Node 22.
  if (!holds_any(
          failure.log,
          {".difference is not a function", ".intersection is not a function",
           ".isSubsetOf is not a function", ".isSupersetOf is not a function",
           ".symmetricDifference is not a function", "withResolvers is not a function",
           "Array.fromAsync is not a function", "navigator is not defined",
           "WebSocket is not defined", "ERR_REQUIRE_ESM", "registerHooks is not a function",
           "does not provide an export named 'registerHooks'",
           "does not provide an export named 'styleText'", "No such built-in module: node:sqlite"}))
    return std::nullopt;
  Change change;
  change.runtime_version = ">=22.12";
  change.message = "a package calls what only newer versions of Node have; Node 22 was taken";
  change.file = "package.json";
  change.fix = "npm pkg set engines.node='>=22.12'";
  return change;
}

}  // namespace slipway::repair
