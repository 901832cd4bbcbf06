// slipway waive: accept what a rule finds, for a time.
#include <fmt/format.h>

#include <cstdint>
#include <memory>

#include "base/text.h"
#include "cli/decision_view.h"
#include "cli/server.h"
#include "cli/waiting_pages.h"

namespace slipway::cli {
namespace {

struct WaiveArguments {
  std::optional<std::string> rule, project, subject, reason, life, revoke;
  bool list = false;
};

Result<int> list_waivers(Context& context, ApiClient& api, const WaiveArguments& arguments) {
  std::string target = "/v1/waivers";
  if (arguments.project) target += "?project=" + url_encode(*arguments.project);
  SLIPWAY_TRY(const WaitingThings things, read_waiting(api, target, SIZE_MAX));
  const json::object& answer = things.lists;
  context.console.out(context.common.json
                          ? printable_json(answer)
                          : render_waivers(array_at(answer, "waivers"), context.clock.now(),
                                           context.console.out_style()));
  return 0;
}

Result<json::object> ask(ApiClient& api, const WaiveArguments& arguments) {
  if (!arguments.project || !arguments.reason)
    return fail(Errc::invalid_argument, "a waiver needs a project and a reason",
                "slipway waive RULE --project NAME --reason TEXT --for 7d");
  const auto life = parse_duration(arguments.life.value_or("7d"));
  if (!life || *life <= Duration::zero())
    return fail(Errc::invalid_argument,
                fmt::format("--for '{}' is no length of time", sanitize_line(*arguments.life)),
                "write it as 12h or 7d; 30d is the most");
  return api.post("/v1/waivers", {{"rule", *arguments.rule},
                                  {"subject", arguments.subject.value_or("")},
                                  {"project", *arguments.project},
                                  {"reason", *arguments.reason},
                                  {"for_s", *life / std::chrono::seconds{1}}});
}

Result<int> waive(Context& context, const WaiveArguments& arguments) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  if (arguments.list) return list_waivers(context, *api, arguments);
  if (!arguments.revoke && !arguments.rule)
    return fail(Errc::invalid_argument, "which rule?", "see `slipway policy show`");
  SLIPWAY_TRY(const json::object answer,
              arguments.revoke ? api->remove("/v1/waivers/" + url_encode(*arguments.revoke))
                               : ask(*api, arguments));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  const std::string id = sanitize_line(text_at(answer, "id"));
  context.console.out(id + "\n");
  if (!context.common.quiet && text_at(answer, "state") == "requested")
    context.console.err(
        fmt::format("it counts once somebody else agrees: slipway approve {}\n", id));
  return 0;
}

}  // namespace

Action define_waive(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<WaiveArguments>();
  arguments.positional("RULE", own->rule, "the rule, as `slipway why` names it", ValueKind::text,
                       Presence::optional);
  arguments.option("--project", "NAME", own->project, "in this project", ValueKind::project);
  arguments.option("--subject", "TEXT", own->subject, "only this subject of the rule's rows");
  arguments.option("--reason", "TEXT", own->reason, "why; it is kept");
  arguments.option("--for", "TIME", own->life, "how long, 30d at the most (7d)");
  arguments.flag("--list", own->list, "show waivers instead");
  arguments.option("--revoke", "ID", own->revoke, "end a waiver instead");
  arguments.flag("--json", common.json, "print the waiver as JSON");
  return [own](Context& context) { return waive(context, *own); };
}

}  // namespace slipway::cli
