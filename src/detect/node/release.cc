// Migrations and workers of Node projects: what runs once before a release, and what runs beside.
#include <algorithm>
#include <array>

#include "detect/listed.h"
#include "detect/node/frameworks.h"

namespace slipway::detection::node {
namespace {

struct Migration {
  std::string_view dependency;
  std::string_view folder;  // must be there: no migrations, no command
  std::string_view command;
};
constexpr std::array migrations{
    Migration{"knex", "migrations", "knex migrate:latest"},
    Migration{"knex", "db/migrations", "knex migrate:latest"},
    Migration{"sequelize-cli", "migrations", "sequelize-cli db:migrate"},
    Migration{"drizzle-kit", "drizzle", "drizzle-kit migrate"},
    Migration{"drizzle-kit", "drizzle/migrations", "drizzle-kit migrate"},
    Migration{"node-pg-migrate", "migrations", "node-pg-migrate up"},
    Migration{"db-migrate", "migrations", "db-migrate up"},
    Migration{"@mikro-orm/cli", "migrations", "mikro-orm migration:up"},
    Migration{"@adonisjs/lucid", "database/migrations", "node ace migration:run --force"}};

}  // namespace

void plan_release(const Context& context) {
  const Package& package = context.package;
  Service& service = context.proposal.service;
  if (service.release || service.is_static || package.manifest == nullptr) return;
  const std::string file = package.root->path("package.json");
  for (const std::string_view name :
       {"db:migrate:deploy", "migrate:deploy", "db:deploy", "db:migrate", "migrate:latest",
        "migration:run", "migrations:run", "migrate:up", "migrate:prod", "migrate"}) {
    const std::string_view script = package.script(name);
    // `prisma migrate dev` and drizzle's push ask or change what they should only apply.
    if (script.empty() || script.find("migrate dev") != std::string_view::npos ||
        script.find(" push") != std::string_view::npos)
      continue;
    set_command(service.release, package.run(name), file, package.line(name),
                "release: scripts." + std::string(name), context.proposal);
    return;
  }
  for (const Migration& migration : migrations)
    if (package.has(migration.dependency) &&
        package.root->project().files().has_directory(package.root->path(migration.folder))) {
      const std::string command = migration.command.starts_with("node ")
                                      ? std::string(migration.command)
                                      : package.execute(migration.command);
      set_command(service.release, command, file, package.line(migration.dependency),
                  "release: " + std::string(migration.folder) + "/ has migrations of " +
                      std::string(migration.dependency),
                  context.proposal);
      return;
    }
}

void plan_workers(const Context& context) {
  const Package& package = context.package;
  const Service& service = context.proposal.service;
  if (package.manifest == nullptr || service.is_static || !service.start || service.kind != "web")
    return;
  for (const std::string_view name : {"start:worker", "worker:start", "worker:prod", "worker"}) {
    const Start start = read_script(package, name);
    if (start.command.empty() || start.development ||
        package.script(name) == package.script("start"))
      continue;
    Service worker = process_of(service, "worker", "worker", start.command);
    worker.evidence = {{.file = package.root->path("package.json"),
                        .line = package.line(name),
                        .fact = "scripts." + std::string(name) + ": " +
                                std::string(package.script(name).substr(0, 120))}};
    context.proposal.others.push_back(std::move(worker));
    return;
  }
}

}  // namespace slipway::detection::node
