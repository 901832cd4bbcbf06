// Where aliases lead, the uid ranges of environments, small facts.
#include "db/repository.h"

namespace slipway {
namespace {

AuditEvent alias_event(const AuditContext& by, std::string_view project, std::string_view alias,
                       std::string deployment) {
  return {.event = "alias.moved",
          .by = by,
          .resource = fmt::format("alias/{}--{}", alias, project),
          .project = std::string(project),
          .environment = std::string(alias),
          .detail = {{"deployment", std::move(deployment)}}};
}

}  // namespace

Result<bool> Repository::advance_alias(const AuditContext& by, const Deployment& deployment) {
  bool leads = false;
  SLIPWAY_CHECK(database_->transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(
        Statement write,
        session.prepare("INSERT INTO alias(project,alias,deployment,seq)"
                        " SELECT project, alias, id, seq FROM deployment WHERE id=?1"
                        " ON CONFLICT(project,alias) DO UPDATE SET deployment=excluded.deployment,"
                        " seq=excluded.seq WHERE excluded.seq>=alias.seq"));
    SLIPWAY_CHECK(write.bind(1, deployment.id.str()).run());
    SLIPWAY_TRY(Statement query,
                session.prepare("SELECT deployment FROM alias WHERE project=? AND alias=?"));
    SLIPWAY_TRY(const bool row, query.bind(1, deployment.project).bind(2, deployment.alias).step());
    leads = row && query.text(0) == deployment.id.str();
    if (!leads) return {};
    return audit_->append(
        session, alias_event(by, deployment.project, deployment.alias, deployment.id.str()));
  }));
  return leads;
}

Result<std::size_t> Repository::settle_aliases(const AuditContext& by) {
  struct Wrong {
    std::string project, alias, deployment;  // "": to nothing
  };
  std::vector<Wrong> wrong;
  SLIPWAY_CHECK(database_->transaction([&](Database::Transaction& session) -> Status {
    {
      // The columns beside max(seq) are those of its row.
      SLIPWAY_TRY(Statement query,
                  session.prepare("WITH newest AS (SELECT project, alias, id, max(seq) FROM"
                                  " deployment WHERE state IN ('ready','sleeping')"
                                  " GROUP BY project, alias)"
                                  " SELECT n.project, n.alias, n.id FROM newest n LEFT JOIN alias a"
                                  " USING(project, alias) WHERE a.deployment IS NOT n.id"
                                  " UNION ALL SELECT a.project, a.alias, '' FROM alias a LEFT JOIN"
                                  " newest n USING(project, alias) WHERE n.id IS NULL"));
      for (;;) {
        SLIPWAY_TRY(const bool row, query.step());
        if (!row) break;
        wrong.push_back({query.text(0), query.text(1), query.text(2)});
      }
    }
    for (const auto& [project, alias, deployment] : wrong) {
      SLIPWAY_TRY(Statement write,
                  session.prepare(deployment.empty()
                                      ? "DELETE FROM alias WHERE project=?1 AND alias=?2"
                                      : "INSERT OR REPLACE INTO alias(project,alias,deployment,seq)"
                                        " SELECT ?1, ?2, id, seq FROM deployment WHERE id=?3"));
      write.bind(1, project).bind(2, alias);
      if (!deployment.empty()) write.bind(3, deployment);
      SLIPWAY_CHECK(write.run());
      SLIPWAY_CHECK(audit_->append(
          session, alias_event(by, project, alias, deployment.empty() ? "nothing" : deployment)));
    }
    return {};
  }));
  return wrong.size();
}

Result<std::optional<DeploymentId>> Repository::retreat_alias(const AuditContext& by,
                                                              std::string_view project,
                                                              std::string_view alias) {
  std::optional<DeploymentId> now;
  SLIPWAY_CHECK(database_->transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement query, session.prepare("SELECT id FROM deployment WHERE project=? AND "
                                                 "alias=? AND state IN ('ready','sleeping')"
                                                 " ORDER BY seq DESC LIMIT 1"));
    SLIPWAY_TRY(const bool row, query.bind(1, project).bind(2, alias).step());
    if (row) now = DeploymentId::parse(query.text(0));
    SLIPWAY_TRY(Statement write,
                session.prepare(
                    now ? "INSERT OR REPLACE INTO alias(project,alias,deployment,seq)"
                          " SELECT project, ?2, id, seq FROM deployment WHERE id=?3 AND project=?1"
                        : "DELETE FROM alias WHERE project=?1 AND alias=?2"));
    write.bind(1, project).bind(2, alias);
    if (now) write.bind(3, now->str());
    SLIPWAY_CHECK(write.run());
    return audit_->append(session, alias_event(by, project, alias, now ? now->str() : "nothing"));
  }));
  return now;
}

Result<std::optional<DeploymentId>> Repository::alias(std::string_view project,
                                                      std::string_view alias) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT deployment FROM alias WHERE project=? AND alias=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, project).bind(2, alias).step());
  if (!row) return std::nullopt;
  return DeploymentId::parse(query.text(0));
}

Result<std::optional<Deployment>> Repository::last_shown(std::string_view project,
                                                         std::string_view alias) {
  std::optional<DeploymentId> id;
  {
    auto session = database_->read();
    SLIPWAY_TRY(Statement query,
                session.prepare("SELECT id FROM deployment WHERE project=? AND alias=? AND"
                                " json_extract(record,'$.ready_at') IS NOT NULL"
                                " ORDER BY seq DESC LIMIT 1"));
    SLIPWAY_TRY(const bool row, query.bind(1, project).bind(2, alias).step());
    if (!row) return std::nullopt;
    id = DeploymentId::parse(query.text(0));
  }
  if (!id) return std::nullopt;
  SLIPWAY_TRY(Deployment found, get(*id));
  return found;
}

Result<std::vector<Repository::Alias>> Repository::aliases() {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT project, alias, deployment FROM alias"));
  std::vector<Alias> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    if (const auto id = DeploymentId::parse(query.text(2)))
      out.push_back({query.text(0), query.text(1), *id});
  }
}

Result<std::uint32_t> Repository::uid_slot(std::string_view environment) {
  std::uint32_t slot = 0;
  SLIPWAY_CHECK(database_->transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement query, session.prepare("SELECT slot FROM uid_slot WHERE environment=?"));
    SLIPWAY_TRY(const bool row, query.bind(1, environment).step());
    if (row) {
      slot = static_cast<std::uint32_t>(query.number(0));
      return {};
    }
    SLIPWAY_TRY(
        Statement insert,
        // The lowest that nobody has.
        session.prepare("INSERT INTO uid_slot(environment,slot) SELECT ?, (SELECT min(slot)+1"
                        " FROM (SELECT 0 AS slot UNION ALL SELECT slot FROM uid_slot) AS used"
                        " WHERE NOT EXISTS (SELECT 1 FROM uid_slot AS next"
                        " WHERE next.slot=used.slot+1)) RETURNING slot"));
    SLIPWAY_TRY([[maybe_unused]] const bool made, insert.bind(1, environment).step());
    slot = static_cast<std::uint32_t>(insert.number(0));
    SLIPWAY_TRY([[maybe_unused]] const bool more, insert.step());
    return {};
  }));
  return slot;
}

Status Repository::give_back_uid_slots() {
  // A deployment is recorded before it asks for a slot, and forgotten long after it has ended.
  return database_->transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(
        Statement drop,
        session.prepare("DELETE FROM uid_slot WHERE environment NOT LIKE 'env:%' AND environment "
                        "NOT LIKE 'live:%'"
                        " AND NOT EXISTS (SELECT 1 FROM deployment WHERE"
                        " project=substr(environment,1,instr(environment,'/')-1) AND"
                        " (project||'/'||alias=environment OR project||'/build'=environment))"));
    return drop.run();
  });
}

Result<std::optional<std::string>> Repository::setting(std::string_view key) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT value FROM setting WHERE key=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, key).step());
  if (!row) return std::nullopt;
  return query.text(0);
}

Status Repository::set_setting(std::string_view key, std::string_view value) {
  return database_->transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement write,
                session.prepare("INSERT OR REPLACE INTO setting(key,value) VALUES(?,?)"));
    return write.bind(1, key).bind(2, value).run();
  });
}

}  // namespace slipway
