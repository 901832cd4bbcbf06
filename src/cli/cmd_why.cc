// slipway why: what the policies said, on which facts, and what would change their mind.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/decision_view.h"
#include "cli/server.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

Result<int> list(Context& context, ApiClient& api) {
  SLIPWAY_TRY(const json::object answer, api.get("/v1/decisions?limit=20"));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  const Style style = context.console.out_style();
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(answer, "decisions")) {
    if (!value.is_object()) continue;
    const json::object& decision = value.get_object();
    const auto at = parse_rfc3339(text_at(decision, "time"));
    rows.push_back(
        {sanitize_line(text_at(decision, "id")), sanitize_line(text_at(decision, "verdict")),
         sanitize_line(text_at(decision, "point")), sanitize_line(text_at(decision, "project")),
         at ? format_age(*at, context.clock.now()) : "",
         sanitize_line(text_at(decision, "summary"))});
  }
  context.console.out(
      table({"DECISION", "VERDICT", "POINT", "PROJECT", "AGE", "SUMMARY"}, rows, style));
  return 0;
}

// What waits for people, with the decision that says so.
Result<int> approval(Context& context, ApiClient& api, const std::string& id) {
  SLIPWAY_TRY(json::object request, api.get("/v1/approvals/" + url_encode(id)));
  // The request outlives its decision, of which the newest alone are kept.
  const auto decision = api.get("/v1/decisions/" + url_encode(text_at(request, "decision")));
  if (!decision && decision.error().code != Errc::not_found) return fail(decision.error());
  if (context.common.json) {
    json::object out{{"approval", std::move(request)}, {"decision", nullptr}};
    if (decision) out["decision"] = *decision;
    context.console.out(printable_json(out));
    return 0;
  }
  const Style style = context.console.out_style();
  context.console.out(render_approval(request, style));
  if (decision) context.console.out("\n" + render_decision(*decision, style));
  return 0;
}

Result<int> why(Context& context, const std::optional<std::string>& id) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  if (!id) return list(context, *api);
  if (id->starts_with("apr_")) return approval(context, *api, *id);
  SLIPWAY_TRY(const json::object decision, api->get("/v1/decisions/" + url_encode(*id)));
  context.console.out(context.common.json ? printable_json(decision)
                                          : render_decision(decision, context.console.out_style()));
  return 0;
}

}  // namespace

Action define_why(Arguments& arguments, CommonOptions& common) {
  auto id = std::make_shared<std::optional<std::string>>();
  arguments.positional(
      "DECISION", *id,
      "dec_…, apr_… for what waits for people, or a deployment (its newest decision)",
      ValueKind::deployment, Presence::optional);
  arguments.flag("--json", common.json, "print the decision as JSON");
  return [id](Context& context) { return why(context, *id); };
}

}  // namespace slipway::cli
