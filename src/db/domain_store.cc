#include "db/domain_store.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "db/revision.h"
#include "json/domain_json.h"

namespace slipway {
namespace {

Result<Domain> domain_of(const Statement& row) {
  SLIPWAY_TRY(const json::value value, parse_json(row.text(0)));
  Result<Domain> parsed = domain_from_json(value);
  if (!parsed) return fail(Errc::corrupt, "database: a domain: " + parsed.error().message);
  return parsed;
}

Result<std::vector<Domain>> all_of(Statement& query) {
  std::vector<Domain> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    SLIPWAY_TRY(Domain domain, domain_of(query));
    out.push_back(std::move(domain));
  }
}

Result<Domain> read(Database::Session& session, std::string_view name, std::string_view project) {
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM domain WHERE name=? AND project=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, name).bind(2, project).step());
  if (!row)
    return fail(Errc::not_found,
                fmt::format("{} has no domain {}", sanitize_line(project), sanitize_line(name)),
                fmt::format("see: slipway domain ls {}", sanitize_line(project)));
  return domain_of(query);
}

AuditEvent event_about(const AuditContext& by, std::string_view event, const Domain& domain) {
  return {.event = std::string(event),
          .action = "promote",
          .by = by,
          .resource = "domain/" + domain.name,
          .project = domain.project,
          .environment = domain.environment,
          .detail = {{"name", domain.name}, {"verified", domain.verified ? "true" : "false"}}};
}

// -1 when there is none.
Result<std::int64_t> revision_of(Database::Session& session, std::string_view name,
                                 std::string_view project) {
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT revision FROM domain WHERE name=? AND project=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, name).bind(2, project).step());
  return row ? query.number(0) : -1;
}

// One project alone has a name.
Status check_owner(Database::Session& session, const Domain& domain) {
  if (!domain.verified) return {};
  SLIPWAY_TRY(
      Statement query,
      session.prepare("SELECT record FROM domain WHERE name=? AND verified=1 AND project!=?"));
  query.bind(1, domain.name).bind(2, domain.project);
  SLIPWAY_TRY(const std::vector<Domain> others, all_of(query));
  if (others.empty()) return {};
  return fail(Errc::conflict, fmt::format("{} belongs to another project here", domain.name),
              "its owner removes it there first");
}

Status write(Database::Transaction& session, const Domain& domain) {
  SLIPWAY_TRY(Statement upsert,
              session.prepare("INSERT INTO domain(name,project,environment,verified,record)"
                              " VALUES(?1,?2,?3,?4,?5) ON CONFLICT(name,project) DO UPDATE SET"
                              " environment=?3, verified=?4, record=?5, revision=revision+1"));
  const std::string record = json::serialize(to_json(domain));
  upsert.bind(1, domain.name).bind(2, domain.project).bind(3, domain.environment);
  return upsert.bind(4, std::int64_t{domain.verified ? 1 : 0}).bind(5, record).run();
}

}  // namespace

Status DomainStore::add(const AuditContext& by, const Domain& domain) {
  return database_.transaction([&](Database::Transaction& session) -> Status {
    if (const auto known = read(session, domain.name, domain.project))
      return fail(
          Errc::conflict,
          fmt::format("{} has {} already, for {}", domain.project, domain.name, known->environment),
          fmt::format("remove it first: slipway domain rm {}", domain.name));
    SLIPWAY_CHECK(write(session, domain));
    return audit_.append(session, event_about(by, "domain.added", domain));
  });
}

Result<Domain> DomainStore::get(std::string_view name, std::string_view project) {
  auto session = database_.read();
  return read(session, name, project);
}

Result<std::optional<Domain>> DomainStore::owner(std::string_view name) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM domain WHERE name=? AND verified=1"));
  SLIPWAY_TRY(std::vector<Domain> found, all_of(query.bind(1, name)));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<std::vector<Domain>> DomainStore::list(std::string_view project) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM domain WHERE ?1='' OR project=?1 ORDER BY name"));
  return all_of(query.bind(1, project));
}

Result<std::vector<Domain>> DomainStore::claims(std::string_view name) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM domain WHERE name=? ORDER BY project"));
  return all_of(query.bind(1, name));
}

Result<Domain> DomainStore::update(const AuditContext& by, std::string_view name,
                                   std::string_view project, std::string_view event,
                                   const std::function<Status(Domain&)>& change,
                                   const Beside& beside) {
  return until_written<Domain>(name, [&]() -> Result<std::optional<Domain>> {
    Domain after;
    std::int64_t revision = 0;
    {
      auto session = database_.read();
      SLIPWAY_TRY(after, read(session, name, project));
      SLIPWAY_TRY(revision, revision_of(session, name, project));
    }
    SLIPWAY_CHECK(change(after));
    bool written = false;
    SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
      SLIPWAY_TRY(const std::int64_t now, revision_of(session, name, project));
      written = now == revision;
      if (!written) return {};
      SLIPWAY_CHECK(check_owner(session, after));
      SLIPWAY_CHECK(write(session, after));
      if (!event.empty()) SLIPWAY_CHECK(audit_.append(session, event_about(by, event, after)));
      return put(session, audit_, beside);
    }));
    if (!written) return std::nullopt;
    return after;
  });
}

Result<Domain> DomainStore::remove(const AuditContext& by, std::string_view name,
                                   std::string_view project, const Beside& beside) {
  Domain gone;
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(gone, read(session, name, project));
    SLIPWAY_TRY(Statement erase, session.prepare("DELETE FROM domain WHERE name=? AND project=?"));
    SLIPWAY_CHECK(erase.bind(1, name).bind(2, project).run());
    SLIPWAY_CHECK(audit_.append(session, event_about(by, "domain.removed", gone)));
    return put(session, audit_, beside);
  }));
  return gone;
}

}  // namespace slipway
