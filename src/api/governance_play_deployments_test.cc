// Deployments, and what waits for people.
#include "api/testing/governance_play.h"
#include "base/text.h"

namespace slipway::testing {

using namespace std::chrono_literals;

bool Play::serves(const std::string& id, const std::string& environment) const {
  return std::ranges::any_of(releases, [&](const auto& each) {
    if (!environment.empty() && each.first.second != environment) return false;
    const auto at = current.find(each.first);
    return at != current.end() && std::ranges::any_of(each.second, [&](const Released& one) {
             return one.number == at->second && one.deployment == id;
           });
  });
}

std::vector<Finding> Play::found_in(const std::string& project, std::size_t source,
                                    const std::string& except) const {
  Files before;
  for (const Deployed& each : deployed)
    if (each.project == project && each.state == "ready" && each.id != except)
      before = model_sources[each.source];
  std::vector<Finding> out;
  for (const auto& [path, text] : model_sources[source]) {
    if (std::ranges::find(before, std::pair(path, text)) != before.end()) continue;
    if (path.ends_with(".pem") && has_keys_rule) out.push_back({.rule = "keys", .soft = true});
    if (path.ends_with(".sql")) out.push_back({.rule = "tables", .asks = true});
  }
  return out;
}

Said Play::verdict_on(const Deployed& what, const ModelActor& by) const {
  return m.verdict(
      found_in(what.project, what.source, what.id), what.project, by, &what.by,
      [&](const ModelRequest& one) { return one.action == "deploy" && one.resource == what.id; });
}

void Play::attempt(const ModelToken& token, const std::string& project, std::size_t source,
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

void Play::settle(const Deployed& what) {
  if (what.state != "ready") return;
  const DeploymentId id = *DeploymentId::parse(what.id);
  std::ignore = w.world.settled(id);
  std::ignore = w.world.pipeline.wait_until_settled(id, 10s);
}

void Play::deploy(const ModelToken& token, const Step& step) {
  const std::string project = project_of(step.a);
  const std::size_t source = step.b % model_sources.size();
  const std::string upload = w.world.upload(project, model_sources[source]).str();
  attempt(
      token, project, source,
      [&] { return ask(token, "POST", "/v1/deployments", {{"upload", upload}}); }, "deploy");
}

void Play::redeploy(const ModelToken& token, const Step& step) {
  const Deployed* of = pick(deployed, step.a);
  if (of == nullptr) return;
  const Deployed copy = *of;
  attempt(
      token, copy.project, copy.source,
      [&] { return ask(token, "POST", "/v1/deployments/" + copy.id + "/redeploy"); }, "redeploy");
}

void Play::add_request(ModelRequest request) {
  const auto all = w.stores().governance->approvals("", "").value();
  for (const ApprovalRequest& each : all)
    if (std::ranges::find(m.requests, each.id.str(), &ModelRequest::id) == m.requests.end() &&
        // A kill asks for several at once.
        (request.action != "remove" || each.resource == "deployment/" + request.resource))
      request.id = each.id.str();
  if (request.id.empty()) disagree("an approval", "nothing waits", request.action + " waits");
  event("approval.requested");
  m.requests.push_back(std::move(request));
}

void Play::close(ModelRequest& request, const std::string& state, bool by_caller) {
  if (request.state != "open") return;
  request.state = state;
  if (by_caller)
    event("approval." + state);
  else
    own_event("approval." + state);
}

ModelRequest* Play::request_for(const std::string& action, const std::string& resource) {
  const auto at = std::ranges::find_if(m.requests, [&](const ModelRequest& each) {
    return each.action == action && each.resource == resource && each.state == "open";
  });
  return at == m.requests.end() ? nullptr : &*at;
}

void Play::go_on(Deployed& what) {
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

void Play::take_away(Deployed& what, const ModelActor& by) {
  if (what.state == "deleted") return;
  const Said said = m.verdict(
      removal_finds(by), what.project, by, &what.by,
      [&](const ModelRequest& one) { return one.action == "remove" && one.resource == what.id; });
  if (said == Said::waits) {
    if (request_for("remove", what.id) == nullptr)
      add_request({.action = "remove",
                   .project = what.project,
                   .environment = serves(what.id, "production") ? "production"
                                  : serves(what.id, "staging")  ? "staging"
                                                                : "preview",
                   .change = {},
                   .resource = what.id,
                   .point = "remove",
                   .by = by,
                   .rules = {"agents-remove"}});
    return;
  }
  if (ModelRequest* request = request_for("deploy", what.id)) close(*request, "withdrawn", true);
  what.state = "deleted";
  what.removed_by = by;
  withdraw_promotions(what, by.name);
}

bool Play::has_served(const Deployed& what) const {
  for (const auto& [place, all] : releases)
    for (const Released& each : all)
      if (each.deployment == what.id && each.live) return true;
  return false;
}

void Play::withdraw_promotions(const Deployed& what, const std::string& by) {
  if (has_served(what)) return;
  for (Move& each : moves) {
    if (!each.waits || each.deployment != what.id) continue;
    each.waits = false;
    const auto at = std::ranges::find(m.requests, each.request, &ModelRequest::id);
    if (at == m.requests.end() || at->state != "open") continue;
    at->state = "withdrawn";
    events.insert("approval.withdrawn " + by);
  }
}

void Play::remove(const ModelToken& token, const Step& step) {
  Deployed* of = pick(deployed, step.a);
  if (of == nullptr) return;
  auto stop = stopped(token, Permission::remove, of->project, "preview");
  if (!stop && of->state == "waits" && caller.is_agent() && !of->by.is_agent())
    stop = Said::refused;
  // Nor does it take back a person's promotion by removing what that is of.
  if (!stop && of->state != "deleted" && caller.is_agent() && !has_served(*of) &&
      std::ranges::any_of(moves, [&](const Move& each) {
        return each.waits && each.deployment == of->id && !each.by.is_agent();
      }))
    stop = Said::refused;
  const ApiResponse response = ask(token, "DELETE", "/v1/deployments/" + of->id);
  expect(response, stop.value_or(Said::ok), "rm " + of->id);
  if (!stop) take_away(*of, caller);
}

void Play::undo(const ModelToken& token, const Step& step) {
  Deployed* of = pick(deployed, step.a);
  if (of == nullptr) return;
  Said wanted = stopped(token, Permission::remove, of->project, "preview").value_or(Said::ok);
  if (wanted == Said::ok && of->state != "deleted") wanted = Said::impossible;
  // What a person took away, only the person's own agents bring back.
  const ModelActor& by = of->removed_by;
  if (wanted == Said::ok && caller.is_agent() && !by.is_agent() && by.name != caller.behalf)
    wanted = Said::refused;
  expect(ask(token, "POST", "/v1/undo", {{"deployment", of->id}}), wanted, "undo " + of->id);
  if (wanted != Said::ok) return;
  of->state = of->ready_once ? "ready" : of->failed_once ? "failed" : "canceled";
}

}  // namespace slipway::testing
