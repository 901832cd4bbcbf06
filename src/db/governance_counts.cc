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
  const auto live = [&](std::string_view scope, std::string_view name) -> Result<std::int64_t> {
    SLIPWAY_TRY(Statement query,
                session.prepare("SELECT count FROM live_previews WHERE scope=? AND name=?"));
    SLIPWAY_TRY(const bool any, query.bind(1, scope).bind(2, name).step());
    return any ? query.number(0) : 0;
  };
  PreviewCounts counts;
  SLIPWAY_TRY(counts.total, live("all", ""));
  SLIPWAY_TRY(counts.project, live("project", project));
  SLIPWAY_TRY(counts.actor, live("actor", actor));
  if (!top_agent.empty()) {
    SLIPWAY_TRY(const std::int64_t of_agent, live("agent", top_agent));
    counts.actor = std::max(counts.actor, of_agent);
  }
  // Whose project this is will be known when it is made: all of them, until then.
  counts.team = counts.total;
  SLIPWAY_TRY(Statement of_project, session.prepare("SELECT team FROM project WHERE name=?"));
  SLIPWAY_TRY(const bool made, of_project.bind(1, project).step());
  if (!made) return counts;
  const std::string team = of_project.text(0);
  SLIPWAY_TRY(Statement of_team,
              session.prepare("SELECT coalesce(sum(l.count),0) FROM project p JOIN live_previews l"
                              " ON l.scope='project' AND l.name=p.name WHERE p.team=?"));
  SLIPWAY_TRY([[maybe_unused]] const bool row, of_team.bind(1, team).step());
  counts.team = of_team.number(0);
  return counts;
}

}  // namespace slipway
