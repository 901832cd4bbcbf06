// Tokens and the agents that hold them.
#include <boost/json/serialize.hpp>
#include <functional>
#include <map>
#include <utility>

#include "api/identity_json.h"
#include "api/pages.h"
#include "api/routes.h"
#include "base/log.h"
#include "base/near.h"
#include "base/text.h"
#include "json/reader.h"

namespace slipway::handlers {
namespace {

// The role that each member has, looked up once.
class MemberRoles {
 public:
  explicit MemberRoles(const ApiContext& context) : context_(context) {}
  Role of(const TokenRecord& record) {
    const auto [at, unknown] = roles_.try_emplace({record.team, record.member}, Role::admin);
    if (!unknown) return at->second;
    // Not a member: the machine's own token.
    for (const Member& member : context_.identity.members(record.team))
      if (member.name == record.member) at->second = member.role;
    return at->second;
  }

 private:
  const ApiContext& context_;
  std::map<std::pair<std::string, std::string>, Role> roles_;
};

// How each token of a list came to be: its own narrowing, and those of the tokens that it came
// from, of which the caller holds one or may list them.
class KnownSteps {
 public:
  KnownSteps(const Principal& caller, const std::vector<TokenRecord>& listed) {
    std::string path = caller.path;
    for (auto step = caller.restrictions.rbegin(); step != caller.restrictions.rend(); ++step) {
      steps_.emplace(path, *step);
      path.resize(path.contains('/') ? path.rfind('/') : 0);
    }
    for (const TokenRecord& record : listed)
      steps_.insert_or_assign(record.path, record.restriction);
  }
  [[nodiscard]] Principal holder(const TokenRecord& record, Role role) const {
    Principal out{.actor = {.kind = "human", .name = person_name(record.team, record.member)},
                  .role = role,
                  .team = record.team == server_team ? std::string() : record.team};
    for (std::size_t end = 0; end != std::string::npos;) {
      end = record.path.find('/', end + 1);
      const std::string path = record.path.substr(0, end);
      const auto step = steps_.find(path);
      if (step != steps_.end() && end == std::string::npos && !path.contains('/') &&
          step->second.agent.empty()) {
        out.restrictions.push_back(step->second);
      } else if (step != steps_.end()) {
        apply_narrowing(out, step->second);
      }
    }
    return out;
  }

 private:
  std::map<std::string, Restriction, std::less<>> steps_;
};

constexpr std::chrono::hours agent_token_life{7 * 24};

bool by_agent(const Actor& actor, std::string_view name) {
  const std::string link = fmt::format("agent:{}", name);
  return std::ranges::find(actor.chain, link) != actor.chain.end() ||
         (actor.kind == "agent" && actor.name == name);
}

// The agent that the call is about: one of the caller's team unless `team` says another.
Result<std::string> agent_of(const ApiContext& context, const ApiCall& call) {
  const std::string& bare = call.path_value("name");
  const std::string own =
      call.principal.team.empty() ? std::string(server_team) : call.principal.team;
  const std::string team(call.request.query_value("team").value_or(own));
  SLIPWAY_CHECK(reach_team(call.principal, team));
  SLIPWAY_TRY(const std::vector<Team> teams, context.identity.teams());
  if (std::ranges::find(teams, team, &Team::name) == teams.end())
    return fail(Errc::not_found, fmt::format("no team is called '{}'", sanitize_line(team)),
                "see `slipway agent ls`");
  return person_name(team, bare);
}

// What is known of an agent before it is killed: whether a token of it was ever seen, and the names
// that the caller may see, should another one have been meant.
struct KnownAgent {
  bool seen = false;
  std::optional<Timestamp> killed_at;
  std::vector<std::string> others;
};

KnownAgent known_agent(const ApiContext& context, const ApiCall& call, std::string_view name) {
  KnownAgent out;
  for (const IdentityStore::Agent& agent : context.identity.agents()) {
    const bool held_tokens = !agent.on_behalf_of.empty();
    if (agent.name == name) {
      out.seen = held_tokens;
      out.killed_at = agent.killed_at;
    } else if (held_tokens && reach_team(call.principal, agent.team)) {
      out.others.push_back(agent.name);
    }
  }
  return out;
}

// The nearest names, and those that other teams' agents share with it.
json::array others_meant(std::string_view name, const std::vector<std::string>& others) {
  const auto bare = [](std::string_view full) { return full.substr(full.find('/') + 1); };
  std::vector<std::string> meant;
  for (const std::string& other : others)
    if (bare(other) == bare(name) && meant.size() < 3) meant.push_back(other);
  for (std::string& near : near_names(name, others))
    if (std::ranges::find(meant, near) == meant.end()) meant.push_back(std::move(near));
  json::array out;
  for (const std::string& each : meant) out.push_back(json::string(each));
  return out;
}

Status permits_members_of(const ApiCall& call, std::string_view team) {
  SLIPWAY_CHECK(permits(call.principal, Permission::team_manage));
  if (call.principal.team.empty() || call.principal.team == team) return {};
  return fail({.code = Errc::permission_denied,
               .message = fmt::format("you manage the team {}, not {}", call.principal.team,
                                      sanitize_line(team)),
               .hint = "ask an admin of that team",
               .cause = "not_permitted"});
}

// Whoever would hold it, as each of their requests would find them.
Principal holder_of(const ApiContext& context, const ApiCall& call, const Restriction& restriction,
                    const std::string& member, const std::string& team) {
  Principal out = call.principal;
  if (!member.empty()) {
    out = Principal{.actor = {.kind = "human", .name = person_name(team, member)},
                    .team = team == server_team ? std::string() : team};
    const std::vector<Member> members = context.identity.members(team);
    const auto found = std::ranges::find(members, member, &Member::name);
    if (found != members.end()) out.role = found->role;
    if (restriction.agent.empty()) {
      out.restrictions.push_back(restriction);
      return out;
    }
  }
  apply_narrowing(out, restriction);
  return out;
}

// All that a token may do, for those who approve it: nothing of it is left to be asked for.
json::object token_shown(const Principal& holder) {
  json::object out = rights_json(holder);
  out["holder"] = json::object{
      {"kind", holder.actor.kind},
      {"name", holder.actor.name},
      {"on_behalf_of", holder.actor.on_behalf_of.empty() ? json::value(nullptr)
                                                         : json::value(holder.actor.on_behalf_of)}};
  out["role"] = to_string(holder.role);
  out["team"] = holder.team.empty() ? std::string(server_team) : holder.team;
  return {{"token", std::move(out)}};
}

// Asks the policies whether there may be such a token.
// `body` is what was sent: an expiry in it counts from when it is asked for.
Result<AuditContext> allow_token(const ApiContext& context, const ApiCall& call,
                                 const Restriction& restriction, const std::string& member,
                                 const std::string& team, const json::value& body) {
  const PermissionSet actions = restriction.actions.value_or(PermissionSet::all());
  std::optional<std::int64_t> expires_in;
  if (restriction.expires_at)
    expires_in =
        std::chrono::floor<std::chrono::seconds>(*restriction.expires_at - context.clock.now())
            .count();
  const bool for_agent =
      !restriction.agent.empty() || (member.empty() && call.by.actor.kind == "agent");
  const auto rights = [&](Permission permission) {
    return actions.contains(permission) && call.principal.permissions().contains(permission);
  };
  return context.governance.require(
      {.point = DecisionPoint::token,
       .by = call.by,
       .resource = "token/" + (member.empty() ? call.by.actor.token : member),
       .action = "token",
       .about = token_shown(holder_of(context, call, restriction, member, team)),
       .more =
           [&](Facts& facts) {
             facts.add("token_request",
                       {{"label", restriction.label},
                        {"for_kind", for_agent ? "agent" : "human"},
                        {"expires_in", expires_in},
                        {"depth", call.by.actor.chain.size()},
                        {"can_promote", rights(Permission::promote) ? 1 : 0},
                        {"can_set_secrets", rights(Permission::secret_write) ? 1 : 0},
                        {"narrower", 1}});  // by construction: each restriction is ANDed
           }},
      ChangeDigest(call.by.actor, "token").add("request", json::serialize(body)));
}

}  // namespace

Result<ApiResponse> create_token(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string member, team = call.principal.team.empty() ? "default" : call.principal.team;
  JsonReader reader(body);
  reader.read("member", member).read("team", team);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_TRY(Restriction restriction, restriction_from_json(body, context.clock.now()));
  // An agent's token ends by itself: within a week unless it says sooner.
  const bool for_agent =
      !restriction.agent.empty() || (member.empty() && call.by.actor.kind == "agent");
  if (for_agent && !restriction.expires_at)
    restriction.expires_at =
        std::chrono::ceil<std::chrono::seconds>(context.clock.now() + agent_token_life);
  // A member's token is no child of the one that made it, and yet does not outlive it.
  if (!member.empty())
    for (const Restriction& own : call.principal.restrictions)
      if (own.expires_at)
        restriction.expires_at =
            std::min(restriction.expires_at.value_or(*own.expires_at), *own.expires_at);
  SLIPWAY_TRY(const AuditContext by, allow_token(context, call, restriction, member, team, body));
  IdentityStore::MadeToken made;
  if (member.empty()) {
    SLIPWAY_TRY(made, context.identity.narrow_token(by, call.bearer(), restriction));
  } else {
    SLIPWAY_CHECK(permits_members_of(call, team));
    SLIPWAY_TRY(made, context.identity.create_token(
                          by, {.team = team, .member = member, .restriction = restriction}));
  }
  json::object out = to_json(made.record);
  out["token"] = made.text;
  ApiResponse response = json_response(201, out);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Result<ApiResponse> list_tokens(const ApiContext& context, ApiCall& call) {
  std::vector<TokenRecord> all = context.identity.tokens(call.principal);
  const KnownSteps steps(call.principal, all);
  MemberRoles roles(context);
  return paged(call, "tokens", std::move(all), std::mem_fn(&TokenRecord::path),
               [&](const TokenRecord& record) {
                 json::object out = to_json(record);
                 out["effective"] = rights_json(steps.holder(record, roles.of(record)));
                 return out;
               });
}

Result<ApiResponse> revoke_token(const ApiContext& context, ApiCall& call) {
  const std::string& id = call.path_value("id");
  const std::string path(call.request.query_value("path").value_or(""));
  if (!path.empty() && !path.ends_with("/" + id))
    return fail(Errc::invalid_argument,
                fmt::format("path: '{}' does not end with /{}", sanitize_line(path), id));
  SLIPWAY_TRY(const bool known,
              context.identity.revoke(call.by, call.principal, path.empty() ? id : path));
  return json_response(200, json::object{{"id", id}, {"revoked", true}, {"known", known}});
}

Result<ApiResponse> list_agents(const ApiContext& context, ApiCall& call) {
  const auto time = [](const std::optional<Timestamp>& at) {
    return at ? json::value(to_rfc3339(*at)) : json::value(nullptr);
  };
  using Agent = IdentityStore::Agent;
  std::vector<Agent> all = context.identity.agents();
  std::erase_if(all, [&](const Agent& each) { return !reach_team(call.principal, each.team); });
  return paged(call, "agents", std::move(all), std::mem_fn(&Agent::name), [&](const Agent& agent) {
    return json::object{{"name", agent.name},
                        {"team", agent.team},
                        {"on_behalf_of", agent.on_behalf_of},
                        {"tokens", agent.tokens},
                        {"last_used_at", time(agent.last_used_at)},
                        {"killed_at", time(agent.killed_at)}};
  });
}

// Tokens first, so that it starts nothing new meanwhile; then what it is making, then its previews.
Result<ApiResponse> kill_agent(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const std::string name, agent_of(context, call));
  const KnownAgent before = known_agent(context, call, name);
  SLIPWAY_CHECK(context.identity.kill_agent(call.by, name));
  json::array removed, waiting, kept, stuck;
  bool moves_something = false;
  const auto failed = [&](const std::string& id, const Error& error) {
    stuck.push_back(json::object{{"id", id}, {"error", to_json(error)}});
    log_error("what a killed agent made was not ended", {{"id", id}, {"error", error.message}});
  };
  // What it moves and has not switched to yet is taken back.
  SLIPWAY_TRY(const std::vector<Rollout> open, context.release_store.open_rollouts());
  for (const Rollout& rollout : open) {
    if (!by_agent(rollout.actor, name) || rollout.state == RolloutState::watching) continue;
    SLIPWAY_TRY(const std::string team, context.repository.team_of(rollout.project));
    if (!reach_team(call.principal, team)) continue;
    moves_something = true;
    const auto ended = context.releases.cancel(call.by, rollout.id, "its agent was killed");
    if (!ended && ended.error().code != Errc::failed_precondition)
      failed(rollout.id.str(), ended.error());
  }
  SLIPWAY_TRY(const std::vector<Deployment> found,
              context.repository.in_states({DeploymentState::queued, DeploymentState::building,
                                            DeploymentState::starting, DeploymentState::ready,
                                            DeploymentState::sleeping}));
  for (const Deployment& deployment : found) {
    if (!by_agent(deployment.actor, name)) continue;
    // Its project may have gone to another team since.
    SLIPWAY_TRY(const std::string team, context.repository.team_of(deployment.project));
    if (!reach_team(call.principal, team)) continue;
    const json::value id(deployment.id.str());
    // Law 4: what serves stays, whoever put it there.
    SLIPWAY_TRY(const std::vector<Release> serving, context.release_store.serving(deployment.id));
    if (!serving.empty()) {
      kept.push_back(id);
      continue;
    }
    const auto gone = context.service.remove(call.by, deployment);
    if (gone && gone->state == DeploymentState::deleted)
      removed.push_back(id);
    else if (gone)
      waiting.push_back(id);
    else
      failed(deployment.id.str(), gone.error());
  }
  // One that nobody has seen may hold tokens that were made offline, so its name is refused all the
  // same; but nothing was ended, and another name may have been meant.
  const bool seen =
      before.seen || moves_something || !removed.empty() || !waiting.empty() || !kept.empty();
  return json_response(
      200,
      json::object{{"agent", name},
                   {"seen", seen},
                   {"refused_since", before.killed_at ? json::value(to_rfc3339(*before.killed_at))
                                                      : json::value(nullptr)},
                   {"similar", seen ? json::array() : others_meant(name, before.others)},
                   {"removed", std::move(removed)},
                   {"waiting", std::move(waiting)},
                   {"kept_in_production", std::move(kept)},
                   {"failed", std::move(stuck)}});
}

Result<ApiResponse> revive_agent(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const std::string name, agent_of(context, call));
  if (call.by.actor.kind != "human")
    return fail(Errc::permission_denied, "only people revive an agent", "ask one");
  SLIPWAY_CHECK(context.identity.revive_agent(call.by, name));
  return json_response(200, json::object{{"agent", name}, {"revived", true}});
}

}  // namespace slipway::handlers
