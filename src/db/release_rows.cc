#include "db/release_rows.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "json/release_json.h"

namespace slipway::release_rows {
namespace {

// Slipway itself went back: the verdict that says so is the last one.
bool ended_by_watch(const Rollout& rollout) {
  return rollout.state == RolloutState::rolled_back && !rollout.verdicts.empty() &&
         rollout.verdicts.back().says == "roll_back";
}

void bind_time(Statement& statement, int position, const std::optional<Timestamp>& time) {
  if (time)
    statement.bind(position, micros(*time));
  else
    statement.bind_null(position);
}

template <class T>
std::string digest_of(const T& value) {
  return sha256(json::serialize(to_json(value))).str();
}

std::string action_of(const Rollout& rollout) {
  switch (rollout.kind) {
    case RolloutKind::promotion:
      return "promote";
    case RolloutKind::rollback:
      return "rollback";
    case RolloutKind::configuration:
      return "env_write";
  }
  return "";
}

}  // namespace

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }

Result<EnvironmentState> read_environment(Database::Session& session, std::string_view project,
                                          std::string_view environment) {
  SLIPWAY_TRY(Statement query, session.prepare("SELECT record FROM environment_state"
                                               " WHERE project=? AND environment=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, project).bind(2, environment).step());
  if (!row)
    return EnvironmentState{.project = std::string(project),
                            .environment = std::string(environment)};
  return parse_record(query.text(0), environment_state_from_json);
}

Result<Release> read_release(Database::Session& session, std::string_view project,
                             std::string_view environment, std::int64_t number) {
  SLIPWAY_TRY(Statement query, session.prepare("SELECT record FROM release_entry WHERE project=?"
                                               " AND environment=? AND number=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, project).bind(2, environment).bind(3, number).step());
  if (!row)
    return fail(Errc::not_found,
                fmt::format("{} of {} has no release {}", environment, project, number),
                fmt::format("see: slipway releases {}", project));
  return parse_record(query.text(0), release_from_json);
}

Result<Rollout> read_rollout(Database::Session& session, const RolloutId& id) {
  SLIPWAY_TRY(Statement query, session.prepare("SELECT record FROM rollout WHERE id=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, id.str()).step());
  if (!row) return fail(Errc::not_found, "no rollout " + id.str(), "see `slipway releases`");
  return parse_record(query.text(0), rollout_from_json);
}

namespace {

Result<std::int64_t> first_number(Statement& query) {
  SLIPWAY_TRY(const bool row, query.step());
  return row ? query.number(0) : -1;
}

}  // namespace

Result<std::int64_t> revision_of(Database::Session& session, const RolloutId& id) {
  SLIPWAY_TRY(Statement query, session.prepare("SELECT revision FROM rollout WHERE id=?"));
  return first_number(query.bind(1, id.str()));
}

Result<std::int64_t> revision_of(Database::Session& session, std::string_view project,
                                 std::string_view environment) {
  SLIPWAY_TRY(Statement query, session.prepare("SELECT revision FROM environment_state"
                                               " WHERE project=? AND environment=?"));
  return first_number(query.bind(1, project).bind(2, environment));
}

Result<std::int64_t> revision_of(Database::Session& session, std::string_view project,
                                 std::string_view environment, std::int64_t number) {
  SLIPWAY_TRY(Statement query, session.prepare("SELECT revision FROM release_entry WHERE project=?"
                                               " AND environment=? AND number=?"));
  return first_number(query.bind(1, project).bind(2, environment).bind(3, number));
}

Result<std::vector<Rollout>> open_of(Database::Session& session, std::string_view project,
                                     std::string_view environment) {
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM rollout WHERE state IN"
                              " ('waiting','running','canary','watching') AND"
                              " (?1='' OR project=?1) AND (?2='' OR environment=?2) ORDER BY seq"));
  return all_of<Rollout>(query.bind(1, project).bind(2, environment), rollout_from_json);
}

Status write_environment(Database::Transaction& session, const EnvironmentState& state) {
  SLIPWAY_TRY(Statement write,
              session.prepare("INSERT INTO environment_state(project,environment,record)"
                              " VALUES(?,?,?) ON CONFLICT(project,environment)"
                              " DO UPDATE SET record=excluded.record, revision=revision+1"));
  const std::string record = json::serialize(to_json(state));
  return write.bind(1, state.project).bind(2, state.environment).bind(3, record).run();
}

Status write_release(Database::Transaction& session, const Release& release) {
  SLIPWAY_TRY(
      Statement write,
      session.prepare(
          "INSERT INTO release_entry(project,environment,number,deployment,live_at,kept,record)"
          " VALUES(?,?,?,?,?,?,?) ON CONFLICT(project,environment,number) DO UPDATE SET"
          " live_at=excluded.live_at, kept=excluded.kept, record=excluded.record,"
          " revision=revision+1"));
  const std::string record = json::serialize(to_json(release));
  write.bind(1, release.project).bind(2, release.environment).bind(3, release.number);
  write.bind(4, release.deployment.str()).bind(6, std::int64_t{release.kept}).bind(7, record);
  bind_time(write, 5, release.live_at);
  return write.run();
}

Status write_rollout(Database::Transaction& session, const Rollout& rollout) {
  SLIPWAY_TRY(Statement write,
              session.prepare("INSERT INTO rollout(id,project,environment,kind,state,created_at,"
                              "switched_at,ended_at,by_watch,record) VALUES(?,?,?,?,?,?,?,?,?,?)"
                              " ON CONFLICT(id) DO UPDATE SET state=excluded.state,"
                              " switched_at=excluded.switched_at, ended_at=excluded.ended_at,"
                              " by_watch=excluded.by_watch, record=excluded.record,"
                              " revision=revision+1"));
  const std::string record = json::serialize(to_json(rollout));
  write.bind(1, rollout.id.str()).bind(2, rollout.project).bind(3, rollout.environment);
  write.bind(4, to_string(rollout.kind)).bind(5, to_string(rollout.state));
  write.bind(6, micros(rollout.created_at));
  bind_time(write, 7, rollout.switched_at);
  bind_time(write, 8, rollout.ended_at);
  return write.bind(9, std::int64_t{ended_by_watch(rollout)}).bind(10, record).run();
}

Status check_open(const Rollout& rollout) {
  if (!is_over(rollout.state)) return {};
  return fail(Errc::failed_precondition,
              fmt::format("rollout {} is over: {}", rollout.id.str(), to_string(rollout.state)));
}

Status busy(const EnvironmentState& state) {
  return fail(
      Errc::conflict,
      fmt::format("another rollout of {} to {} is under way", state.project, state.environment),
      state.active.empty() ? std::string("look at it again: slipway releases ") + state.project
                           : fmt::format("wait for {}, or end it: slipway rollback {}",
                                         state.active.str(), state.project));
}

void add_evidence(AuditEvent& event, const Rollout& rollout) {
  if (rollout.verdicts.empty()) return;
  const CanaryVerdict& verdict = rollout.verdicts.back();
  event.detail["verdict"] = verdict.says;
  event.detail["percent"] = std::to_string(verdict.percent);
  for (const MetricEvidence& each : verdict.evidence)
    event.detail["evidence." + each.metric] =
        fmt::format("{}: e={:.4g} of {:.4g}, {}/{} against {}/{}{}{}", each.says, each.e_value,
                    each.threshold, each.count, each.of, each.baseline_count, each.baseline_of,
                    each.detail.empty() ? "" : ", ", each.detail);
}

AuditEvent event_about(const AuditContext& by, std::string_view event, const Release& release) {
  AuditEvent out{.event = std::string(event),
                 .action = "promote",
                 .by = by,
                 .resource = fmt::format("release/{}/{}/{}", release.project, release.environment,
                                         release.number),
                 .project = release.project,
                 .environment = release.environment,
                 .after = digest_of(release),
                 .artifact = release.artifact.str(),
                 .policy_set = by.policy_set,
                 .facts = by.facts};
  out.detail = {{"deployment", release.deployment.str()},
                {"config_version", std::to_string(release.config_version)}};
  return out;
}

AuditEvent event_about(const AuditContext& by, const std::optional<Rollout>& before,
                       const Rollout& after) {
  AuditEvent out{.event = fmt::format("rollout.{}", to_string(after.state)),
                 .action = action_of(after),
                 .by = by,
                 .resource = "rollout/" + after.id.str(),
                 .project = after.project,
                 .environment = after.environment,
                 .before = before ? digest_of(*before) : std::string(),
                 .after = digest_of(after),
                 .artifact = after.artifact.str(),
                 .policy_set = by.policy_set,
                 .facts = by.facts};
  out.detail = {{"kind", std::string(to_string(after.kind))},
                {"deployment", after.deployment.str()},
                {"from", std::to_string(after.from)},
                {"to", std::to_string(after.to)}};
  if (!after.reason.empty()) out.detail["reason"] = after.reason;
  if (!after.approval.empty()) out.detail["approval"] = after.approval;
  if (after.error) out.detail["error"] = after.error->message;
  if (after.state == RolloutState::rolled_back || after.state == RolloutState::failed)
    add_evidence(out, after);
  return out;
}

AuditEvent event_about(const AuditContext& by, const EnvironmentState& before,
                       const EnvironmentState& after) {
  AuditEvent out{
      .event = "environment.changed",
      .action = "promote",
      .by = by,
      .resource = fmt::format("environment/{}/{}", after.project, after.environment),
      .project = after.project,
      .environment = after.environment,
      .before = digest_of(before),
      .after = digest_of(after),
  };
  if (before.paused != after.paused) out.detail["paused"] = after.paused;
  if (before.frozen_until != after.frozen_until)
    out.detail["frozen_until"] = after.frozen_until ? to_rfc3339(*after.frozen_until) : "";
  if (before.instances != after.instances)
    out.detail["instances"] = std::to_string(after.instances);
  if (before.previous != after.previous) out.detail["previous"] = std::to_string(after.previous);
  return out;
}

}  // namespace slipway::release_rows
