#include "repair/kinds.h"

namespace slipway::repair {
namespace {

struct Row {
  std::string_view manager, held, free, lockfile, update;
};
constexpr Row rows[] = {
    {"npm", "npm ci", "npm install", "package-lock.json", "npm install --package-lock-only"},
    {"pnpm", "--frozen-lockfile", "--no-frozen-lockfile", "pnpm-lock.yaml",
     "pnpm install --lockfile-only"},
    {"yarn", "--frozen-lockfile", "", "yarn.lock", "yarn install"},
    {"yarn", "--immutable", "--no-immutable", "yarn.lock", "yarn install"},
    {"bun", "--frozen-lockfile", "", "bun.lock", "bun install"},
    {"uv", "--locked", "", "uv.lock", "uv lock"},
    {"uv", "--frozen", "", "uv.lock", "uv lock"},
    {"poetry", "poetry install", "poetry lock && poetry install", "poetry.lock", "poetry lock"},
    {"pipenv", "--deploy", "", "Pipfile.lock", "pipenv lock"},
    {"pdm", "--frozen-lockfile", "", "pdm.lock", "pdm lock"},
    {"cargo", " --locked", "", "Cargo.lock", "cargo generate-lockfile"},
};

}  // namespace

std::optional<Change> unfrozen_install(const Failure& failure) {
  if (failure.error.cause != "lockfile_mismatch" || !failure.service.install) return std::nullopt;
  for (const Row& row : rows) {
    if (failure.service.package_manager != row.manager) continue;
    Change change;
    change.install = replaced(*failure.service.install, row.held, row.free);
    if (!change.install) continue;
    change.message = failure.error.message + "; the install was not held to it";
    change.file = row.lockfile;
    change.fix = std::string(row.update) + ", and keep " + std::string(row.lockfile);
    return change;
  }
  return std::nullopt;
}

}  // namespace slipway::repair
