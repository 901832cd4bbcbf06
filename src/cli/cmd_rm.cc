// slipway rm: deployments go; `slipway undo` brings them back for a while.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

struct RmArguments {
  std::vector<std::string> refs;
  bool newest = false, all = false;
};

// Everything of a project that is not removed yet.
Status add_all(ApiClient& api, const std::string& project, std::vector<json::object>& found) {
  const std::string query = "/v1/deployments?limit=1000&project=" + url_encode(project);
  for (std::string cursor;;) {
    SLIPWAY_TRY(const json::object page,
                api.get(cursor.empty() ? query : query + "&cursor=" + url_encode(cursor)));
    for (const json::value& row : array_at(page, "deployments"))
      if (row.is_object()) found.push_back(row.get_object());
    cursor = text_at(page, "next_cursor");
    if (cursor.empty()) return {};
  }
}

// All are looked up first, so that a mistyped one removes none.
Result<std::vector<json::object>> look_up(ApiClient& api, const RmArguments& arguments) {
  std::vector<json::object> found;
  for (const std::string& ref : arguments.refs) {
    SLIPWAY_TRY(json::object deployment, api.get(deployment_target(ref)));
    const bool project = ref == text_at(deployment, "project");
    if (project && !arguments.newest && !arguments.all)
      return fail(
          Error{.code = Errc::invalid_argument,
                .message = fmt::format("{} is a project: say which of its deployments go",
                                       sanitize_line(ref))}
              .with_next(fmt::format("slipway rm {} --newest", shell_quote(ref)),
                         fmt::format("for {} alone", sanitize_line(text_at(deployment, "id"))))
              .with_next(fmt::format("slipway rm {} --all", shell_quote(ref)), "for all of them"));
    if (project && arguments.all)
      SLIPWAY_CHECK(add_all(api, ref, found));
    else
      found.push_back(std::move(deployment));
  }
  return found;
}

Status ask(Context& context, const std::vector<json::object>& found) {
  if (context.common.yes) return {};
  std::string question;
  for (const json::object& deployment : found)
    question += fmt::format("  {}  {}  {}\n", sanitize_line(text_at(deployment, "id")),
                            sanitize_line(text_at(deployment, "project")),
                            sanitize_line(text_at(deployment, "url")));
  if (context.console.confirm(
          fmt::format("{}Remove {}?", question, count_of(found.size(), "deployment"))))
    return {};
  return fail(Errc::canceled, "nothing was removed");
}

Result<int> rm(Context& context, const RmArguments& arguments) {
  if (!context.env.in_tty && !context.common.yes)
    return fail(Errc::invalid_argument, "nothing is removed without a yes",
                "there is no terminal to ask at: add -y");
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const std::vector<json::object> found, look_up(*api, arguments));
  SLIPWAY_CHECK(ask(context, found));
  json::array removed, waiting;
  for (const json::object& deployment : found) {
    SLIPWAY_TRY(const json::object gone, api->remove(deployment_target(text_at(deployment, "id"))));
    if (text_at(gone, "state") != "deleted") {
      waiting.push_back(gone);
      context.console.err(fmt::format("{}: {}; it goes once enough people agreed\n",
                                      sanitize_line(text_at(gone, "id")),
                                      sanitize_line(text_at(gone, "state_reason"))));
      continue;
    }
    removed.push_back(gone);
    if (!context.common.json) context.console.out(sanitize_line(text_at(gone, "id")) + "\n");
  }
  const bool waits = !waiting.empty();
  if (!context.common.quiet && !context.common.json && !removed.empty())
    context.console.err(
        context.console.err_style().dim("removed; for 48 hours it comes back with: slipway undo") +
        "\n");
  if (context.common.json) {
    json::object out{{"removed", std::move(removed)}};
    if (waits) {
      // Of the first; each of them has its own.
      out["waits_for"] = "approval";
      out["approval"] = text_at(waiting.front().get_object(), "approval");
    }
    out["waiting"] = std::move(waiting);
    context.console.out(printable_json(out));
  }
  return waits ? info(Errc::failed_precondition).exit_code : 0;
}

}  // namespace

Action define_rm(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<RmArguments>();
  arguments.positionals("ID", own->refs,
                        "ids, beginnings of them, URLs, projects, or alias--project",
                        ValueKind::deployment, Presence::required);
  arguments.flag("--newest", own->newest, "of a project named: its newest deployment");
  arguments.flag("--all", own->all, "of a project named: all of its deployments");
  arguments.flag("-y, --yes", common.yes, "do not ask; needed where there is no terminal");
  arguments.flag("--json", common.json, "print {\"removed\": [...], \"waiting\": [...]}");
  return [own](Context& context) { return rm(context, *own); };
}

}  // namespace slipway::cli
