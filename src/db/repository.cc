#include "db/repository.h"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "audit/record.h"
#include "base/log.h"
#include "db/host_names.h"
#include "db/revision.h"
#include "json/json.h"

namespace slipway {
namespace {

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }

Result<std::vector<DeploymentId>> read_ids(Statement& query) {
  std::vector<DeploymentId> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    if (const auto id = DeploymentId::parse(query.text(0))) out.push_back(*id);
  }
}

// Of what anybody with the right to read may see, so that it gives no value of a variable away.
std::string public_digest(const Deployment& deployment) {
  return sha256(json::serialize(to_json(deployment, DeploymentUrls{}))).str();
}

AuditEvent event_about(const AuditContext& by, std::string event, const Deployment& deployment) {
  AuditEvent out{.event = std::move(event),
                 .by = by,
                 .resource = "deployment/" + deployment.id.str(),
                 .team = deployment.team,
                 .project = deployment.project,
                 .environment = deployment.alias,
                 .after = public_digest(deployment),
                 .policy_set = by.policy_set,
                 .facts = by.facts};
  out.detail["source"] = deployment.source.str();
  return out;
}

std::string quoted_list(const std::vector<DeploymentState>& states) {
  std::string out;
  for (const DeploymentState state : states)
    out += fmt::format("{}'{}'", out.empty() ? "" : ",", to_string(state));
  return out;
}

}  // namespace

// A record's values are one sealed text beside the variables' names.
constexpr std::string_view sealed_values = "sealed";

Result<std::string> Repository::record_text(const Deployment& deployment) const {
  json::object record = to_record(deployment);
  const DeployOptions& options = deployment.options;
  if (seal_.seal && !(options.env.empty() && options.build_env.empty())) {
    json::object& kept = record.at("options").as_object();
    const json::object values{{"env", kept.at("env")}, {"build_env", kept.at("build_env")}};
    SLIPWAY_TRY(const std::string sealed,
                seal_.seal(json::serialize(values), "deployment/" + deployment.id.str()));
    for (const std::string_view part : {"env", "build_env"})
      for (auto& [name, value] : kept.at(part).as_object()) value = "";
    kept[sealed_values] = sealed;
  }
  return json::serialize(record);
}

Result<Deployment> Repository::parse_record(const std::string& text) const {
  SLIPWAY_TRY(json::value value, parse_json(text));
  if (json::object* record = value.if_object(); record != nullptr && seal_.unseal) {
    json::value* options = record->if_contains("options");
    const json::value* sealed = options != nullptr && options->is_object()
                                    ? options->as_object().if_contains(sealed_values)
                                    : nullptr;
    const json::value* id = record->if_contains("id");
    if (sealed != nullptr && sealed->is_string() && id != nullptr && id->is_string()) {
      const auto opened = seal_.unseal(std::string(sealed->as_string()),
                                       "deployment/" + std::string(id->as_string()));
      auto values = opened ? parse_json(*opened) : Result<json::value>(fail(opened.error()));
      // Its values are lost with their key; the server and everything else goes on.
      if (!values || !values->is_object())
        log_error("a deployment's variables cannot be read",
                  {{"deployment", std::string(id->as_string())},
                   {"error", values ? "no object" : values.error().message}});
      else
        for (auto& [part, variables] : values->as_object())
          options->as_object()[part] = std::move(variables);
    }
  }
  Result<Deployment> deployment = deployment_from_record(value);
  if (!deployment)
    return fail(Errc::corrupt, "database: a deployment's record: " + deployment.error().message);
  return deployment;
}

// Every row's first column as a deployment.
Result<std::vector<Deployment>> Repository::read_all(Statement& query) const {
  std::vector<Deployment> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    SLIPWAY_TRY(Deployment deployment, parse_record(query.text(0)));
    out.push_back(std::move(deployment));
  }
}

Result<std::optional<Deployment>> Repository::read_one(Statement& query) const {
  SLIPWAY_TRY(const bool row, query.step());
  if (!row) return std::nullopt;
  SLIPWAY_TRY(Deployment deployment, parse_record(query.text(0)));
  return deployment;
}

Result<std::size_t> Repository::reseal(const AuditContext& by) {
  std::size_t count = 0;
  SLIPWAY_CHECK(database_->transaction([&](Database::Transaction& session) -> Status {
    std::vector<Deployment> all;
    {
      SLIPWAY_TRY(Statement query,
                  session.prepare("SELECT record FROM deployment WHERE"
                                  " json_extract(record,'$.options.env')<>'{}' OR"
                                  " json_extract(record,'$.options.build_env')<>'{}'"));
      SLIPWAY_TRY(all, read_all(query));
    }
    for (const Deployment& each : all) {
      SLIPWAY_TRY(Statement write, session.prepare("UPDATE deployment SET record=?,"
                                                   " revision=revision+1 WHERE id=?"));
      SLIPWAY_TRY(const std::string text, record_text(each));
      SLIPWAY_CHECK(write.bind(1, text).bind(2, each.id.str()).run());
    }
    count = all.size();
    if (count == 0) return {};
    return audit_->append(session, {.event = "deployment.resealed",
                                    .by = by,
                                    .resource = "deployments",
                                    .detail = {{"values", std::to_string(count)}}});
  }));
  return count;
}

Result<Deployment> Repository::add(const AuditContext& by, const Deployment& deployment,
                                   std::string_view idempotency_key, const Beside& beside) {
  Result<Deployment> outcome = deployment;
  SLIPWAY_CHECK(database_->transaction([&](Database::Transaction& session) -> Status {
    if (!idempotency_key.empty()) {
      SLIPWAY_TRY(Statement query,
                  session.prepare("SELECT record FROM deployment WHERE idempotency_key=?"));
      SLIPWAY_TRY(std::optional<Deployment> known, read_one(query.bind(1, idempotency_key)));
      if (known) {
        outcome = *std::move(known);
        return {};
      }
    }
    SLIPWAY_CHECK(check_deployment_hosts(session, deployment));
    SLIPWAY_TRY(
        Statement insert,
        session.prepare("INSERT INTO deployment(id,project,alias,state,created_at,deleted_at,"
                        "idempotency_key,record) VALUES(?,?,?,?,?,NULL,?,?)"));
    insert.bind(1, deployment.id.str()).bind(2, deployment.project).bind(3, deployment.alias);
    insert.bind(4, to_string(deployment.state)).bind(5, micros(deployment.created_at));
    if (idempotency_key.empty())
      insert.bind_null(6);
    else
      insert.bind(6, idempotency_key);
    // Sealed within the transaction, so that reseal() comes before it or sees it.
    SLIPWAY_TRY(const std::string record, record_text(deployment));
    SLIPWAY_CHECK(insert.bind(7, record).run());
    AuditEvent event = event_about(by, "deployment.created", deployment);
    event.action = "deploy";
    event.detail["files"] = std::to_string(deployment.source_files);
    event.detail["changed"] =
        fmt::format("+{} ~{} -{}", deployment.changed.added.size(),
                    deployment.changed.modified.size(), deployment.changed.removed.size());
    event.detail["changed_digest"] = diff_digest(deployment.changed).str();
    SLIPWAY_CHECK(put(session, *audit_, beside));
    return audit_->append(session, event);
  }));
  return outcome;
}

Result<std::optional<Deployment>> Repository::made_with(std::string_view idempotency_key) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM deployment WHERE idempotency_key=?"));
  return read_one(query.bind(1, idempotency_key));
}

Result<Deployment> Repository::get(const DeploymentId& id) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT record FROM deployment WHERE id=?"));
  SLIPWAY_TRY(std::optional<Deployment> found, read_one(query.bind(1, id.str())));
  if (!found) return fail(Errc::not_found, "no deployment " + id.str(), "see `slipway ls`");
  return *std::move(found);
}

Result<Deployment> Repository::update(const AuditContext& by, const DeploymentId& id,
                                      const std::function<Status(Deployment&)>& change,
                                      const Beside& beside) {
  return until_written<Deployment>(id.str(), [&]() -> Result<std::optional<Deployment>> {
    Deployment deployment;
    std::int64_t revision = 0;
    {
      auto session = database_->read();
      SLIPWAY_TRY(Statement query,
                  session.prepare("SELECT record, revision FROM deployment WHERE id=?"));
      SLIPWAY_TRY(std::optional<Deployment> found, read_one(query.bind(1, id.str())));
      if (!found) return fail(Errc::not_found, "no deployment " + id.str(), "see `slipway ls`");
      deployment = *std::move(found);
      revision = query.number(1);
    }
    const std::string before = public_digest(deployment);
    const bool was_deleted = deployment.state == DeploymentState::deleted;
    SLIPWAY_CHECK(change(deployment));
    if (deployment.state != DeploymentState::queued) deployment.approval = {};  // waits no more
    SLIPWAY_TRY(const std::string record, record_text(deployment));
    AuditEvent event =
        event_about(by, fmt::format("deployment.{}", to_string(deployment.state)), deployment);
    event.before = before;
    if (!deployment.state_reason.empty()) event.detail["reason"] = deployment.state_reason;
    bool written = false;
    SLIPWAY_CHECK(database_->transaction([&](Database::Transaction& session) -> Status {
      if (was_deleted && deployment.state != DeploymentState::deleted)
        SLIPWAY_CHECK(check_deployment_hosts(session, deployment));
      SLIPWAY_TRY(Statement write,
                  session.prepare("UPDATE deployment SET state=?, alias=?, deleted_at=?, record=?, "
                                  "expires_at=?, revision=revision+1 WHERE id=? AND revision=? "
                                  "RETURNING seq"));
      write.bind(1, to_string(deployment.state)).bind(2, deployment.alias);
      if (deployment.deleted_at)
        write.bind(3, micros(*deployment.deleted_at));
      else
        write.bind_null(3);
      if (deployment.expires_at)
        write.bind(5, micros(*deployment.expires_at));
      else
        write.bind_null(5);
      SLIPWAY_TRY(written, write.bind(4, record).bind(6, id.str()).bind(7, revision).changed());
      if (!written) return {};
      SLIPWAY_CHECK(put(session, *audit_, beside));
      return audit_->append(session, event);
    }));
    if (!written) return std::nullopt;
    return deployment;
  });
}

Result<DeploymentPage> Repository::list(const DeploymentFilter& filter) {
  std::string sql = "SELECT record, seq, project, alias FROM deployment WHERE seq < ?";
  sql += filter.state ? " AND state = ?" : " AND state <> ?";
  if (!filter.project.empty()) sql += " AND project = ?";
  if (!filter.alias.empty()) sql += " AND alias = ?";
  sql += " ORDER BY seq DESC";
  auto session = database_->read();
  SLIPWAY_TRY(Statement query, session.prepare(sql));
  int at = 1;
  query.bind(at++, filter.before > 0 ? filter.before : INT64_MAX);
  const bool everything = !filter.state && filter.deleted == DeploymentFilter::Deleted::included;
  query.bind(at++, everything ? std::string_view("")
                              : to_string(filter.state.value_or(DeploymentState::deleted)));
  if (!filter.project.empty()) query.bind(at++, filter.project);
  if (!filter.alias.empty()) query.bind(at++, filter.alias);
  DeploymentPage page;
  std::int64_t last = 0;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return page;
    if (filter.visible && !filter.visible(query.text(2), query.text(3))) continue;
    if (page.deployments.size() == filter.limit) {
      page.next = last;
      return page;
    }
    SLIPWAY_TRY(Deployment deployment, parse_record(query.text(0)));
    page.deployments.push_back(std::move(deployment));
    last = query.number(1);
  }
}

Result<std::vector<Deployment>> Repository::in_states(std::vector<DeploymentState> states) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query, session.prepare(fmt::format(
                                   "SELECT record FROM deployment WHERE state IN ({}) ORDER BY seq",
                                   quoted_list(states))));
  return read_all(query);
}

Status Repository::each(const std::function<void(const Deployment&)>& visit) {
  // In pages, so that writers are not kept waiting by a long walk.
  for (std::int64_t after = 0;;) {
    std::vector<std::string> records;
    {
      auto session = database_->read();
      SLIPWAY_TRY(
          Statement query,
          session.prepare("SELECT record, seq FROM deployment WHERE seq>? ORDER BY seq LIMIT 500"));
      query.bind(1, after);
      for (;;) {
        SLIPWAY_TRY(const bool row, query.step());
        if (!row) break;
        records.push_back(query.text(0));
        after = query.number(1);
      }
    }
    if (records.empty()) return {};
    for (const std::string& record : records) {
      SLIPWAY_TRY(const Deployment deployment, parse_record(record));
      visit(deployment);
    }
  }
}

Result<std::vector<DeploymentId>> Repository::find_by_tail(
    std::string_view tail, const std::function<bool(std::string_view project)>& visible) {
  std::vector<DeploymentId> out;
  if (tail.empty() ||
      tail.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") != std::string_view::npos)
    return out;
  // Asked about afterwards, for that may use the database as well.
  std::vector<std::pair<std::string, std::string>> found;
  {
    auto session = database_->read();
    SLIPWAY_TRY(Statement query,
                session.prepare("SELECT id, project FROM deployment WHERE id GLOB ? LIMIT ?"));
    query.bind(1, fmt::format("dpl_{}*", tail)).bind(2, visible ? -1 : 2);
    for (;;) {
      SLIPWAY_TRY(const bool row, query.step());
      if (!row) break;
      found.emplace_back(query.text(0), query.text(1));
    }
  }
  for (const auto& [text, project] : found) {
    if (out.size() == 2) break;
    if (visible && !visible(project)) continue;
    if (const auto id = DeploymentId::parse(text)) out.push_back(*id);
  }
  return out;
}

Result<std::optional<Deployment>> Repository::newest(std::string_view project,
                                                     std::string_view alias) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM deployment WHERE project=? AND state<>'deleted'"
                              " AND (?2='' OR alias=?2) ORDER BY seq DESC LIMIT 1"));
  return read_one(query.bind(1, project).bind(2, alias));
}

Result<std::optional<Deployment>> Repository::last_shown(std::string_view project,
                                                         std::string_view alias,
                                                         const DeploymentId& except) {
  auto session = database_->read();
  // The states that nothing has before it was ready. One that failed since shows nothing.
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM deployment WHERE project=? AND alias=?"
                              " AND state IN ('ready','sleeping','stopped','expired') AND id<>?"
                              " ORDER BY seq DESC LIMIT 1"));
  return read_one(query.bind(1, project).bind(2, alias).bind(3, except.str()));
}

Result<std::optional<Deployment>> Repository::before(const Deployment& deployment) {
  auto session = database_->read();
  SLIPWAY_TRY(
      Statement query,
      session.prepare("SELECT record FROM deployment WHERE project=? AND alias=?"
                      " AND state<>'deleted' AND seq<(SELECT seq FROM deployment WHERE id=?)"
                      " ORDER BY seq DESC LIMIT 1"));
  return read_one(
      query.bind(1, deployment.project).bind(2, deployment.alias).bind(3, deployment.id.str()));
}

Result<std::vector<Deployment>> Repository::last_deleted(Timestamp since, std::size_t most) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT record FROM deployment WHERE deleted_at>=? "
                                               "ORDER BY deleted_at DESC, seq DESC LIMIT ?"));
  return read_all(query.bind(1, micros(since)).bind(2, static_cast<std::int64_t>(most)));
}

Result<std::vector<DeploymentId>> Repository::live_due(Timestamp now) {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT id FROM deployment WHERE state IN ('ready','sleeping')"
                              " AND expires_at<=?"));
  return read_ids(query.bind(1, micros(now)));
}

Result<std::size_t> Repository::live_count() {
  auto session = database_->read();
  SLIPWAY_TRY(
      Statement query,
      session.prepare("SELECT count(*) FROM deployment WHERE state IN ('ready','sleeping')"));
  SLIPWAY_TRY([[maybe_unused]] const bool row, query.step());
  return static_cast<std::size_t>(query.number(0));
}

Result<std::vector<DeploymentId>> Repository::live_ids() {
  auto session = database_->read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT id FROM deployment WHERE state IN ('ready','sleeping')"));
  return read_ids(query);
}

Status Repository::purge(const AuditContext& by, const DeploymentId& id) {
  return database_->transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement remove,
                session.prepare("DELETE FROM deployment WHERE id=?1 AND state='deleted'"
                                " AND NOT EXISTS (SELECT 1 FROM release_entry"
                                "  WHERE deployment=?1 AND kept=1) RETURNING project"));
    SLIPWAY_TRY(const bool gone, remove.bind(1, id.str()).step());
    if (!gone) {
      SLIPWAY_TRY(Statement kept, session.prepare("SELECT 1 FROM release_entry"
                                                  " WHERE deployment=? AND kept=1"));
      SLIPWAY_TRY(const bool is_kept, kept.bind(1, id.str()).step());
      if (is_kept)
        return fail(Errc::failed_precondition, fmt::format("a release of {} is kept", id.str()));
      return {};
    }
    const std::string project = remove.text(0);
    SLIPWAY_TRY([[maybe_unused]] const bool more, remove.step());
    return audit_->append(session, {.event = "deployment.purged",
                                    .by = by,
                                    .resource = "deployment/" + id.str(),
                                    .project = project});
  });
}

}  // namespace slipway
