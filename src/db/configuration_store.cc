#include "db/configuration_store.h"

#include <boost/json/serialize.hpp>

#include "db/revision.h"
#include "json/json.h"
#include "json/reader.h"

namespace slipway {
namespace {

constexpr std::string_view columns = "project,environment,version,created_at,actor,note,vars";

std::string vars_text(const std::vector<EnvironmentVar>& vars) {
  json::array out;
  for (const EnvironmentVar& var : vars)
    out.push_back(json::object{{"name", var.name},
                               {"kind", to_string(var.kind)},
                               {"secret", var.disclosure == Disclosure::secret},
                               {"sealed", var.value}});
  return json::serialize(out);
}

Result<EnvironmentVar> var_from_json(const json::value& value) {
  EnvironmentVar var;
  std::string kind = "run";
  bool secret = false;
  JsonReader reader(value);
  reader.read("name", var.name).read("kind", kind).read("secret", secret).read("sealed", var.value);
  SLIPWAY_CHECK(reader.status());
  var.kind = parse_var_kind(kind).value_or(VarKind::run);
  var.disclosure = secret ? Disclosure::secret : Disclosure::plain;
  return var;
}

Result<Configuration> from_row(const Statement& row) {
  Configuration out{.project = row.text(0),
                    .environment = row.text(1),
                    .version = row.number(2),
                    .created_at = Timestamp{Duration{row.number(3)}},
                    .note = row.text(5)};
  SLIPWAY_TRY(const json::value actor, parse_json(row.text(4)));
  SLIPWAY_TRY(out.actor, actor_from_json(actor));
  SLIPWAY_TRY(const json::value vars, parse_json(row.text(6)));
  if (!vars.is_array()) return fail(Errc::corrupt, "database: a configuration's variables");
  for (const json::value& each : vars.get_array()) {
    SLIPWAY_TRY(EnvironmentVar var, var_from_json(each));
    out.vars.push_back(std::move(var));
  }
  return out;
}

Result<std::vector<Configuration>> rows_of(Statement& query) {
  std::vector<Configuration> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    SLIPWAY_TRY(Configuration configuration, from_row(query));
    out.push_back(std::move(configuration));
  }
}

// All of them, each with its revision.
using Versions = std::vector<std::pair<Configuration, std::int64_t>>;
Result<Versions> versions(Database::Session& session) {
  SLIPWAY_TRY(Statement query,
              session.prepare(fmt::format("SELECT {},revision FROM configuration", columns)));
  Versions out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    SLIPWAY_TRY(Configuration configuration, from_row(query));
    out.emplace_back(std::move(configuration), query.number(7));
  }
}

Status write_vars(Database::Transaction& session, const Configuration& of, std::string_view vars) {
  SLIPWAY_TRY(Statement write,
              session.prepare("UPDATE configuration SET vars=?, revision=revision+1 WHERE project=?"
                              " AND environment=? AND version=?"));
  write.bind(1, vars).bind(2, of.project).bind(3, of.environment).bind(4, of.version);
  return write.run();
}

}  // namespace

Result<Configuration> ConfigurationStore::current(std::string_view project,
                                                  std::string_view environment) {
  SLIPWAY_TRY(std::vector<Configuration> newest, history(project, environment, 1));
  if (!newest.empty()) return std::move(newest.front());
  return Configuration{.project = std::string(project), .environment = std::string(environment)};
}

Result<Configuration> ConfigurationStore::get(std::string_view project,
                                              std::string_view environment, std::int64_t version) {
  if (version == 0)
    return Configuration{.project = std::string(project), .environment = std::string(environment)};
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare(fmt::format("SELECT {} FROM configuration WHERE project=? AND "
                                          "environment=? AND version=?",
                                          columns)));
  SLIPWAY_TRY(const bool row, query.bind(1, project).bind(2, environment).bind(3, version).step());
  if (!row)
    return fail(Errc::not_found,
                fmt::format("{} of {} has no configuration {}", environment, project, version),
                fmt::format("see: slipway env history --project {} --environment {}", project,
                            environment));
  return from_row(query);
}

Result<std::vector<Configuration>> ConfigurationStore::history(std::string_view project,
                                                               std::string_view environment,
                                                               std::size_t limit) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare(fmt::format("SELECT {} FROM configuration WHERE project=? AND "
                                          "environment=? ORDER BY version DESC LIMIT ?",
                                          columns)));
  query.bind(1, project).bind(2, environment).bind(3, static_cast<std::int64_t>(limit));
  return rows_of(query);
}

Result<std::vector<std::string>> ConfigurationStore::environments(std::string_view project) {
  auto session = database_.read();
  SLIPWAY_TRY(
      Statement query,
      session.prepare("SELECT DISTINCT environment FROM configuration WHERE project=? ORDER BY 1"));
  query.bind(1, project);
  std::vector<std::string> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    out.push_back(query.text(0));
  }
}

Status ConfigurationStore::add(const AuditContext& by, const Configuration& next,
                               std::map<std::string, std::string> detail) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement insert,
                session.prepare(fmt::format(
                    "INSERT INTO configuration({}) SELECT ?1,?2,?3,?4,?5,?6,?7 WHERE ?3 = 1 +"
                    " (SELECT coalesce(max(version),0) FROM configuration"
                    "  WHERE project=?1 AND environment=?2) RETURNING version",
                    columns)));
    const std::string actor = json::serialize(to_json(next.actor)), vars = vars_text(next.vars);
    insert.bind(1, next.project).bind(2, next.environment).bind(3, next.version);
    insert.bind(4, next.created_at.time_since_epoch().count()).bind(5, actor).bind(6, next.note);
    SLIPWAY_TRY(const bool added, insert.bind(7, vars).step());
    if (!added)
      return fail(Errc::conflict, "the configuration was changed by somebody else meanwhile",
                  "look at it again, then repeat the change");
    SLIPWAY_TRY([[maybe_unused]] const bool more, insert.step());
    detail["version"] = std::to_string(next.version);
    return audit_.append(
        session, {.event = "configuration.changed",
                  .action = "env_write",
                  .by = by,
                  .resource = fmt::format("configuration/{}/{}", next.project, next.environment),
                  .project = next.project,
                  .environment = next.environment,
                  .detail = detail});
  });
}

Result<std::size_t> ConfigurationStore::reseal(const AuditContext& by, const Reseal& reseal) {
  return until_written<std::size_t>(
      "the configuration", [&]() -> Result<std::optional<std::size_t>> {
        Versions all;
        {
          auto session = database_.read();
          SLIPWAY_TRY(all, versions(session));
        }
        std::size_t count = 0;
        std::vector<std::string> resealed;
        for (const auto& [configuration, revision] : all) {
          Configuration next = configuration;
          for (EnvironmentVar& var : next.vars) {
            SLIPWAY_TRY(var.value, reseal(configuration, var));
            ++count;
          }
          resealed.push_back(vars_text(next.vars));
        }
        bool written = false;
        SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
          SLIPWAY_TRY(const Versions now, versions(session));
          written = now == all;
          if (!written) return {};
          for (std::size_t i = 0; i < all.size(); ++i)
            SLIPWAY_CHECK(write_vars(session, all[i].first, resealed[i]));
          return audit_.append(session, {.event = "configuration.resealed",
                                         .action = "secret_write",
                                         .by = by,
                                         .resource = "configuration",
                                         .detail = {{"values", std::to_string(count)}}});
        }));
        if (!written) return std::nullopt;
        return count;
      });
}

}  // namespace slipway
