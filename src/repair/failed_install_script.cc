#include <re2/re2.h>

#include "repair/kinds.h"

namespace slipway::repair {

std::optional<Change> failed_install_script(const Failure& failure) {
  if (failure.service.package_manager != "npm" || !failure.service.install) return std::nullopt;
  static const RE2 script(
      R"re(npm (?:error|ERR!) path /\S*node_modules/((?:@[\w.-]+/)?[\w.-]+)\nnpm (?:error|ERR!) command failed)re");
  std::string package;
  if (!RE2::PartialMatch(failure.log, script, &package)) return std::nullopt;
  Change change;
  // The scripts of all packages run, and those that fail do not matter; then the project's own.
  constexpr std::string_view rest =
      " --ignore-scripts && { npm rebuild || true; } && npm run --if-present postinstall && "
      "npm run --if-present prepare";
  for (const std::string_view install : {"npm ci", "npm install"}) {
    change.install =
        replaced(*failure.service.install, install, std::string(install) + std::string(rest));
    if (change.install) break;
  }
  if (!change.install) return std::nullopt;
  change.message = "the install script of " + package + " failed; the install went on without it";
  change.file = "package.json";
  change.fix = "update " + package + ", or remove it when nothing but development needs it";
  return change;
}

}  // namespace slipway::repair
