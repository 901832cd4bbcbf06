#include "repair/kinds.h"

namespace slipway::repair {

std::optional<Change> browser_download(const Failure& failure) {
  if (!holds_any(failure.log,
                 {"PUPPETEER_SKIP_DOWNLOAD", "Failed to set up chrome", "Failed to set up Chrome",
                  "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "SENTRYCLI_SKIP_DOWNLOAD",
                  "Failed to download Chromium", "SELENIUM_MANAGER"}))
    return std::nullopt;
  Change change;
  for (const char* name : {"PUPPETEER_SKIP_DOWNLOAD", "PUPPETEER_SKIP_CHROMIUM_DOWNLOAD",
                           "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "SENTRYCLI_SKIP_DOWNLOAD"})
    change.install_env[name] = "1";
  change.build_env = change.install_env;
  change.message = "a package could not fetch a browser of its own; the install went on without";
  change.file = "package.json";
  change.fix = "move what only tests need out of the deploy, or use the browser of a service";
  return change;
}

}  // namespace slipway::repair
