// Hostile people and agents ask for everything, in any order; after each call the server says,
// keeps and records what a small model of its governance does. SLIPWAY_MODEL_RUNS: how many
// sequences, 24 unless it says; SLIPWAY_MODEL_STEPS: how long, 120.
#include "api/testing/governance_model.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <functional>
#include <sstream>

#include "api/server_start.h"
#include "api/testing/api_world.h"
#include "base/text.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using namespace testing;

constexpr std::string_view rules_head = "name = \"test\"\n";
constexpr std::string_view keys_rule = R"([[rule]]
id = "keys"
on = ["build"]
enforce = "soft"
message = "no"
violations = "SELECT subject FROM file WHERE path LIKE '%.pem' AND change != 'removed'"
[[rule.test]]
expect = "deny"
file = [{ path = "a.pem", subject = "a.pem", change = "added" }]
[[rule.test]]
expect = "pass"
)";
constexpr std::string_view other_rules = R"([[rule]]
id = "tables"
on = ["build"]
enforce = "hard"
message = "no"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "200h" }
violations = "SELECT subject FROM file WHERE path LIKE '%.sql' AND change != 'removed'"
[[rule.test]]
expect = "deny"
file = [{ path = "a.sql", subject = "a.sql", change = "added" }]
[[rule.test]]
expect = "pass"
[[rule]]
id = "agents-promote"
on = ["promote"]
enforce = "hard"
message = "no"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "200h" }
violations = "SELECT actor_name AS subject FROM request WHERE actor_kind = 'agent'"
[[rule.test]]
expect = "deny"
request = { actor_kind = "agent" }
[[rule.test]]
expect = "pass"
[[rule]]
id = "two-people"
on = ["config"]
enforce = "soft"
message = "no"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "200h" }
violations = "SELECT 'env' AS subject FROM request WHERE environment = 'production'"
[[rule.test]]
expect = "deny"
request = { environment = "production" }
[[rule.test]]
expect = "pass"
request = { environment = "preview" }
[[rule]]
id = "no-agents"
on = ["secret", "rollback"]
enforce = "hard"
message = "no"
violations = "SELECT actor_name AS subject FROM request WHERE actor_kind = 'agent' AND environment = 'production'"
[[rule.test]]
expect = "deny"
request = { actor_kind = "agent" }
[[rule.test]]
expect = "pass"
[[rule]]
id = "agents-remove"
on = ["remove"]
enforce = "hard"
message = "no"
approvals = { need = 1, roles = ["approver", "admin"], valid_for = "200h" }
violations = "SELECT actor_name AS subject FROM request WHERE actor_kind = 'agent'"
[[rule.test]]
expect = "deny"
request = { actor_kind = "agent" }
[[rule.test]]
expect = "pass"
[[rule]]
id = "short-tokens"
on = ["token"]
enforce = "hard"
message = "no"
violations = "SELECT label AS subject FROM token_request WHERE for_kind = 'agent' AND COALESCE(expires_in, 1000000) > 172800"
[[rule.test]]
expect = "deny"
token_request = { for_kind = "agent", expires_in = 200000 }
[[rule.test]]
expect = "pass"
token_request = { for_kind = "agent", expires_in = 3600 }
[[rule]]
id = "weaker"
on = ["policy"]
enforce = "hard"
message = "no"
approvals = { need = 1, roles = ["admin"], valid_for = "200h" }
violations = "SELECT 'rules' AS subject FROM policy_change WHERE rules_removed > 0 OR rules_weakened > 0"
[[rule.test]]
expect = "deny"
policy_change = { rules_removed = 1 }
[[rule.test]]
expect = "pass"
policy_change = { rules_added = 1 }
)";

const std::vector<Files> sources{{{"index.html", "1"}},
                                 {{"index.html", "2"}},
                                 {{"index.html", "1"}, {"key.pem", "k"}},
                                 {{"a.sql", "s"}, {"index.html", "2"}},
                                 {{"a.sql", "s"}, {"index.html", "1"}, {"key.pem", "k"}}};

struct Step {
  unsigned what, who, a, b, c;
};
std::ostream& operator<<(std::ostream& out, const Step& step) {
  return out << fmt::format("{}({} {} {} {})", step.what, step.who, step.a, step.b, step.c);
}

class Play {
 public:
  Play() {
    w.world.standing = [this](const Actor& actor, const std::string& team,
                              const std::string& then) {
      return standing_of(*w.stores().identity, actor, team, then);
    };
    IdentityStore& identity = *w.stores().identity;
    identity.create_team({}, "makers").value();
    for (const auto& [team, project] : {std::pair("default", "shop"), {"makers", "site"}})
      identity.give_project({}, team, project).value();
    for (const auto& [team, name, role] :
         std::vector<std::array<std::string, 3>>{{"default", "ann", "deployer"},
                                                 {"default", "bob", "approver"},
                                                 {"default", "cat", "admin"},
                                                 {"default", "dan", "viewer"},
                                                 {"makers", "ann", "deployer"},
                                                 {"makers", "eve", "admin"},
                                                 {"makers", "gus", "approver"}}) {
      const Person person{team, name};
      m.members[person] = role;
      const std::string text = w.token_of(name, *parse_role(role), team);
      tokens.push_back(
          {.text = text, .ids = {id_of(text)}, .of = person, .narrowings = {}, .expires = {}});
      people.push_back(person);
    }
    // Agents from the beginning: two of one name.
    for (const std::size_t of : {0, 2, 4, 5})
      offline(tokens[of], {.agent = "coder", .project = {}, .actions = {}});
    m.now = w.world.clock.now();
    seen = w.stores().audit->head().value().size;
  }

  void step(const Step& step) {
    w.world.clock.advance(1min);
    m.now = w.world.clock.now();
    events.clear();
    const ModelToken token = tokens[chosen(step)];
    history += fmt::format("\n  {} by {} {}", step.what % 20, token.of.called(),
                           fmt::join(token.agents(), ">"));
    caller = m.works(token) ? m.actor(token) : ModelActor{};
    switch (step.what % 20) {
      case 0:
      case 1:
      case 2:
        deploy(token, step);
        break;
      case 3:
        redeploy(token, step);
        break;
      case 4:
      case 5:
      case 6:
        vote(token, step);
        break;
      case 7:
      case 8:
        set_env(token, step);
        break;
      case 9:
      case 10:
        promote(token, step);
        break;
      case 11:
        roll_back(token, step);
        break;
      case 12:
        step.c % 2 ? remove(token, step) : undo(token, step);
        break;
      case 13:
        step.c % 2 ? ask_waiver(token, step) : declare(token, step);
        break;
      case 14:
        narrow(token, step);
        break;
      case 15:
        revoke(token, step);
        break;
      case 16:
        step.c % 3 ? kill(token, step) : revive(token, step);
        break;
      case 17:
        manage(token, step);
        break;
      case 18:
        set_policy(token, step);
        break;
      default:
        step.c % 2 ? end_what_lifts(token, step) : tick(step);
    }
    compare();
  }

 private:
  struct Deployed {
    std::string id, project;
    std::size_t source = 0;
    ModelActor by;
    std::string state;  // ready, waits, canceled, failed, deleted
    bool ready_once = false, failed_once = false;
  };
  struct Move {
    std::string id, project, deployment, request;
    ModelActor by;
    std::int64_t number = 0, config = 0;
    bool waits = false;
  };
  struct Released {
    std::int64_t number, config;
    std::string deployment;
    bool live;
  };
  using Vars = std::map<std::string, std::pair<std::string, bool>>;  // value, secret

  [[noreturn]] void disagree(const std::string& about, const std::string& server,
                             const std::string& model) const {
    RC_FAIL(fmt::format("{}: the server says {}, the model {}; after{}", about, server, model,
                        history));
  }
  template <class Value>
  void same(const std::string& about, const Value& server, const Value& model) const {
    if (server == model) return;
    disagree(about, fmt::format("{}", server), fmt::format("{}", model));
  }
  static std::string word(Said said) {
    constexpr std::array<std::string_view, 6> words{"ok",      "waits",   "denied",
                                                    "refused", "unknown", "impossible"};
    return std::string(words[static_cast<std::size_t>(said)]);
  }
  ApiResponse ask(const ModelToken& token, const std::string& method, const std::string& path,
                  const json::object& body = {}) {
    return w.call(token.text, method, path, json::serialize(body));
  }
  static Said said(const ApiResponse& response) {
    if (response.status < 300) return Said::ok;
    if (response.status == 401) return Said::unknown;
    const json::value problem = json_of(response);
    if (response.status != 403) return Said::impossible;
    if (problem.at("code") != "denied_by_policy") return Said::refused;
    return problem.at("decision").at("verdict") == "pending" ? Said::waits : Said::denied;
  }
  void expect(const ApiResponse& response, Said wanted, std::string_view what) {
    history += fmt::format(": {} {}", what, response.status);
    const Said got = said(response);
    if (got != wanted || response.status >= 500)
      disagree(std::string(what),
               fmt::format("{} ({})", word(got), std::get<std::string>(response.body)),
               word(wanted));
    if (got == Said::denied || (got == Said::waits && response.status == 403))
      event("request.denied");
  }
  // The caller's, or Slipway's own.
  void event(const std::string& what) { events.insert(what + " " + caller.name); }
  void own_event(const std::string& what) { events.insert(what + " policy"); }
  // Nothing, when the token gets as far as the rules.
  std::optional<Said> stopped(const ModelToken& token, Permission permission,
                              const std::string& project, const std::string& environment) const {
    if (!m.works(token)) return Said::unknown;
    if (!m.may(token, permission, project, environment)) return Said::refused;
    return {};
  }
  template <class List>
  static auto* pick(List& list, unsigned number) {
    return list.empty() ? nullptr : &list[number % list.size()];
  }
  // Mostly somebody who may do such a thing somewhere.
  std::size_t chosen(const Step& step) const {
    using enum Permission;
    static constexpr std::array wanted{
        deploy,       deploy,       deploy,     deploy,      approve,      approve, approve,
        env_write,    env_write,    promote,    promote,     rollback,     remove,  waive,
        token_create, token_revoke, kill_agent, team_manage, policy_write, waive};
    const std::size_t first = step.who % tokens.size();
    if (step.who % 4 == 0) return first;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::size_t at = (first + i) % tokens.size();
      if (m.works(tokens[at]) && m.has(tokens[at], wanted[step.what % wanted.size()])) return at;
    }
    return first;
  }
  static std::string project_of(unsigned number) { return number % 3 ? "shop" : "site"; }

  // -- tokens
  void offline(const ModelToken& from, const Narrowing& narrowing) {
    Restriction restriction{.agent = narrowing.agent};
    if (!narrowing.project.empty()) restriction.projects = {{narrowing.project}};
    if (narrowing.previews_only) restriction.environments = {{"preview"}};
    restriction.actions = narrowing.actions;
    ModelToken made = from;
    made.text = w.narrowed(from.text, restriction);
    made.ids.push_back(id_of(made.text));
    made.narrowings.push_back(narrowing);
    same<int>("a token made offline", w.call(made.text, "GET", "/v1/whoami").status,
              !m.works(made)                   ? 401
              : !m.has(made, Permission::read) ? 403
                                               : 200);
    if (m.works(made) && m.has(made, Permission::read)) tokens.push_back(std::move(made));
  }
  void narrow(const ModelToken& token, const Step& step) {
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
  std::optional<Said> stopped_simply(const ModelToken& token, Permission permission) const {
    if (!m.works(token)) return Said::unknown;
    if (!m.has(token, permission)) return Said::refused;
    return {};
  }
  void revoke(const ModelToken& token, const Step& step) {
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
  ApiResponse agent_call(const ModelToken& token, const std::string& verb, const Person& agent) {
    return w.call_at(token.text, "POST", fmt::format("/v1/agents/{}/{}", agent.name, verb),
                     {{"team", agent.team}});
  }
  std::optional<Said> no_brake(const ModelToken& token, const Person& agent) const {
    if (const auto stop = stopped_simply(token, Permission::kill_agent)) return stop;
    if (GovernanceModel::is_partial(token)) return Said::refused;
    if (token.of.team != "default" && token.of.team != agent.team) return Said::refused;
    return {};
  }
  void kill(const ModelToken& token, const Step& step) {
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
  void revive(const ModelToken& token, const Step& step) {
    const Person agent{step.a % 2 ? "makers" : "default", step.b % 3 ? "coder" : "helper"};
    Said wanted = no_brake(token, agent).value_or(Said::ok);
    if (wanted == Said::ok && token.is_agent()) wanted = Said::refused;
    if (wanted == Said::ok && !m.killed.contains(agent.called())) wanted = Said::impossible;
    expect(agent_call(token, "revive", agent), wanted, "revive");
    if (wanted != Said::ok) return;
    event("agent.revived");
    m.killed.erase(agent.called());
  }
  void manage(const ModelToken& token, const Step& step) {
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
    expect(removes ? ask(token, "DELETE", path) : ask(token, "POST", path, {{"role", role}}),
           wanted, removes ? "team remove" : "team add " + role);
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

  // -- deployments
  Deployed* find(const std::string& id) {
    const auto at = std::ranges::find(deployed, id, &Deployed::id);
    return at == deployed.end() ? nullptr : &*at;
  }
  bool serves(const std::string& id) const {
    return std::ranges::any_of(releases, [&](const auto& each) {
      const auto at = current.find(each.first);
      return at != current.end() && std::ranges::any_of(each.second, [&](const Released& one) {
               return one.number == at->second && one.deployment == id;
             });
    });
  }
  std::vector<Finding> found_in(const std::string& project, std::size_t source,
                                const std::string& except) const {
    Files before;
    for (const Deployed& each : deployed)
      if (each.project == project && each.state == "ready" && each.id != except)
        before = sources[each.source];
    std::vector<Finding> out;
    for (const auto& [path, text] : sources[source]) {
      if (std::ranges::find(before, std::pair(path, text)) != before.end()) continue;
      if (path.ends_with(".pem") && has_keys_rule) out.push_back({.rule = "keys", .soft = true});
      if (path.ends_with(".sql")) out.push_back({.rule = "tables", .asks = true});
    }
    return out;
  }
  Said verdict_on(const Deployed& what, const ModelActor& by) const {
    return m.verdict(
        found_in(what.project, what.source, what.id), what.project, by, &what.by,
        [&](const ModelRequest& one) { return one.action == "deploy" && one.resource == what.id; });
  }
  void attempt(const ModelToken& token, const std::string& project, std::size_t source,
               const std::function<ApiResponse()>& call, std::string_view what) {
    const auto stop = stopped(token, Permission::deploy, project, "preview");
    if (stop) return expect(call(), *stop, what);
    for (Deployed& each : deployed)
      if (each.state == "waits" && each.project == project && each.source == source &&
          each.by.is(caller)) {
        const ApiResponse response = call();
        go_on(each);
        expect(response, Said::ok, fmt::format("{} again", what));
        same<std::string>("what waits alike", std::string(json_of(response).at("id").as_string()),
                          each.id);
        settle(each);
        return;
      }
    Deployed next{.id = {}, .project = project, .source = source, .by = caller, .state = "ready"};
    const Said said = verdict_on(next, caller);
    const ApiResponse response = call();
    expect(response, said == Said::denied ? said : Said::ok, what);
    if (said == Said::denied) return;
    next.id = std::string(json_of(response).at("id").as_string());
    event("deployment.created");
    if (said == Said::waits) {
      next.state = "waits";
      add_request({.action = "deploy",
                   .project = project,
                   .environment = "preview",
                   .change = {},
                   .resource = next.id,
                   .point = "build",
                   .by = caller,
                   .rules = {"tables"}});
    }
    next.ready_once = next.state == "ready";
    deployed.push_back(next);
    settle(deployed.back());
  }
  void settle(const Deployed& what) {
    if (what.state != "ready") return;
    const DeploymentId id = *DeploymentId::parse(what.id);
    std::ignore = w.world.settled(id);
    std::ignore = w.world.pipeline.wait_until_settled(id, 10s);
  }
  void deploy(const ModelToken& token, const Step& step) {
    const std::string project = project_of(step.a);
    const std::size_t source = step.b % sources.size();
    const std::string upload = w.world.upload(project, sources[source]).str();
    attempt(
        token, project, source,
        [&] { return ask(token, "POST", "/v1/deployments", {{"upload", upload}}); }, "deploy");
  }
  void redeploy(const ModelToken& token, const Step& step) {
    const Deployed* of = pick(deployed, step.a);
    if (of == nullptr) return;
    const Deployed copy = *of;
    attempt(
        token, copy.project, copy.source,
        [&] { return ask(token, "POST", "/v1/deployments/" + copy.id + "/redeploy"); }, "redeploy");
  }
  void add_request(ModelRequest request) {
    const auto all = w.stores().governance->approvals("", "").value();
    for (const ApprovalRequest& each : all)
      if (std::ranges::find(m.requests, each.id.str(), &ModelRequest::id) == m.requests.end())
        request.id = each.id.str();
    if (request.id.empty()) disagree("an approval", "nothing waits", request.action + " waits");
    event("approval.requested");
    m.requests.push_back(std::move(request));
  }
  void close(ModelRequest& request, const std::string& state, bool by_caller = false) {
    if (request.state != "open") return;
    request.state = state;
    if (by_caller)
      event("approval." + state);
    else
      own_event("approval." + state);
  }
  ModelRequest* request_for(const std::string& action, const std::string& resource) {
    const auto at = std::ranges::find_if(m.requests, [&](const ModelRequest& each) {
      return each.action == action && each.resource == resource && each.state == "open";
    });
    return at == m.requests.end() ? nullptr : &*at;
  }
  // Somebody agreed, disagreed or left, or another look is taken.
  void go_on(Deployed& what) {
    const auto at = std::ranges::find_if(m.requests, [&](const ModelRequest& each) {
      return each.action == "deploy" && each.resource == what.id;
    });
    if (at == m.requests.end() || what.state != "waits") return;
    if (at->state != "open") {
      what.state = "canceled";
      return;
    }
    if (!m.stands(at->by)) {
      what.state = "canceled";
      what.failed_once = true;
      return close(*at, "withdrawn");
    }
    switch (verdict_on(what, at->by)) {
      case Said::waits:
        return;
      case Said::ok:
        what.state = "ready";
        what.ready_once = true;
        return close(*at, "approved");
      default:
        what.state = "failed";
        what.failed_once = true;
        events.insert("request.denied " + at->by.name);
        return close(*at, "withdrawn");
    }
  }
  void take_away(Deployed& what, const ModelActor& by) {
    if (what.state == "deleted") return;
    const Said said = m.verdict(
        removal_finds(by), what.project, by, &what.by,
        [&](const ModelRequest& one) { return one.action == "remove" && one.resource == what.id; });
    if (said == Said::waits) {
      if (request_for("remove", what.id) == nullptr)
        add_request({.action = "remove",
                     .project = what.project,
                     .environment = serves(what.id) ? "production" : "preview",
                     .change = {},
                     .resource = what.id,
                     .point = "remove",
                     .by = by,
                     .rules = {"agents-remove"}});
      return;
    }
    if (ModelRequest* request = request_for("deploy", what.id)) close(*request, "withdrawn", true);
    what.state = "deleted";
  }
  static std::vector<Finding> removal_finds(const ModelActor& by) {
    if (!by.is_agent()) return {};
    return {{.rule = "agents-remove", .asks = true}};
  }
  void remove(const ModelToken& token, const Step& step) {
    Deployed* of = pick(deployed, step.a);
    if (of == nullptr) return;
    auto stop = stopped(token, Permission::remove, of->project, "preview");
    if (!stop && of->state == "waits" && caller.is_agent() && !of->by.is_agent())
      stop = Said::refused;
    const ApiResponse response = ask(token, "DELETE", "/v1/deployments/" + of->id);
    expect(response, stop.value_or(Said::ok), "rm " + of->id);
    if (!stop) take_away(*of, caller);
  }
  void undo(const ModelToken& token, const Step& step) {
    Deployed* of = pick(deployed, step.a);
    if (of == nullptr) return;
    Said wanted = stopped(token, Permission::remove, of->project, "preview").value_or(Said::ok);
    if (wanted == Said::ok && of->state != "deleted") wanted = Said::impossible;
    expect(ask(token, "POST", "/v1/undo", {{"deployment", of->id}}), wanted, "undo " + of->id);
    if (wanted != Said::ok) return;
    of->state = of->ready_once ? "ready" : of->failed_once ? "failed" : "canceled";
  }

  // -- people
  void vote(const ModelToken& token, const Step& step) {
    const bool yes = step.c % 4 != 0;
    if (step.b % 4 == 0 && !m.waivers.empty()) return answer_waiver(token, step, yes);
    if (step.b % 4 == 1 && !m.emergencies.empty()) return answer_emergency(token, step, yes);
    if (m.requests.empty()) return;
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < m.requests.size(); ++i)
      if (m.requests[i].state == "open" || step.a % 7 == 0) open.push_back(i);
    if (open.empty()) return;
    ModelRequest& request = m.requests[open[step.a % open.size()]];
    Said wanted = stopped(token, Permission::approve, request.project, request.environment)
                      .value_or(Said::ok);
    const bool counts = request.action != "policy" || caller.role == "admin";
    if (wanted == Said::ok) {
      if (request.state != "open")
        wanted = Said::impossible;
      else if (yes && (caller.name == request.by.name || caller.name == request.by.behalf))
        wanted = Said::refused;
      else if (!counts)
        wanted = Said::refused;
      else if (yes &&
               std::ranges::find(request.votes, caller.name, &ModelVote::by) != request.votes.end())
        wanted = Said::impossible;
    }
    expect(ask(token, "POST",
               fmt::format("/v1/approvals/{}/{}", request.id, yes ? "approve" : "reject")),
           wanted, (yes ? "approve " : "reject ") + request.action);
    if (wanted != Said::ok) return;
    event(yes ? "approval.given" : "approval.rejected");
    if (yes)
      request.votes.push_back({caller.name, caller.role});
    else
      request.state = "rejected";
    consider(request);
  }
  void consider(ModelRequest& request) {
    if (request.action == "deploy") {
      Deployed& what = *find(request.resource);
      if (what.state != "waits") return close(request, "withdrawn");
      go_on(what);
      settle(what);
    } else if (request.action == "remove") {
      if (request.state != "open") return;
      Deployed& what = *find(request.resource);
      if (what.state == "deleted" || !m.stands(request.by)) return close(request, "withdrawn");
      if (m.verdict(removal_finds(request.by), what.project, request.by, &what.by,
                    [&](const ModelRequest& one) {
                      return one.action == "remove" && one.resource == what.id;
                    }) != Said::ok)
        return;
      use(request);
      if (ModelRequest* waits = request_for("deploy", what.id)) {
        waits->state = "withdrawn";
        events.insert("approval.withdrawn " + request.by.name);
      }
      what.state = "deleted";
    } else if (request.action == "promote") {
      const auto at = std::ranges::find(moves, request.id, &Move::request);
      go_on_moving(*at);
    } else if (request.state == "open" && has_votes(request)) {
      close(request, "approved");
    }
  }
  bool has_votes(const ModelRequest& request) const {
    return std::ranges::any_of(request.votes,
                               [&](const ModelVote& vote) { return m.counts(request, vote); });
  }
  // By what it allows.
  void use(ModelRequest& request) {
    const bool open = request.state == "open";
    events.insert((open ? "approval.approved " : "approval.used ") + request.by.name);
    request.state = "approved";
    request.used = true;
  }
  void ask_waiver(const ModelToken& token, const Step& step) {
    const std::string project = project_of(step.a);
    const std::array<std::string, 3> names{"keys", "two-people", "tables"};
    const std::string& rule = names[step.b % names.size()];
    Said wanted = stopped(token, Permission::waive, project, "*").value_or(Said::ok);
    if (wanted == Said::ok && (rule == "tables" || (rule == "keys" && !has_keys_rule)))
      wanted = Said::impossible;
    const ApiResponse response =
        ask(token, "POST", "/v1/waivers",
            {{"rule", rule}, {"project", project}, {"reason", "x"}, {"for_s", 20 * 86'400}});
    expect(response, wanted, "waive " + rule);
    if (wanted != Said::ok) return;
    event("waiver.requested");
    m.waivers.push_back({.id = std::string(json_of(response).at("id").as_string()),
                         .rule = rule,
                         .project = project,
                         .author = caller.name,
                         .approver = {}});
  }
  Said answered(const ModelToken& token, Permission permission, const std::string& project,
                const std::string& state, const std::string& asked_by, bool yes) const {
    Said wanted = stopped_simply(token, Permission::approve).value_or(Said::ok);
    if (wanted == Said::ok) wanted = stopped(token, permission, project, "*").value_or(Said::ok);
    if (wanted == Said::ok && state != "requested") return Said::impossible;
    if (wanted != Said::ok || !yes) return wanted;
    if (caller.name == asked_by) return Said::refused;
    return m.agrees(asked_by, permission) ? Said::ok : Said::impossible;
  }
  void answer_waiver(const ModelToken& token, const Step& step, bool yes) {
    ModelWaiver& waiver = *pick(m.waivers, step.a);
    const Said wanted =
        answered(token, Permission::waive, waiver.project, waiver.state, waiver.author, yes);
    expect(ask(token, "POST",
               fmt::format("/v1/approvals/{}/{}", waiver.id, yes ? "approve" : "reject")),
           wanted, "answer a waiver");
    if (wanted != Said::ok) return;
    event(yes ? "waiver.approved" : "waiver.rejected");
    waiver.state = yes ? "active" : "rejected";
    if (yes) waiver.approver = caller.name;
  }
  void declare(const ModelToken& token, const Step& step) {
    const std::string project = project_of(step.a);
    const Said wanted = stopped(token, Permission::break_glass, project, "*").value_or(Said::ok);
    const ApiResponse response =
        ask(token, "POST", "/v1/break-glass", {{"project", project}, {"reason", "x"}});
    expect(response, wanted, "break-glass");
    if (wanted != Said::ok) return;
    event("break_glass.requested");
    m.emergencies.push_back({.id = std::string(json_of(response).at("id").as_string()),
                             .project = project,
                             .first = caller.name,
                             .second = {},
                             .until = m.now + 60min});
  }
  void answer_emergency(const ModelToken& token, const Step& step, bool yes) {
    ModelEmergency& one = *pick(m.emergencies, step.a);
    Said wanted = answered(token, Permission::break_glass, one.project, one.state, one.first, yes);
    if ((wanted == Said::ok ||
         (wanted == Said::refused && caller.name == one.first && m.works(token) && yes &&
          m.may(token, Permission::break_glass, one.project, "*") &&
          m.has(token, Permission::approve))) &&
        one.until <= m.now)
      wanted = Said::impossible;
    expect(
        ask(token, "POST", fmt::format("/v1/approvals/{}/{}", one.id, yes ? "approve" : "reject")),
        wanted, "answer an emergency");
    if (wanted != Said::ok) return;
    event(yes ? "break_glass.started" : "break_glass.rejected");
    one.state = yes ? "active" : "rejected";
    if (!yes) return;
    one.until = m.now + 60min;
    one.second = caller.name;
  }
  void end_what_lifts(const ModelToken& token, const Step& step) {
    if (ModelWaiver* waiver = pick(m.waivers, step.a); waiver != nullptr && step.b % 2) {
      Said wanted = stopped(token, Permission::waive, waiver->project, "*").value_or(Said::ok);
      if (wanted == Said::ok && waiver->state != "active" && waiver->state != "requested")
        wanted = Said::impossible;
      expect(ask(token, "DELETE", "/v1/waivers/" + waiver->id), wanted, "end a waiver");
      if (wanted != Said::ok) return;
      event("waiver.revoked");
      waiver->state = "revoked";
    } else if (ModelEmergency* one = pick(m.emergencies, step.a); one != nullptr && !(step.b % 2)) {
      Said wanted = stopped(token, Permission::break_glass, one->project, "*").value_or(Said::ok);
      if (wanted == Said::ok && one->state != "active" && one->state != "requested")
        wanted = Said::impossible;
      expect(ask(token, "DELETE", "/v1/break-glass/" + one->id), wanted, "end an emergency");
      if (wanted != Said::ok) return;
      event("break_glass.ended");
      one->state = "ended";
    }
  }

  // -- variables
  void set_env(const ModelToken& token, const Step& step) {
    const std::string project = project_of(step.a), name = step.b % 2 ? "A" : "B",
                      environment = step.a % 2 ? "production" : "preview",
                      value = step.b % 4 < 2 ? "1" : "2";
    const bool secret = step.c % 4 == 0, removes = step.c % 5 == 4;
    const auto place = std::pair(project, environment);
    Vars next = vars[place];
    const auto before = next.find(name);
    const bool was_secret = before != next.end() && before->second.second;
    const bool changes =
        removes ? before != next.end()
                : before == next.end() || before->second.first != value || (secret && !was_secret);
    const bool about_secret = was_secret || (secret && !removes);
    Said wanted = stopped(token, Permission::env_write, project, environment).value_or(Said::ok);
    if (wanted == Said::ok && removes && before == next.end()) wanted = Said::impossible;
    const bool production = environment == "production";
    const std::string change = fmt::format(
        "{} {} {} {} {} {} {} {} {}", caller.name, caller.behalf, project, environment,
        versions[place], name, removes ? "-" : value, about_secret, before == next.end());
    const auto alike = [&](const ModelRequest& one) {
      return one.action == "env_write" && one.change == change;
    };
    if (wanted == Said::ok && changes && about_secret) {
      wanted = stopped(token, Permission::secret_write, project, environment).value_or(Said::ok);
      if (wanted == Said::ok && production && caller.is_agent())
        wanted = m.verdict({{.rule = "no-agents"}}, project, caller, nullptr, alike);
    } else if (wanted == Said::ok && changes && production) {
      wanted = m.verdict({{.rule = "two-people", .soft = true, .asks = true}}, project, caller,
                         nullptr, alike);
    }
    json::object body{{"release", false}};
    if (removes)
      body["remove"] = json::array{json::value(name)};
    else
      body["set"] = json::array{json::object{{"name", name}, {"value", value}, {"secret", secret}}};
    expect(ask(token, "POST",
               fmt::format("/v1/projects/{}/environments/{}/env", project, environment), body),
           wanted, fmt::format("env {} {}{}", removes ? "rm" : "set", name, secret ? " -s" : ""));
    if (wanted == Said::waits) {
      if (std::ranges::none_of(m.requests, [&](const ModelRequest& one) {
            return alike(one) && one.state == "open" && !one.used;
          }))
        add_request({.action = "env_write",
                     .project = project,
                     .environment = environment,
                     .change = change,
                     .resource = {},
                     .point = "config",
                     .by = caller,
                     .rules = {"two-people"}});
      return;
    }
    if (wanted != Said::ok || !changes) return;
    if (production && !about_secret && !m.is_waived("two-people", project) &&
        (caller.is_agent() || !m.glass_is_broken(project) || agreed(alike)))
      for (ModelRequest& each : m.requests)
        if (alike(each) && !each.used && (each.state == "open" || each.state == "approved"))
          use(each);
    event("configuration.changed");
    if (removes)
      next.erase(name);
    else
      next[name] = {value, about_secret};
    vars[place] = std::move(next);
    ++versions[place];
  }
  template <class Alike>
  bool agreed(Alike alike) const {
    return std::ranges::any_of(m.requests, [&](const ModelRequest& one) {
      return alike(one) && !one.used && has_votes(one) &&
             (one.state == "open" || one.state == "approved");
    });
  }

  // -- releases
  void end_move(Move& move, const std::string& state) {
    move.waits = false;
    const auto at = std::ranges::find(m.requests, move.request, &ModelRequest::id);
    if (at != m.requests.end()) close(*at, state, true);
  }
  // By something that waits and does not give way to the caller.
  bool is_held(const std::string& project) const {
    return std::ranges::any_of(moves, [&](const Move& each) {
      return each.waits && each.project == project &&
             !GovernanceModel::may_replace(caller, each.by);
    });
  }
  void replace_waiting(const std::string& project) {
    for (Move& each : moves)
      if (each.waits && each.project == project && GovernanceModel::may_replace(caller, each.by)) {
        each.waits = false;
        const auto at = std::ranges::find(m.requests, each.request, &ModelRequest::id);
        if (at->state == "open") {
          at->state = "withdrawn";
          events.insert("approval.withdrawn releases");
        }
      }
  }
  Said verdict_on(const Move& move, const ModelActor& by) {
    const Deployed& what = *find(move.deployment);
    std::vector<Finding> finds;
    if (by.is_agent()) finds.push_back({.rule = "agents-promote", .asks = true});
    return m.verdict(finds, move.project, by, &what.by, [&](const ModelRequest& one) {
      return one.action == "promote" && one.change == change_of(move);
    });
  }
  static std::string change_of(const Move& move) {
    return fmt::format("{} {} {} {}", move.by.name, move.by.behalf, move.deployment, move.config);
  }
  void go_live(const Move& move) {
    std::ignore = w.world.baked(*RolloutId::parse(move.id));
    m.now = w.world.clock.now();
    current[move.project] = move.number;
    for (Released& each : releases[move.project])
      if (each.number == move.number) each.live = true;
  }
  void go_on_moving(Move& move) {
    ModelRequest& request = *std::ranges::find(m.requests, move.request, &ModelRequest::id);
    const auto end = [&] {
      move.waits = false;
      if (request.state != "open") return;
      request.state = "withdrawn";
      events.insert("approval.withdrawn releases");
    };
    if (!move.waits) return end();
    if (request.state != "open" || !m.stands(request.by)) return end();
    if (versions[{move.project, "production"}] != move.config) return end();
    if (verdict_on(move, request.by) != Said::ok) return;
    move.waits = false;
    for (ModelRequest& each : m.requests)
      if (each.action == "promote" && each.change == change_of(move) && !each.used &&
          (each.state == "open" || each.state == "approved"))
        use(each);
    go_live(move);
  }
  void promote(const ModelToken& token, const Step& step) {
    const Deployed* of = pick(deployed, step.a);
    if (of == nullptr) return;
    const std::string project = of->project;
    Said wanted = stopped(token, Permission::promote, project, "production").value_or(Said::ok);
    Move move{.id = {},
              .project = project,
              .deployment = of->id,
              .request = {},
              .by = caller,
              .config = versions[{project, "production"}]};
    const std::vector<Released>& known = releases[project];
    if (wanted == Said::ok && of->state != "ready") wanted = Said::impossible;
    for (const Released& each : known)
      if (wanted == Said::ok && current.contains(project) && each.number == current[project] &&
          each.deployment == of->id && each.config == move.config)
        wanted = Said::impossible;
    if (wanted == Said::ok) wanted = verdict_on(move, caller);
    if ((wanted == Said::ok || wanted == Said::waits) && is_held(project))
      wanted = Said::impossible;
    const ApiResponse response = ask(
        token, "POST", fmt::format("/v1/projects/{}/environments/production/promotions", project),
        {{"deployment", of->id}});
    expect(response, wanted == Said::waits ? Said::ok : wanted, "promote " + of->id);
    if (wanted != Said::ok && wanted != Said::waits) return;
    move.id = std::string(json_of(response).at("id").as_string());
    move.number = static_cast<std::int64_t>(known.size()) + 1;
    releases[project].push_back({move.number, move.config, move.deployment, false});
    event("release.created");
    replace_waiting(project);
    if (wanted == Said::ok) return go_live(move);
    move.waits = true;
    add_request({.action = "promote",
                 .project = project,
                 .environment = "production",
                 .change = change_of(move),
                 .resource = move.deployment,
                 .point = "promote",
                 .by = caller,
                 .rules = {"agents-promote"}});
    move.request = m.requests.back().id;
    moves.push_back(move);
  }
  void roll_back(const ModelToken& token, const Step& step) {
    const std::string project = project_of(step.a);
    const std::vector<Released>& known = releases[project];
    const std::int64_t to =
        known.empty() ? 1 : 1 + static_cast<std::int64_t>(step.b % known.size());
    Said wanted = stopped(token, Permission::rollback, project, "production").value_or(Said::ok);
    if (wanted == Said::ok && (!current.contains(project) || current[project] == to ||
                               !known[static_cast<std::size_t>(to) - 1].live))
      wanted = Said::impossible;
    if (wanted == Said::ok && caller.is_agent()) wanted = Said::denied;
    const ApiResponse response = ask(
        token, "POST", fmt::format("/v1/projects/{}/environments/production/rollbacks", project),
        {{"to", to}});
    expect(response, wanted, fmt::format("rollback to {}", to));
    if (wanted != Said::ok) return;
    replace_waiting(project);
    std::ignore =
        w.world.baked(*RolloutId::parse(std::string(json_of(response).at("id").as_string())));
    m.now = w.world.clock.now();
    current[project] = to;
  }

  // -- the rules themselves, and time
  void set_policy(const ModelToken& token, const Step& step) {
    const bool with = step.a % 2 != 0;
    const std::string text = fmt::format("{}{}{}", rules_head, with ? keys_rule : "", other_rules);
    Said wanted = stopped(token, Permission::policy_write, "", "").value_or(Said::ok);
    const std::string change = fmt::format("{} {}", caller.name, with);
    const auto alike = [&](const ModelRequest& one) {
      return one.action == "policy" && one.change == change;
    };
    const bool weaker = has_keys_rule && !with;
    if (wanted == Said::ok && weaker)
      wanted = m.verdict({{.rule = "weaker", .asks = true}}, "", caller, nullptr, alike);
    expect(ask(token, "POST", "/v1/policy", {{"text", text}, {"replay", 0}}), wanted, "policy set");
    if (wanted == Said::waits) {
      if (std::ranges::none_of(m.requests, [&](const ModelRequest& one) {
            return alike(one) && one.state == "open" && !one.used;
          }))
        add_request({.action = "policy",
                     .project = {},
                     .environment = {},
                     .change = change,
                     .resource = {},
                     .point = "policy",
                     .by = caller,
                     .rules = {"weaker"}});
      return;
    }
    if (wanted != Said::ok) return;
    if (weaker)
      for (ModelRequest& each : m.requests)
        if (alike(each) && !each.used && (each.state == "open" || each.state == "approved"))
          use(each);
    event("policy.changed");
    has_keys_rule = with;
    ++policy_version;
  }
  void tick(const Step& step) {
    w.world.clock.advance(step.a % 2 ? 61min : 5min);
    m.now = w.world.clock.now();
    history += fmt::format(": {} later", step.a % 2 ? "an hour" : "minutes");
    if (!w.world.governance->tick()) disagree("tick", "an error", "nothing");
    for (ModelRequest& each : m.requests) {
      if (each.state != "open" || m.stands(each.by)) continue;
      close(each, "withdrawn");
      consider(each);
    }
    for (ModelWaiver& each : m.waivers) {
      const bool given = each.state == "active";
      if (!given && each.state != "requested") continue;
      if (m.agrees(given ? each.approver : each.author, Permission::waive)) continue;
      each.state = "revoked";
      own_event("waiver.revoked");
    }
    for (ModelEmergency& each : m.emergencies) {
      const bool given = each.state == "active";
      if (!given && each.state != "requested") continue;
      const bool agreed = m.agrees(each.first, Permission::break_glass) &&
                          (!given || m.agrees(each.second, Permission::break_glass));
      if (each.until > m.now && agreed) continue;
      each.state = each.until <= m.now ? "expired" : "ended";
      own_event("break_glass." + each.state);
    }
  }

  // -- what the server has kept
  void compare() {
    for (const ModelRequest& each : m.requests)
      same("approval of " + each.action,
           w.stores().governance->approval(*ApprovalId::parse(each.id)).value().state, each.state);
    same("how many approvals", w.stores().governance->approvals("", "").value().size(),
         m.requests.size());
    for (const ModelWaiver& each : m.waivers)
      same("a waiver", w.stores().governance->waiver(*WaiverId::parse(each.id)).value().state,
           each.state);
    for (const ModelEmergency& each : m.emergencies)
      same("an emergency",
           w.stores().governance->break_glass(*BreakGlassId::parse(each.id)).value().state,
           each.state);
    for (const Deployed& each : deployed) {
      const Deployment kept = w.stores().repository->get(*DeploymentId::parse(each.id)).value();
      const std::string state =
          waits_for_approval(kept) ? "waits" : std::string(to_string(kept.state));
      same("deployment " + each.id, state, each.state);
    }
    for (const auto& [project, list] : releases) {
      const EnvironmentState state =
          w.stores().releases->environment(project, "production").value();
      same<std::int64_t>("what serves in " + project, state.current,
                         current.contains(project) ? current.at(project) : 0);
    }
    for (const auto& [place, version] : versions) {
      const Configuration kept = w.world.environments.show(place.first, place.second).value();
      same("version of variables", kept.version, version);
      Vars found;
      for (const EnvironmentVar& var : kept.vars) {
        const bool secret = var.disclosure == Disclosure::secret;
        found[var.name] = {secret ? vars[place][var.name].first : var.value, secret};
      }
      same("variables", found == vars[place], true);
    }
    same<std::int64_t>("version of the rules", w.stores().governance->active_set().value()->version,
                       policy_version);
    for (const ModelToken& each : tokens)
      same("token of " + each.of.called(), w.stores().identity->authenticate(each.text).has_value(),
           m.works(each));
    compare_records();
  }
  void compare_records() {
    static const std::set<std::string_view> governed{"approval", "waiver",  "break_glass",
                                                     "policy",   "token",   "agent",
                                                     "member",   "request", "configuration"};
    std::multiset<std::string> found;
    const auto head = w.stores().audit->head().value().size;
    for (std::uint64_t seq = seen + 1; seq <= head; ++seq) {
      const AuditRecord record = parse_audit_record(w.stores().audit->get(seq).value()).value();
      const std::string& what = record.event.event;
      if (governed.contains(std::string_view(what).substr(0, what.find('.'))) ||
          what == "deployment.created" || what == "release.created")
        found.insert(what + " " + record.event.by.actor.name);
    }
    seen = head;
    if (found != events)
      disagree("the log", fmt::format("[{}]", fmt::join(found, ", ")),
               fmt::format("[{}]", fmt::join(events, ", ")));
  }

  ApiWorld w{fmt::format("{}{}{}", rules_head, keys_rule, other_rules)};
  GovernanceModel m;
  std::vector<ModelToken> tokens;
  std::vector<Person> people;
  std::vector<Deployed> deployed;
  std::vector<Move> moves;
  std::map<std::string, std::vector<Released>> releases;
  std::map<std::string, std::int64_t> current;
  std::map<std::pair<std::string, std::string>, Vars> vars;
  std::map<std::pair<std::string, std::string>, std::int64_t> versions;
  bool has_keys_rule = true;
  std::int64_t policy_version = 1;
  ModelActor caller;
  std::set<std::string> forgotten;  // members' own tokens that went with them
  std::multiset<std::string> events;
  std::uint64_t seen = 0;
  std::string history;
};

int wished(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

TEST(Governance, SaysKeepsAndRecordsWhatItsModelDoes) {
  const auto any = rc::gen::inRange(0u, 1000u);
  const auto steps = rc::gen::resize(
      wished("SLIPWAY_MODEL_STEPS", 120),
      rc::gen::container<std::vector<Step>>(rc::gen::construct<Step>(any, any, any, any, any)));
  rc::detail::TestParams params;
  params.maxSuccess = wished("SLIPWAY_MODEL_RUNS", 24);
  params.seed = static_cast<std::uint64_t>(wished("SLIPWAY_MODEL_SEED", 1));
  const rc::detail::TestResult result = rc::detail::checkTestable(
      [&] {
        const auto all = *steps;
        Play play;
        for (const Step& each : all) play.step(each);
      },
      rc::detail::TestMetadata{}, params);
  std::ostringstream out;
  rc::detail::printResultMessage(result, out);
  EXPECT_TRUE(result.is<rc::detail::SuccessResult>()) << out.str();
}

}  // namespace
}  // namespace slipway
