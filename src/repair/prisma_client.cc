#include "repair/kinds.h"

namespace slipway::repair {

// Prisma makes its client from the schema, in an install script that newer package managers do not
// run unasked (https://www.prisma.io/docs/orm/prisma-client/setup-and-configuration).
std::optional<Change> prisma_client(const Failure& failure) {
  constexpr std::string_view generate = "npx --no-install prisma generate";
  const std::string before = failure.service.install.value_or("");
  if (before.empty() || before.contains(generate) ||
      !holds_any(failure.log,
                 {"@prisma/client did not initialize yet", "has no exported member 'PrismaClient'",
                  "does not provide an export named 'PrismaClient'"}))
    return std::nullopt;
  Change change;
  change.install = before + " && " + std::string(generate);
  change.message = "nobody had made Prisma's client from its schema; that ran after the install";
  change.file = "package.json";
  change.fix = "npm pkg set scripts.postinstall='prisma generate'";
  return change;
}

}  // namespace slipway::repair
