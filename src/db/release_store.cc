#include "db/release_store.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "db/giving_way.h"
#include "db/host_names.h"
#include "db/release_rows.h"
#include "db/revision.h"
#include "json/release_json.h"

namespace slipway {

using namespace release_rows;

Result<EnvironmentState> ReleaseStore::environment(std::string_view project,
                                                   std::string_view environment) {
  auto session = database_.read();
  return read_environment(session, project, environment);
}

Result<std::vector<EnvironmentState>> ReleaseStore::environments(std::string_view project) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM environment_state WHERE ?1='' OR project=?1"
                              " ORDER BY project, environment"));
  return all_of<EnvironmentState>(query.bind(1, project), environment_state_from_json);
}

Result<Release> ReleaseStore::release(std::string_view project, std::string_view environment,
                                      std::int64_t number) {
  auto session = database_.read();
  return read_release(session, project, environment, number);
}

Result<std::vector<Release>> ReleaseStore::releases(std::string_view project,
                                                    std::string_view environment, std::size_t limit,
                                                    std::int64_t before) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM release_entry WHERE project=? AND environment=?"
                              " AND number<? ORDER BY number DESC LIMIT ?"));
  query.bind(1, project).bind(2, environment).bind(3, before > 0 ? before : INT64_MAX);
  return all_of<Release>(query.bind(4, static_cast<std::int64_t>(limit)), release_from_json);
}

Result<std::vector<Release>> ReleaseStore::kept() {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT record FROM release_entry WHERE kept=1"));
  return all_of<Release>(query, release_from_json);
}

Result<std::vector<Release>> ReleaseStore::releases_of(const DeploymentId& deployment) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM release_entry WHERE deployment=?"));
  return all_of<Release>(query.bind(1, deployment.str()), release_from_json);
}

Result<std::vector<Release>> ReleaseStore::serving(const DeploymentId& deployment) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT r.record FROM release_entry r JOIN environment_state e"
                              " ON e.project=r.project AND e.environment=r.environment"
                              " LEFT JOIN rollout o ON o.state='canary'"
                              "  AND o.id=json_extract(e.record,'$.active')"
                              " WHERE r.deployment=? AND r.number IN"
                              " (json_extract(e.record,'$.current'),"
                              "  json_extract(e.record,'$.previous'),"
                              "  coalesce(json_extract(o.record,'$.to'),0))"));
  return all_of<Release>(query.bind(1, deployment.str()), release_from_json);
}

Result<std::optional<Release>> ReleaseStore::live_before(std::string_view project,
                                                         std::string_view environment,
                                                         std::int64_t number) {
  auto session = database_.read();
  SLIPWAY_TRY(
      Statement query,
      session.prepare("SELECT record FROM release_entry WHERE project=? AND environment=? AND "
                      "number<? AND kept=1 AND live_at IS NOT NULL ORDER BY number DESC LIMIT 1"));
  query.bind(1, project).bind(2, environment).bind(3, number);
  SLIPWAY_TRY(std::vector<Release> found, all_of<Release>(query, release_from_json));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<std::size_t> ReleaseStore::retire(const AuditContext& by, std::string_view project,
                                         std::string_view environment, std::size_t keep) {
  std::size_t count = 0;
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    count = 0;
    SLIPWAY_TRY(const EnvironmentState state, read_environment(session, project, environment));
    SLIPWAY_TRY(const std::vector<Rollout> open, open_of(session, project, environment));
    std::vector<Release> kept;
    {
      SLIPWAY_TRY(Statement query, session.prepare("SELECT record FROM release_entry WHERE "
                                                   "project=? AND environment=? AND kept=1"
                                                   " ORDER BY number DESC"));
      query.bind(1, project).bind(2, environment);
      SLIPWAY_TRY(kept, all_of<Release>(query, release_from_json));
    }
    std::size_t live = 0;
    bool last_good = false;  // the newest that served before the current one was passed
    for (Release& release : kept) {
      const std::int64_t number = release.number;
      bool stays = number == state.current || number == state.previous;
      for (const Rollout& rollout : open)
        stays = stays || number == rollout.from || number == rollout.to;
      if (release.live_at) {
        stays = stays || live < keep;
        ++live;
        if (!last_good && number < state.current) stays = last_good = true;
      }
      if (stays) continue;
      release.kept = false;
      ++count;
      SLIPWAY_CHECK(write_release(session, release));
      SLIPWAY_CHECK(audit_.append(session, event_about(by, "release.retired", release)));
    }
    return {};
  }));
  return count;
}

Status ReleaseStore::write(Database::Transaction& session, const AuditContext& by,
                           const std::optional<Rollout>& before, const Rollout& after) {
  SLIPWAY_CHECK(write_rollout(session, after));
  if (before && before->state == after.state) return {};
  return audit_.append(session, event_about(by, before, after));
}

Status ReleaseStore::take_over(Database::Transaction& session, const AuditContext& by,
                               EnvironmentState& state, const Rollout& next,
                               std::vector<Rollout>& replaced) {
  if (!state.active.empty()) {
    SLIPWAY_TRY(const Rollout active, read_rollout(session, state.active));
    if (active.state != RolloutState::watching) return busy(state);
    const bool undone = next.kind == RolloutKind::rollback;
    Rollout ended = active;
    ended.state = undone ? RolloutState::rolled_back : RolloutState::done;
    ended.reason = fmt::format("{} {}", undone ? "rolled back by" : "followed by", next.id.str());
    ended.ended_at = next.created_at;
    if (!ended.steps.empty() && ended.steps.back().state == "running")
      ended.steps.back().state = undone ? "canceled" : "done";
    SLIPWAY_CHECK(write(session, by, active, ended));
    replaced.push_back(std::move(ended));
    if (!undone) state.previous = 0;  // no longer kept warm
  }
  state.active = next.id;
  return {};
}

Result<ReleaseStore::Begun> ReleaseStore::begin(const AuditContext& by, const Rollout& rollout,
                                                const std::optional<Release>& next,
                                                const Beside& beside) {
  Begun begun{.rollout = rollout};
  Rollout& made = begun.rollout;
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    begun.replaced.clear();
    SLIPWAY_TRY(EnvironmentState state,
                read_environment(session, rollout.project, rollout.environment));
    const bool waits = rollout.state == RolloutState::waiting;
    if (!waits) SLIPWAY_CHECK(take_over(session, by, state, rollout, begun.replaced));
    SLIPWAY_TRY(const std::vector<Rollout> open,
                open_of(session, rollout.project, rollout.environment));
    SLIPWAY_TRY(const std::vector<Rollout> gone, giving_way(session, by, rollout, open));
    for (const Rollout& each : gone) {
      Rollout ended = each;
      ended.state = RolloutState::canceled;
      ended.reason = "replaced by " + rollout.id.str();
      ended.ended_at = rollout.created_at;
      SLIPWAY_CHECK(write(session, by, each, ended));
      begun.replaced.push_back(std::move(ended));
    }
    made.from = state.current;
    if (next) {
      SLIPWAY_CHECK(check_environment_host(session, rollout.project, rollout.environment));
      SLIPWAY_TRY(Statement last,
                  session.prepare("SELECT coalesce(max(number),0) FROM release_entry"
                                  " WHERE project=? AND environment=?"));
      last.bind(1, rollout.project).bind(2, rollout.environment);
      SLIPWAY_TRY([[maybe_unused]] const bool row, last.step());
      begun.release = *next;
      begun.release.project = rollout.project;
      begun.release.environment = rollout.environment;
      begun.release.number = last.number(0) + 1;
      begun.release.rollout = rollout.id;
      made.to = begun.release.number;
    } else {
      SLIPWAY_TRY(begun.release,
                  read_release(session, rollout.project, rollout.environment, rollout.to));
      if (!begun.release.kept)
        return fail(Errc::failed_precondition,
                    fmt::format("the artifact of release {} is not kept any more", rollout.to));
    }
    if (next) {
      SLIPWAY_CHECK(write_release(session, begun.release));
      SLIPWAY_CHECK(audit_.append(session, event_about(by, "release.created", begun.release)));
    }
    SLIPWAY_CHECK(write_environment(session, state));
    SLIPWAY_CHECK(write(session, by, {}, made));
    return put(session, audit_, beside);
  }));
  return begun;
}

Result<Rollout> ReleaseStore::rollout(const RolloutId& id) {
  auto session = database_.read();
  return read_rollout(session, id);
}

Result<std::vector<Rollout>> ReleaseStore::rollouts(std::string_view project,
                                                    std::string_view environment, std::size_t limit,
                                                    std::int64_t before) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM rollout WHERE (?1='' OR project=?1) AND"
                              " (?2='' OR environment=?2) AND seq<?3 ORDER BY seq DESC LIMIT ?4"));
  query.bind(1, project).bind(2, environment).bind(3, before > 0 ? before : INT64_MAX);
  return all_of<Rollout>(query.bind(4, static_cast<std::int64_t>(limit)), rollout_from_json);
}

Result<std::optional<Rollout>> ReleaseStore::rollout_of(const DeploymentId& deployment) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT o.record FROM rollout o JOIN release_entry r ON"
                              " o.id=json_extract(r.record,'$.rollout') WHERE r.deployment=?"
                              " ORDER BY o.seq DESC LIMIT 1"));
  SLIPWAY_TRY(std::vector<Rollout> found,
              all_of<Rollout>(query.bind(1, deployment.str()), rollout_from_json));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<std::vector<Rollout>> ReleaseStore::open_rollouts() {
  auto session = database_.read();
  return open_of(session, {}, {});
}

Result<Rollout> ReleaseStore::update(const AuditContext& by, const RolloutId& id,
                                     const std::function<Status(Rollout&)>& change,
                                     const Beside& beside, std::vector<Rollout>* replaced) {
  std::vector<Rollout> gone;
  SLIPWAY_TRY(
      Rollout written,
      edit(id, change, [&](Database::Transaction& session, const Rollout& before, Rollout& after) {
        return write_change(session, by, before, after, beside, gone);
      }));
  if (replaced != nullptr) *replaced = std::move(gone);
  return written;
}

Status ReleaseStore::write_change(Database::Transaction& session, const AuditContext& by,
                                  const Rollout& before, Rollout& after, const Beside& beside,
                                  std::vector<Rollout>& gone) {
  gone.clear();
  SLIPWAY_TRY(EnvironmentState state, read_environment(session, after.project, after.environment));
  if (before.state == RolloutState::waiting && after.state != RolloutState::waiting &&
      !is_over(after.state)) {
    SLIPWAY_CHECK(take_over(session, by, state, after, gone));
    after.from = state.current;
    SLIPWAY_CHECK(write_environment(session, state));
  }
  if (is_over(after.state) && state.active == after.id) {
    state.active = {};
    SLIPWAY_CHECK(write_environment(session, state));
  }
  SLIPWAY_CHECK(write(session, by, before, after));
  return put(session, audit_, beside);
}

Result<Rollout> ReleaseStore::edit(const RolloutId& id,
                                   const std::function<Status(Rollout&)>& change,
                                   const WriteRollout& write) {
  return until_written<Rollout>(id.str(), [&]() -> Result<std::optional<Rollout>> {
    Rollout before;
    std::int64_t revision = 0;
    {
      auto session = database_.read();
      SLIPWAY_TRY(before, read_rollout(session, id));
      SLIPWAY_TRY(revision, revision_of(session, id));
    }
    SLIPWAY_CHECK(check_open(before));
    Rollout edited = before;
    SLIPWAY_CHECK(change(edited));
    std::optional<Rollout> after;
    SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
      after.reset();
      SLIPWAY_TRY(const std::int64_t now, revision_of(session, id));
      if (now != revision) return {};
      after = edited;
      return write(session, before, *after);
    }));
    return after;
  });
}

Result<Release> ReleaseStore::update_release(const AuditContext& by, std::string_view project,
                                             std::string_view environment, std::int64_t number,
                                             const std::function<Status(Release&)>& change) {
  const std::string what = fmt::format("release {} of {}", number, project);
  return until_written<Release>(what, [&]() -> Result<std::optional<Release>> {
    Release after;
    std::int64_t revision = 0;
    {
      auto session = database_.read();
      SLIPWAY_TRY(after, read_release(session, project, environment, number));
      SLIPWAY_TRY(revision, revision_of(session, project, environment, number));
    }
    SLIPWAY_CHECK(change(after));
    bool written = false;
    SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
      SLIPWAY_TRY(const std::int64_t now, revision_of(session, project, environment, number));
      written = now == revision;
      if (!written) return {};
      SLIPWAY_CHECK(write_release(session, after));
      return audit_.append(session, event_about(by, "release.updated", after));
    }));
    if (!written) return std::nullopt;
    return after;
  });
}

Result<Rollout> ReleaseStore::make_current(const AuditContext& by, const RolloutId& id,
                                           const std::function<Status(Rollout&)>& change,
                                           const Beside& beside) {
  return make_current(Direction::forward, by, id, change, beside);
}

Result<Rollout> ReleaseStore::make_previous_current(const AuditContext& by, const RolloutId& id,
                                                    const std::function<Status(Rollout&)>& change,
                                                    const Beside& beside) {
  return make_current(Direction::back, by, id, change, beside);
}

Result<Rollout> ReleaseStore::make_current(Direction direction, const AuditContext& by,
                                           const RolloutId& id,
                                           const std::function<Status(Rollout&)>& change,
                                           const Beside& beside) {
  return edit(id, change,
              [&](Database::Transaction& session, const Rollout& before, Rollout& after) {
                return write_switch(session, direction, by, before, after, beside);
              });
}

Status ReleaseStore::write_switch(Database::Transaction& session, Direction direction,
                                  const AuditContext& by, const Rollout& before,
                                  const Rollout& after, const Beside& beside) {
  SLIPWAY_TRY(EnvironmentState state,
              read_environment(session, before.project, before.environment));
  if (state.active != after.id) return busy(state);
  const std::int64_t number = direction == Direction::forward ? after.to : after.from;
  if (direction == Direction::back && state.current != after.to)
    return fail(Errc::conflict,
                fmt::format("{} is not what {} serves", after.to, after.environment));
  if (number == 0) return fail(Errc::failed_precondition, "nothing served before");
  SLIPWAY_TRY(Release release, read_release(session, after.project, after.environment, number));
  std::string was;
  if (state.current != 0) {
    SLIPWAY_TRY(const Release old,
                read_release(session, after.project, after.environment, state.current));
    was = old.artifact.str();
  }
  AuditEvent event = event_about(by, "release.current", release);
  event.before = was;
  event.after = release.artifact.str();
  event.detail["from"] = std::to_string(state.current);
  event.detail["to"] = std::to_string(number);
  event.detail["rollout"] = after.id.str();
  event.detail["kind"] = to_string(after.kind);
  if (!after.reason.empty()) event.detail["reason"] = after.reason;
  add_evidence(event, after);
  if (state.current != number) state.previous = state.current;
  state.current = number;
  // What would break it again by itself is held back, until a person promotes on purpose.
  if (direction == Direction::back || after.kind == RolloutKind::rollback)
    state.paused = fmt::format("rolled back to release {} ({})", number, after.id.str());
  else if (after.kind == RolloutKind::promotion && !after.automatic)
    state.paused.clear();
  if (is_over(after.state)) state.active = {};
  if (!release.live_at) {
    release.live_at = after.switched_at ? after.switched_at : after.created_at;
    SLIPWAY_CHECK(write_release(session, release));
  }
  SLIPWAY_CHECK(write_environment(session, state));
  SLIPWAY_CHECK(audit_.append(session, event));
  SLIPWAY_CHECK(write(session, by, before, after));
  return put(session, audit_, beside);
}

Result<EnvironmentState> ReleaseStore::update_environment(
    const AuditContext& by, std::string_view project, std::string_view environment,
    const std::function<Status(EnvironmentState&)>& change) {
  const std::string what = fmt::format("{} of {}", environment, project);
  return until_written<EnvironmentState>(what, [&]() -> Result<std::optional<EnvironmentState>> {
    EnvironmentState before;
    std::int64_t revision = 0;
    {
      auto session = database_.read();
      SLIPWAY_TRY(before, read_environment(session, project, environment));
      SLIPWAY_TRY(revision, revision_of(session, project, environment));
    }
    EnvironmentState after = before;
    SLIPWAY_CHECK(change(after));
    after.current = before.current;
    after.active = before.active;
    if (after == before) return after;
    bool written = false;
    SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
      SLIPWAY_TRY(const std::int64_t now, revision_of(session, project, environment));
      written = now == revision;
      if (!written) return {};
      SLIPWAY_CHECK(write_environment(session, after));
      return audit_.append(session, event_about(by, before, after));
    }));
    if (!written) return std::nullopt;
    return after;
  });
}

Result<ReleaseStore::History> ReleaseStore::history(std::string_view project,
                                                    std::string_view environment, Timestamp since) {
  auto session = database_.read();
  SLIPWAY_TRY(
      Statement query,
      session.prepare(
          "SELECT count(CASE WHEN kind<>'rollback' AND switched_at>?3 THEN 1 END),"
          " count(CASE WHEN kind='rollback' AND switched_at>?3 THEN 1 END),"
          " count(CASE WHEN by_watch=1 AND ended_at>?3 THEN 1 END),"
          " max(CASE WHEN kind='rollback' THEN switched_at WHEN by_watch=1 THEN ended_at END)"
          " FROM rollout WHERE project=?1 AND environment=?2"));
  query.bind(1, project).bind(2, environment).bind(3, micros(since));
  SLIPWAY_TRY([[maybe_unused]] const bool row, query.step());
  History out{.releases = query.number(0),
              .rollbacks = query.number(1) + query.number(2),
              .automatic_rollbacks = query.number(2)};
  if (!query.is_null(3)) out.last_rollback = Timestamp{Duration{query.number(3)}};
  return out;
}

}  // namespace slipway
