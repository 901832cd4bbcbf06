// Tokens, members and agents.
#include "api/testing/governance_play.h"
#include "base/text.h"

namespace slipway::testing {

using namespace std::chrono_literals;

void Play::offline(const ModelToken& from, const Narrowing& narrowing) {
  Restriction restriction{.agent = narrowing.agent};
  if (!narrowing.project.empty()) restriction.projects = {{narrowing.project}};
  if (narrowing.previews_only) restriction.environments = {{"preview"}};
  restriction.actions = narrowing.actions;
  ModelToken made = from;
  made.text = w.narrowed(from.text, restriction);
  made.ids.push_back(id_of(made.text));
  made.narrowings.push_back(narrowing);
  same<int>("a token made offline", w.call(made.text, "GET", "/v1/whoami").status,
            m.works(made) ? 200 : 401);  // whatever it may do
  if (m.works(made) && m.has(made, Permission::read)) tokens.push_back(std::move(made));
}

void Play::narrow(const ModelToken& token, const Step& step) {
  Narrowing narrowing;
  const std::array<std::string, 3> agents{"coder", "helper", "ann"};
  switch (step.a % 4) {
    case 0:
      narrowing.agent = agents[step.b % agents.size()];
      break;
    case 1:
      narrowing.project = project_of(step.b);
      break;
    case 2:
      narrowing.previews_only = true;
      break;
    default:
      narrowing.actions =
          step.b % 2 ? PermissionSet{Permission::read, Permission::deploy, Permission::approve}
                     : PermissionSet{Permission::read, Permission::promote, Permission::env_write,
                                     Permission::token_create};
  }
  if (token.ids.size() > 4) return;
  if (step.c % 2) {
    if (m.works(token)) offline(token, narrowing);
    return;
  }
  json::object body{{"ttl_ms", step.c % 4 ? 100 * 3'600'000 : 30 * 3'600'000}};
  if (!narrowing.agent.empty()) body["agent"] = narrowing.agent;
  if (!narrowing.project.empty()) body["projects"] = json::array{json::value(narrowing.project)};
  if (narrowing.previews_only) body["environments"] = json::array{"preview"};
  if (narrowing.actions) {
    json::array actions;
    for (const std::string_view each : split(to_string(*narrowing.actions), ','))
      actions.push_back(json::value(each));
    body["actions"] = std::move(actions);
  }
  const bool agent = !narrowing.agent.empty() || token.is_agent(), longer = step.c % 4 != 0;
  Said wanted = stopped_simply(token, Permission::token_create).value_or(Said::ok);
  if (wanted == Said::ok && agent && longer) wanted = Said::denied;
  // Nobody is given a token that does not work.
  ModelToken made = token;
  made.narrowings.push_back(narrowing);
  if (wanted == Said::ok && !m.works(made)) wanted = Said::unknown;
  const ApiResponse response = ask(token, "POST", "/v1/tokens", body);
  expect(response, wanted, "token create");
  if (wanted != Said::ok) return;
  event("token.narrowed");
  made.text = std::string(json_of(response).at("token").as_string());
  made.ids.push_back(id_of(made.text));
  const Timestamp ends = m.now + std::chrono::hours{longer ? 100 : 30};
  made.expires = made.expires ? std::min(*made.expires, ends) : ends;
  tokens.push_back(std::move(made));
}

std::optional<Said> Play::stopped_simply(const ModelToken& token, Permission permission) const {
  if (!m.works(token)) return Said::unknown;
  if (!m.has(token, permission)) return Said::refused;
  return {};
}

void Play::revoke(const ModelToken& token, const Step& step) {
  const ModelToken& victim = tokens[step.a % tokens.size()];
  const std::string& id = victim.ids.back();
  Said wanted = stopped_simply(token, Permission::token_revoke).value_or(Said::ok);
  bool ends = true;
  if (wanted == Said::ok) {
    const bool manages = m.has(token, Permission::team_manage) &&
                         (token.of.team == "default" || token.of.team == victim.of.team);
    const bool itself = id == token.ids.back();
    const bool below = std::ranges::find(victim.ids, token.ids.back()) != victim.ids.end();
    const bool same_person = token.ids.size() == 1 && token.of == victim.of;
    const bool above = !itself && std::ranges::find(token.ids, id) != token.ids.end();
    if (forgotten.contains(victim.ids.front()))
      wanted = above ? Said::refused : Said::ok;
    else if (victim.ids.size() == 1)
      wanted = itself || manages || same_person ? Said::ok : Said::refused;
    else if (!manages && !below && above)
      wanted = Said::refused;
    ends = victim.ids.size() == 1 || manages || below;
  }
  expect(ask(token, "DELETE", "/v1/tokens/" + id), wanted, "token revoke");
  if (wanted != Said::ok) return;
  event("token.revoked");
  if (ends) m.revoked.insert(id);
}

std::optional<Said> Play::no_brake(const ModelToken& token, const Person& agent) const {
  if (const auto stop = stopped_simply(token, Permission::kill_agent)) return stop;
  if (GovernanceModel::is_partial(token)) return Said::refused;
  if (token.of.team != "default" && token.of.team != agent.team) return Said::refused;
  return {};
}

void Play::kill(const ModelToken& token, const Step& step) {
  const Person agent{step.a % 2 ? "makers" : "default", step.b % 3 ? "coder" : "helper"};
  const std::string name = agent.called();
  Said wanted = no_brake(token, agent).value_or(Said::ok);
  const auto holds = [&](const ModelToken& each) {
    const auto agents = each.agents();
    return std::ranges::find(agents, name) != agents.end();
  };
  if (wanted == Said::ok && token.is_agent() && std::ranges::none_of(tokens, holds))
    wanted = Said::refused;
  const ApiResponse response = agent_call(token, "kill", agent);
  expect(response, wanted, "kill");
  if (wanted != Said::ok) return;
  event("agent.killed");
  m.killed.insert(name);
  for (const ModelToken& each : tokens)
    for (std::size_t i = 0; i < each.narrowings.size(); ++i)
      if (Person{each.of.team, each.narrowings[i].agent}.called() == name)
        m.revoked.insert(each.ids[i + 1]);
  const auto made_it = [&](const ModelActor& who) {
    return std::ranges::find(who.agents, name) != who.agents.end();
  };
  for (Move& each : moves)
    if (each.waits && made_it(each.by)) end_move(each, "withdrawn");
  for (Deployed& each : deployed)
    if (made_it(each.by) && (each.state == "ready" || each.state == "waits") && !serves(each.id))
      take_away(each, caller);
}

void Play::revive(const ModelToken& token, const Step& step) {
  const Person agent{step.a % 2 ? "makers" : "default", step.b % 3 ? "coder" : "helper"};
  Said wanted = no_brake(token, agent).value_or(Said::ok);
  if (wanted == Said::ok && token.is_agent()) wanted = Said::refused;
  if (wanted == Said::ok && !m.killed.contains(agent.called())) wanted = Said::impossible;
  expect(agent_call(token, "revive", agent), wanted, "revive");
  if (wanted != Said::ok) return;
  event("agent.revived");
  m.killed.erase(agent.called());
}

void Play::manage(const ModelToken& token, const Step& step) {
  const Person& victim = people[step.a % people.size()];
  const bool removes = step.b % 5 == 0;
  const std::array<std::string, 4> roles{"viewer", "deployer", "approver", "admin"};
  const std::string& role = roles[step.c % roles.size()];
  Said wanted = stopped_simply(token, Permission::team_manage).value_or(Said::ok);
  if (wanted == Said::ok && token.of.team != "default" && token.of.team != victim.team)
    wanted = Said::refused;
  const bool there = m.members.contains(victim);
  if (wanted == Said::ok && removes && !there) wanted = Said::impossible;
  const std::string path = fmt::format("/v1/teams/{}/members/{}", victim.team, victim.name);
  expect(removes ? ask(token, "DELETE", path) : ask(token, "POST", path, {{"role", role}}), wanted,
         removes ? "team remove" : "team add " + role);
  if (wanted != Said::ok) return;
  event(removes ? "member.removed" : there ? "member.changed" : "member.added");
  if (!removes) {
    m.members[victim] = role;
    return;
  }
  m.members.erase(victim);
  // Their tokens end for good, also when they come back.
  for (const ModelToken& each : tokens)
    if (each.of == victim) {
      m.revoked.insert(each.ids.front());
      forgotten.insert(each.ids.front());
    }
}

}  // namespace slipway::testing
