// Variables and releases.
#include "api/testing/governance_play.h"
#include "base/text.h"

namespace slipway::testing {

using namespace std::chrono_literals;

void Play::set_env(const ModelToken& token, const Step& step) {
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
  const std::string change =
      fmt::format("{} {} {} {} {} {} {} {} {}", caller.name, caller.behalf, project, environment,
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
  // What people agreed to rests on them, also while something else would have let it pass.
  if (production && !about_secret && agreed(alike))
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
  // Others asked for a change of the version before.
  for (ModelRequest& each : m.requests)
    if (each.action == "env_write" && each.state == "open" &&
        Place{each.project, each.environment} == place) {
      each.state = "withdrawn";
      events.insert("approval.withdrawn policy");
    }
}

void Play::end_move(Move& move, const std::string& state) {
  move.waits = false;
  const auto at = std::ranges::find(m.requests, move.request, &ModelRequest::id);
  if (at != m.requests.end()) close(*at, state, true);
}

bool Play::is_held(const Place& place) const {
  return std::ranges::any_of(moves, [&](const Move& each) {
    return each.waits && each.place() == place && !GovernanceModel::may_replace(caller, each.by);
  });
}

void Play::replace_waiting(const Place& place) {
  for (Move& each : moves)
    if (each.waits && each.place() == place && GovernanceModel::may_replace(caller, each.by)) {
      each.waits = false;
      const auto at = std::ranges::find(m.requests, each.request, &ModelRequest::id);
      if (at->state == "open") {
        at->state = "withdrawn";
        events.insert("approval.withdrawn releases");
      }
    }
}

std::vector<Finding> Play::promotion_finds(const Move& move, const ModelActor& by) {
  if (!by.is_agent() && move.environment != "production") return {};
  return {{.rule = "promotions-ask", .asks = true}};
}

Said Play::verdict_on(const Move& move, const ModelActor& by) {
  const Deployed& what = *find(move.deployment);
  return m.verdict(promotion_finds(move, by), move.project, by, &what.by,
                   [&](const ModelRequest& one) {
                     return one.action == "promote" && one.change == change_of(move);
                   });
}

bool Play::use_votes(const Move& move, const ModelActor& by) {
  const auto alike = [&](const ModelRequest& one) {
    return one.action == "promote" && one.change == change_of(move);
  };
  if (promotion_finds(move, by).empty() ||
      !m.agreed("promotions-ask", by, &find(move.deployment)->by, alike))
    return false;
  for (ModelRequest& each : m.requests)
    if (alike(each) && !each.used && (each.state == "open" || each.state == "approved")) use(each);
  return true;
}

void Play::go_live(const Move& move) {
  std::ignore = w.world.baked(*RolloutId::parse(move.id));
  m.now = w.world.clock.now();
  current[move.place()] = move.number;
  for (Released& each : releases[move.place()])
    if (each.number == move.number) each.live = true;
}

void Play::go_on_moving(Move& move) {
  ModelRequest& request = *std::ranges::find(m.requests, move.request, &ModelRequest::id);
  const auto end = [&] {
    move.waits = false;
    if (request.state != "open") return;
    request.state = "withdrawn";
    events.insert("approval.withdrawn releases");
  };
  if (!move.waits) return end();
  if (request.state != "open" || !m.stands(request.by)) return end();
  if (versions[move.place()] != move.config) return end();
  if (verdict_on(move, request.by) != Said::ok) return;
  move.waits = false;
  if (!use_votes(move, request.by)) {
    request.state = "approved";
    events.insert("approval.approved releases");
  }
  go_live(move);
}

void Play::promote(const ModelToken& token, const Step& step) {
  const Deployed* of = pick(deployed, step.a);
  if (of == nullptr) return;
  const std::string project = of->project, environment = step.b % 2 ? "production" : "staging";
  const Place place{project, environment};
  // One that was released may still be kept when it is gone: left out here.
  for (const auto& [each, list] : releases)
    if (of->state != "ready" &&
        std::ranges::find(list, of->id, &Released::deployment) != list.end())
      return;
  Said wanted = stopped(token, Permission::promote, project, environment).value_or(Said::ok);
  Move move{.id = {},
            .project = project,
            .environment = environment,
            .deployment = of->id,
            .request = {},
            .by = caller,
            .config = versions[place]};
  const std::vector<Released>& known = releases[place];
  if (wanted == Said::ok && of->state != "ready") wanted = Said::impossible;
  for (const Released& each : known)
    if (wanted == Said::ok && current.contains(place) && each.number == current[place] &&
        each.deployment == of->id && each.config == move.config)
      wanted = Said::impossible;
  if (wanted == Said::ok) wanted = verdict_on(move, caller);
  if ((wanted == Said::ok || wanted == Said::waits) && is_held(place)) wanted = Said::impossible;
  const ApiResponse response =
      ask(token, "POST",
          fmt::format("/v1/projects/{}/environments/{}/promotions", project, environment),
          {{"deployment", of->id}});
  expect(response, wanted == Said::waits ? Said::ok : wanted,
         fmt::format("promote {} to {}", of->id, environment));
  if (wanted != Said::ok && wanted != Said::waits) return;
  move.id = std::string(json_of(response).at("id").as_string());
  move.number = static_cast<std::int64_t>(known.size()) + 1;
  releases[place].push_back({move.number, move.config, move.deployment, false});
  event("release.created");
  if (wanted == Said::ok) std::ignore = use_votes(move, caller);
  replace_waiting(place);
  if (wanted == Said::ok) return go_live(move);
  move.waits = true;
  add_request({.action = "promote",
               .project = project,
               .environment = environment,
               .change = change_of(move),
               .resource = move.deployment,
               .point = "promote",
               .by = caller,
               .rules = {"promotions-ask"}});
  move.request = m.requests.back().id;
  moves.push_back(move);
}

void Play::roll_back(const ModelToken& token, const Step& step) {
  const std::string project = project_of(step.a),
                    environment = step.c % 2 ? "production" : "staging";
  const Place place{project, environment};
  const std::vector<Released>& known = releases[place];
  const std::int64_t to = known.empty() ? 1 : 1 + static_cast<std::int64_t>(step.b % known.size());
  Said wanted = stopped(token, Permission::rollback, project, environment).value_or(Said::ok);
  if (wanted == Said::ok && (!current.contains(place) || current[place] == to ||
                             !known[static_cast<std::size_t>(to) - 1].live))
    wanted = Said::impossible;
  if (wanted == Said::ok && caller.is_agent() && environment == "production") wanted = Said::denied;
  const ApiResponse response = ask(
      token, "POST", fmt::format("/v1/projects/{}/environments/{}/rollbacks", project, environment),
      {{"to", to}});
  expect(response, wanted, fmt::format("rollback of {} to {}", environment, to));
  if (wanted != Said::ok) return;
  replace_waiting(place);
  std::ignore =
      w.world.baked(*RolloutId::parse(std::string(json_of(response).at("id").as_string())));
  m.now = w.world.clock.now();
  current[place] = to;
}

}  // namespace slipway::testing
