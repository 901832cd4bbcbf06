// What people agree to, the rules, and time.
#include "api/testing/governance_play.h"
#include "base/text.h"

namespace slipway::testing {

using namespace std::chrono_literals;

void Play::vote(const ModelToken& token, const Step& step) {
  const bool yes = step.c % 4 != 0;
  if (step.b % 4 == 0 && !m.waivers.empty()) return answer_waiver(token, step, yes);
  if (step.b % 4 == 1 && !m.emergencies.empty()) return answer_emergency(token, step, yes);
  if (m.requests.empty()) return;
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < m.requests.size(); ++i)
    if (m.requests[i].state == "open" || step.a % 7 == 0) open.push_back(i);
  if (open.empty()) return;
  ModelRequest& request = m.requests[open[step.a % open.size()]];
  Said wanted =
      stopped(token, Permission::approve, request.project, request.environment).value_or(Said::ok);
  const bool counts = request.action != "policy" || caller.role == "admin";
  const bool ended = wanted == Said::ok && yes && request.state == "open" && !m.stands(request.by);
  if (wanted == Said::ok) {
    if (request.state != "open" || ended)
      wanted = Said::impossible;
    else if (yes && caller.person() == request.by.person())
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
  if (ended) {
    close(request, "withdrawn");
    return consider(request);
  }
  if (wanted != Said::ok) return;
  event(yes ? "approval.given" : "approval.rejected");
  if (yes)
    request.votes.push_back({caller.name, caller.role});
  else
    request.state = "rejected";
  consider(request);
}

void Play::consider(ModelRequest& request) {
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
    what.removed_by = request.by;
    withdraw_promotions(what, request.by.name);
  } else if (request.action == "promote") {
    const auto at = std::ranges::find(moves, request.id, &Move::request);
    go_on_moving(*at);
  } else if (request.state == "open" && has_votes(request)) {
    close(request, "approved");
  }
}

void Play::use(ModelRequest& request) {
  events.insert("approval.used " + request.by.name);
  request.state = "approved";
  request.used = true;
}

void Play::ask_waiver(const ModelToken& token, const Step& step) {
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

Said Play::answered(const ModelToken& token, Permission permission, const std::string& project,
                    const std::string& state, const std::string& asked_by, bool yes) const {
  Said wanted = stopped_simply(token, Permission::approve).value_or(Said::ok);
  if (wanted == Said::ok) wanted = stopped(token, permission, project, "*").value_or(Said::ok);
  if (wanted == Said::ok && state != "requested") return Said::impossible;
  if (wanted != Said::ok || !yes) return wanted;
  if (caller.name == asked_by) return Said::refused;
  return m.agrees(asked_by, permission) ? Said::ok : Said::impossible;
}

void Play::answer_waiver(const ModelToken& token, const Step& step, bool yes) {
  ModelWaiver& waiver = *pick(m.waivers, step.a);
  const Said wanted =
      answered(token, Permission::waive, waiver.project, waiver.state, waiver.author, yes);
  expect(
      ask(token, "POST", fmt::format("/v1/approvals/{}/{}", waiver.id, yes ? "approve" : "reject")),
      wanted, "answer a waiver");
  if (wanted != Said::ok) return;
  event(yes ? "waiver.approved" : "waiver.rejected");
  waiver.state = yes ? "active" : "rejected";
  if (yes) waiver.approver = caller.name;
}

void Play::declare(const ModelToken& token, const Step& step) {
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

void Play::answer_emergency(const ModelToken& token, const Step& step, bool yes) {
  ModelEmergency& one = *pick(m.emergencies, step.a);
  Said wanted = answered(token, Permission::break_glass, one.project, one.state, one.first, yes);
  if ((wanted == Said::ok ||
       (wanted == Said::refused && caller.name == one.first && m.works(token) && yes &&
        m.may(token, Permission::break_glass, one.project, "*") &&
        m.has(token, Permission::approve))) &&
      one.until <= m.now)
    wanted = Said::impossible;
  expect(ask(token, "POST", fmt::format("/v1/approvals/{}/{}", one.id, yes ? "approve" : "reject")),
         wanted, "answer an emergency");
  if (wanted != Said::ok) return;
  event(yes ? "break_glass.started" : "break_glass.rejected");
  one.state = yes ? "active" : "rejected";
  if (!yes) return;
  one.until = m.now + 60min;
  one.second = caller.name;
}

void Play::end_what_lifts(const ModelToken& token, const Step& step) {
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

void Play::set_policy(const ModelToken& token, const Step& step) {
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

void Play::tick(const Step& step) {
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

}  // namespace slipway::testing
