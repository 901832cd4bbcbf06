// What decisions ask of the past and the present: how fast somebody deploys, how many previews
// live.
#include <fmt/format.h>

#include <algorithm>

#include "db/governance_store.h"

namespace slipway {
namespace {

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }

}  // namespace

Result<Velocity> GovernanceStore::velocity(VelocityScope scope, std::string_view name,
                                           Timestamp now) {
  const std::string_view column = scope == VelocityScope::actor       ? "actor"
                                  : scope == VelocityScope::top_agent ? "top_agent"
                                  : scope == VelocityScope::agent_of  ? "agent_of"
                                                                      : "project";
  Velocity out;
  const std::int64_t at = micros(now);
  constexpr std::int64_t minute = 60'000'000, hour = 60 * minute, day = 24 * hour;
  auto session = database_.read();
  {
    SLIPWAY_TRY(Statement query, session.prepare(fmt::format(
                                     "SELECT count(*), count(CASE WHEN created_at>?3 THEN 1 END),"
                                     " count(CASE WHEN created_at>?4 THEN 1 END),"
                                     " min(CASE WHEN created_at>?3 THEN created_at END)"
                                     " FROM deployment WHERE {}=?1 AND created_at>?2",
                                     column)));
    SLIPWAY_TRY(
        [[maybe_unused]] const bool row,
        query.bind(1, name).bind(2, at - day).bind(3, at - hour).bind(4, at - minute).step());
    out.deploys_day = query.number(0);
    out.deploys_hour = query.number(1);
    out.deploys_minute = query.number(2);
    if (!query.is_null(3)) out.oldest_in_hour = Timestamp{Duration{query.number(3)}};
  }
  if (scope != VelocityScope::agent_of) {
    SLIPWAY_TRY(
        Statement query,
        session.prepare(fmt::format(
            "SELECT count(*) FROM decision WHERE {}=? AND time>? AND verdict='deny'", column)));
    SLIPWAY_TRY([[maybe_unused]] const bool row, query.bind(1, name).bind(2, at - hour).step());
    out.denials_hour = query.number(0);
  }
  SLIPWAY_TRY(Statement query, session.prepare(fmt::format(
                                   "SELECT state, json_extract(record,'$.source.digest'),"
                                   " coalesce(json_extract(record,'$.error.cause'),"
                                   " json_extract(record,'$.error.message'), '') FROM deployment"
                                   " WHERE {}=? ORDER BY created_at DESC LIMIT 20",
                                   column)));
  query.bind(1, name);
  std::string tree, cause;
  for (bool same = true;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    const std::string state = query.text(0);
    if (state == "queued" || state == "building" || state == "starting" || state == "canceled")
      continue;  // says nothing about whether it works
    if (state != "failed") return out;
    if (out.failures_in_row++ == 0) {
      tree = query.text(1);
      cause = query.text(2);
    }
    same = same && (query.text(1) == tree || query.text(2) == cause);
    if (same) ++out.same_failure;
  }
}

std::string top_agent(const Actor& actor) {
  if (actor.kind != "agent" || actor.chain.size() < 2) return {};
  return actor.chain[0] + " " + actor.chain[1];
}

Result<PreviewCounts> GovernanceStore::preview_counts(std::string_view project,
                                                      std::string_view actor,
                                                      std::string_view top_agent) {
  auto session = database_.read();
  // The index has all that is asked for; by any other, `actor` is read out of every record.
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT count(*), count(CASE WHEN project=?1 THEN 1 END),"
                              " count(CASE WHEN actor=?2 THEN 1 END)"
                              " FROM deployment INDEXED BY deployment_live"
                              " WHERE state IN ('ready','sleeping')"));
  SLIPWAY_TRY([[maybe_unused]] const bool row, query.bind(1, project).bind(2, actor).step());
  PreviewCounts counts{
      .project = query.number(1), .actor = query.number(2), .total = query.number(0)};
  if (!top_agent.empty()) {
    SLIPWAY_TRY(Statement of_agent,
                session.prepare("SELECT count(*) FROM deployment INDEXED BY deployment_live_agent"
                                " WHERE top_agent=? AND state IN ('ready','sleeping')"));
    SLIPWAY_TRY([[maybe_unused]] const bool any, of_agent.bind(1, top_agent).step());
    counts.actor = std::max(counts.actor, of_agent.number(0));
  }
  counts.team = counts.total;
  if (!project.empty()) {
    SLIPWAY_TRY(Statement teams, session.prepare("SELECT count(DISTINCT team) FROM project"));
    SLIPWAY_TRY([[maybe_unused]] const bool any, teams.step());
    if (teams.number(0) > 1) {
      SLIPWAY_TRY(
          Statement of_team,
          session.prepare(
              "SELECT count(*) FROM deployment d INDEXED BY deployment_live"
              " JOIN project p ON p.name=d.project WHERE d.state IN ('ready','sleeping') AND"
              " p.team=(SELECT team FROM project WHERE name=?)"));
      SLIPWAY_TRY([[maybe_unused]] const bool some, of_team.bind(1, project).step());
      counts.team = of_team.number(0);
    }
  }
  return counts;
}

}  // namespace slipway
