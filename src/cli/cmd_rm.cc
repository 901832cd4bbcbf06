// slipway rm: deployments go; `slipway undo` brings them back for a while.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

Result<int> rm(Context& context, const std::vector<std::string>& refs) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  // All are looked up first, so that a mistyped one removes none.
  std::vector<json::object> found;
  for (const std::string& ref : refs) {
    SLIPWAY_TRY(json::object deployment, api->get(deployment_target(ref)));
    found.push_back(std::move(deployment));
  }
  if (context.env.in_tty && !context.common.yes) {
    std::string question;
    for (const json::object& deployment : found)
      question += fmt::format("  {}  {}  {}\n", sanitize_line(text_at(deployment, "id")),
                              sanitize_line(text_at(deployment, "project")),
                              sanitize_line(text_at(deployment, "url")));
    if (!context.console.confirm(
            fmt::format("{}Remove {}?", question, count_of(found.size(), "deployment"))))
      return fail(Errc::canceled, "nothing was removed");
  }
  json::array removed, waiting;
  for (const json::object& deployment : found) {
    SLIPWAY_TRY(const json::object gone, api->remove(deployment_target(text_at(deployment, "id"))));
    if (const std::string reason = text_at(gone, "state_reason");
        text_at(gone, "state") != "deleted" && reason.starts_with("removal is waiting")) {
      waiting.push_back(gone);
      context.console.err(fmt::format("{}: {}; it goes once enough people agreed\n",
                                      sanitize_line(text_at(gone, "id")), sanitize_line(reason)));
      continue;
    }
    removed.push_back(gone);
    if (!context.common.json) context.console.out(sanitize_line(text_at(gone, "id")) + "\n");
  }
  if (context.common.json)
    context.console.out(printable_json(json::object{{"removed", removed}, {"waiting", waiting}}));
  if (!removed.empty() && !context.common.quiet && !context.common.json)
    context.console.err(
        context.console.err_style().dim("removed; for 48 hours it comes back with: slipway undo") +
        "\n");
  return waiting.empty() ? 0 : info(Errc::failed_precondition).exit_code;
}

}  // namespace

Action define_rm(Arguments& arguments, CommonOptions& common) {
  auto refs = std::make_shared<std::vector<std::string>>();
  arguments.positionals("ID", *refs, "ids, beginnings of them, URLs, projects, or alias--project",
                        ValueKind::deployment, Presence::required);
  arguments.flag("-y, --yes", common.yes, "do not ask");
  arguments.flag("--json", common.json, "print {\"removed\": [...]}");
  return [refs](Context& context) { return rm(context, *refs); };
}

}  // namespace slipway::cli
