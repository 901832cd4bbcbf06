// slipway alerts: webhooks of a project, told what becomes of its releases.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"
#include "cli/view.h"
#include "model/alert.h"

namespace slipway::cli {
namespace {

struct AlertsArguments {
  std::optional<std::string> action, project, what, environment;
  std::vector<std::string> events;
};

Result<int> list(Context& context, ApiClient& api, const std::string& target) {
  SLIPWAY_TRY(const json::object answer, api.get(target));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(answer, "alerts")) {
    if (!value.is_object()) continue;
    const json::object& alert = value.as_object();
    std::vector<std::string> events;
    for (const json::value& event : array_at(alert, "events"))
      if (event.is_string()) events.emplace_back(event.as_string());
    const std::string environment = text_at(alert, "environment"),
                      result = text_at(alert, "last_result");
    rows.push_back({sanitize_line(text_at(alert, "id")),
                    sanitize_line(environment.empty() ? "all" : environment),
                    sanitize_line(events.empty() ? "all" : join(events, ", ")),
                    sanitize_line(text_at(alert, "url")),
                    sanitize_line(result.empty() ? "-" : result)});
  }
  context.console.out(table({"ID", "ENVIRONMENT", "EVENTS", "URL", "LAST DELIVERY"}, rows,
                            context.console.out_style()));
  return 0;
}

Result<int> add(Context& context, ApiClient& api, const AlertsArguments& arguments,
                const std::string& target) {
  json::array events;
  for (const std::string& event : arguments.events) events.emplace_back(event);
  json::object wanted{{"url", *arguments.what}, {"events", std::move(events)}};
  if (arguments.environment) wanted["environment"] = *arguments.environment;
  SLIPWAY_TRY(const json::object added, api.post(target, wanted));
  if (context.common.json) {
    context.console.out(printable_json(added));
    return 0;
  }
  context.console.out(sanitize_line(text_at(added, "id")) + "\n");
  context.console.err(
      fmt::format("its secret, shown this once: {}\n", sanitize_line(text_at(added, "secret"))));
  return 0;
}

Result<int> test(Context& context, ApiClient& api, const std::string& target) {
  SLIPWAY_TRY(const json::object answer, api.post(target + "/test", {}));
  if (context.common.json) context.console.out(printable_json(answer));
  const auto status = number_at(answer, "status");
  if (status < 200 || status >= 300)
    return fail(Errc::unavailable, fmt::format("the webhook answered {}", status),
                "a receiver takes a message by answering 2xx");
  if (!context.common.json) context.console.out(fmt::format("delivered ({})\n", status));
  return 0;
}

Result<int> alerts(Context& context, const AlertsArguments& arguments) {
  const std::string& action = *arguments.action;
  if (action != "ls" && action != "add" && action != "rm" && action != "test")
    return fail(Errc::invalid_argument,
                fmt::format("slipway alerts does not know '{}'", sanitize_line(action)),
                "it knows: ls, add, rm, test");
  if (action != "ls" && !arguments.what)
    return fail(Errc::invalid_argument, action == "add" ? "which URL?" : "which webhook?",
                fmt::format("slipway alerts {} {} {}", action, sanitize_line(*arguments.project),
                            action == "add" ? "URL" : "ID"));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  const std::string target = fmt::format("/v1/projects/{}/alerts", url_encode(*arguments.project));
  if (action == "ls") return list(context, *api, target);
  if (action == "add") return add(context, *api, arguments, target);
  const std::string one = target + "/" + url_encode(*arguments.what);
  if (action == "test") return test(context, *api, one);
  SLIPWAY_TRY(const json::object removed, api->remove(one));
  context.console.out(context.common.json ? printable_json(removed)
                                          : sanitize_line(*arguments.what) + "\n");
  return 0;
}

}  // namespace

Action define_alerts(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<AlertsArguments>();
  arguments.positional("ACTION", own->action, "ls, add, rm or test", ValueKind::text,
                       Presence::required);
  arguments.positional("PROJECT", own->project, "the project", ValueKind::project,
                       Presence::required);
  arguments.positional("URL|ID", own->what, "add: where to; rm, test: the webhook's id",
                       ValueKind::text, Presence::optional);
  arguments.option("--env", "ENVIRONMENT", own->environment,
                   "add: of this environment only; all unless given");
  arguments.list("--event", "EVENT", own->events,
                 "add: only these (repeat it): rollout.waiting, rollout.switched, "
                 "rollout.failed, release.rolled_back, release.frozen");
  arguments.flag("--json", common.json, "print the answer as JSON");
  return [own](Context& context) { return alerts(context, *own); };
}

}  // namespace slipway::cli
