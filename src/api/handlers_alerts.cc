#include "api/routes.h"
#include "api/touches.h"
#include "base/text.h"
#include "json/reader.h"
#include "model/environment.h"
#include "model/environment_class.h"
#include "release/alerts.h"

namespace slipway::handlers {
namespace {

json::object alert_json(const AlertSubscription& alert) {
  json::array events;
  for (const std::string& event : alert.events) events.emplace_back(event);
  return {
      {"id", alert.id.str()},
      {"project", alert.project},
      {"environment",
       alert.environment.empty() ? json::value(nullptr) : json::value(alert.environment)},
      {"url", alert.url},
      {"events", std::move(events)},
      {"created_at", to_rfc3339(alert.created_at)},
      {"actor", to_json(alert.actor)},
      {"last_at", alert.last_at ? json::value(to_rfc3339(*alert.last_at)) : json::value(nullptr)},
      {"last_result",
       alert.last_result.empty() ? json::value(nullptr) : json::value(alert.last_result)}};
}

Result<AlertSubscription> alert_of(const ApiContext& context, const ApiCall& call) {
  const std::string &project = call.path_value("project"), &id = call.path_value("id");
  SLIPWAY_TRY(const std::vector<AlertSubscription> all, context.alerts.list(project));
  for (const AlertSubscription& each : all)
    if (each.id.str() == id) return each;
  return fail(Errc::not_found, fmt::format("{} has no webhook {}", project, sanitize_line(id)),
              fmt::format("see: slipway alerts ls {}", project));
}

Result<AuditContext> allow(const ApiContext& context, const ApiCall& call,
                           const std::string& environment, std::string_view change,
                           const ChangeDigest& what) {
  const std::string& project = call.path_value("project");
  SLIPWAY_CHECK(authorize(context, call, project,
                          environment.empty() ? every_environment : std::string_view(environment)));
  // A webhook of every environment is one of production.
  const std::string_view where = environment.empty() ? "production" : std::string_view(environment);
  return context.governance.require({.point = DecisionPoint::config,
                                     .by = call.by,
                                     .project = project,
                                     .environment = std::string(environment_class(where)),
                                     .resource = "alerts/" + project,
                                     .action = "env_write",
                                     .more =
                                         [change](Facts& facts) {
                                           facts.add("config_change",
                                                     {{"kind", "setting"},
                                                      {"name", "alerts"},
                                                      {"subject", "setting:alerts"},
                                                      {"change", change},
                                                      {"live", 0},
                                                      {"undo_for", 365 * 24 * 3600},
                                                      {"used_by", "none"},
                                                      {"loads_code", 0}});
                                         }},
                                    what);
}

}  // namespace

Result<ApiResponse> list_alerts(const ApiContext& context, ApiCall& call) {
  SLIPWAY_CHECK(authorize(context, call, call.path_value("project"), {}));
  SLIPWAY_TRY(const std::vector<AlertSubscription> all,
              context.alerts.list(call.path_value("project")));
  json::array out;
  for (const AlertSubscription& each : all)
    if (authorize(context, call, each.project, environment_of(each)))
      out.push_back(alert_json(each));
  return json_response(200, json::object{{"alerts", std::move(out)}});
}

Result<ApiResponse> add_alert(const ApiContext& context, ApiCall& call) {
  SLIPWAY_CHECK(authorize(context, call, call.path_value("project"), {}));
  SLIPWAY_TRY(const json::value body, call.body_json());
  Alerts::Wanted wanted{.project = call.path_value("project")};
  JsonReader reader(body);
  reader.require("url").read("url", wanted.url).read("environment", wanted.environment);
  reader.read("events", wanted.events);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(check_names(wanted.project, preview_environment));
  if (!wanted.environment.empty()) SLIPWAY_CHECK(check_environment_name(wanted.environment));
  ChangeDigest what(call.by.actor, "alert");
  what.add("url", context.environments.fingerprint(wanted.url));
  what.add("environment", wanted.environment).add("events", join(wanted.events, ","));
  SLIPWAY_TRY(const AuditContext by, allow(context, call, wanted.environment, "added", what));
  SLIPWAY_CHECK(
      context.identity.claim_project(by, call.principal, call.permission, wanted.project));
  SLIPWAY_TRY(const Alerts::Added added, context.alerts.add(by, wanted));
  json::object out = alert_json(added.subscription);
  out["secret"] = added.secret;
  return json_response(201, out);
}

Result<ApiResponse> remove_alert(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const AlertSubscription alert, alert_of(context, call));
  SLIPWAY_TRY(const AuditContext by,
              allow(context, call, alert.environment, "removed",
                    ChangeDigest(call.by.actor, "alert").add("id", alert.id.str())));
  SLIPWAY_TRY(const AlertSubscription removed, context.alerts.remove(by, alert.project, alert.id));
  return json_response(200, alert_json(removed));
}

Result<ApiResponse> test_alert(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const AlertSubscription alert, alert_of(context, call));
  SLIPWAY_TRY(const int status, context.alerts.test(alert.project, alert.id));
  return json_response(200, json::object{{"id", alert.id.str()},
                                         {"status", status},
                                         {"delivered", status >= 200 && status < 300}});
}

}  // namespace slipway::handlers
