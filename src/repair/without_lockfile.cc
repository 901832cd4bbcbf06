#include "repair/kinds.h"

namespace slipway::repair {
namespace {

struct Row {
  std::string_view manager, lockfiles, held, install;
};
constexpr Row rows[] = {
    {"bun", "bun.lock bun.lockb", "bun install --frozen-lockfile", "bun install"},
    {"bun", "bun.lock bun.lockb", "bun install", "bun install"},
    {"npm", "package-lock.json npm-shrinkwrap.json", "npm ci", "npm install"},
    {"npm", "package-lock.json npm-shrinkwrap.json", "npm install", "npm install"},
    {"yarn", "yarn.lock", "yarn install --frozen-lockfile", "yarn install"},
    {"pnpm", "pnpm-lock.yaml", "pnpm install --frozen-lockfile",
     "pnpm install --no-frozen-lockfile"},
};

}  // namespace

// A lockfile whose downloads lie on a host of somebody's own, in a form that cannot be rewritten,
// or of versions that were taken back.
std::optional<Change> without_lockfile(const Failure& failure) {
  const bool downloads =
      failure.error.cause == "network" ||
      holds_any(failure.log,
                {"E401", "E403", "E404", "ETARGET", "401 Unauthorized", "403 Forbidden",
                 "404 Not Found", "ERR_PNPM_FETCH_404", "ERR_PNPM_NO_MATCHING_VERSION",
                 ".tgz - 404", "ConnectionRefused downloading", "FailedToOpenSocket",
                 "InvalidLockfile", "failed to parse lockfile", "Outdated lockfile version",
                 "ERR_PNPM_LOCKFILE", "ERR_PNPM_BROKEN_LOCKFILE", "Invalid lock"});
  if (!downloads || !failure.service.install) return std::nullopt;
  for (const Row& row : rows) {
    if (failure.service.package_manager != row.manager) continue;
    Change change;
    change.install =
        replaced(*failure.service.install, row.held,
                 "rm -f " + std::string(row.lockfiles) + " && " + std::string(row.install));
    if (!change.install || failure.service.install->find("rm -f ") != std::string::npos) continue;
    change.message = "the lockfile names downloads that are not to be had (" +
                     failure.error.message + "); versions were resolved anew";
    change.file = row.lockfiles.substr(0, row.lockfiles.find(' '));
    change.fix = std::string(row.install) + " with the public registry, and keep the lockfile";
    return change;
  }
  return std::nullopt;
}

}  // namespace slipway::repair
