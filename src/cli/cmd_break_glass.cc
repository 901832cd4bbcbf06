// slipway break-glass: in an emergency, two people let everything pass for an hour.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/decision_view.h"
#include "cli/server.h"
#include "cli/waiting_pages.h"

namespace slipway::cli {
namespace {

struct BreakGlassArguments {
  std::optional<std::string> project, reason, end;
  bool list = false;
};

Result<int> break_glass(Context& context, const BreakGlassArguments& arguments) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  if (arguments.list) {
    SLIPWAY_TRY(const WaitingThings things, read_waiting(*api, "/v1/break-glass", SIZE_MAX));
    const json::object& answer = things.lists;
    context.console.out(context.common.json
                            ? printable_json(answer)
                            : render_emergencies(array_at(answer, "emergencies"),
                                                 context.clock.now(), context.console.out_style()));
    return 0;
  }
  if (!arguments.end && (!arguments.project || !arguments.reason))
    return fail(Errc::invalid_argument, "an emergency needs a project and a reason",
                "slipway break-glass --project NAME --reason TEXT");
  SLIPWAY_TRY(const json::object answer,
              arguments.end ? api->remove("/v1/break-glass/" + url_encode(*arguments.end))
                            : api->post("/v1/break-glass", {{"project", *arguments.project},
                                                            {"reason", *arguments.reason}}));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  const std::string id = sanitize_line(text_at(answer, "id"));
  context.console.out(id + "\n");
  if (!context.common.quiet && text_at(answer, "state") == "requested")
    context.console.err(
        fmt::format("it takes a second person within the hour: slipway approve {}\n", id));
  return 0;
}

}  // namespace

Action define_break_glass(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<BreakGlassArguments>();
  arguments.option("--project", "NAME", own->project, "in this project", ValueKind::project);
  arguments.option("--reason", "TEXT", own->reason, "what is burning; it is kept");
  arguments.flag("--list", own->list, "show emergencies instead");
  arguments.option("--end", "ID", own->end, "end one before its hour instead");
  arguments.flag("--json", common.json, "print the emergency as JSON");
  return [own](Context& context) { return break_glass(context, *own); };
}

}  // namespace slipway::cli
