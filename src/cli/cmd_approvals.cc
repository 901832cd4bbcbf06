// slipway approvals: what waits for people.
#include <fmt/format.h>

#include <memory>

#include "cli/decision_view.h"
#include "cli/server.h"
#include "cli/waiting_pages.h"

namespace slipway::cli {
namespace {

constexpr int default_limit = 100;

struct ApprovalsArguments {
  std::optional<std::string> project, limit;
  bool all = false;
};

Result<int> approvals(Context& context, const ApprovalsArguments& arguments) {
  int limit = default_limit;
  if (arguments.limit) {
    SLIPWAY_TRY(limit, parse_count("--limit", *arguments.limit));
  }
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  std::string target = fmt::format("/v1/approvals?state={}", arguments.all ? "all" : "open");
  if (arguments.project) target += "&project=" + url_encode(*arguments.project);
  SLIPWAY_TRY(const WaitingThings things,
              read_waiting(*api, target, static_cast<std::size_t>(limit)));
  const json::object& answer = things.lists;
  if (things.more && !context.common.quiet)
    context.console.err(fmt::format("there are more: slipway approvals --limit {}\n", 2 * limit));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  const Style style = context.console.out_style();
  const Timestamp now = context.clock.now();
  std::string out;
  for (const std::string& block :
       {render_approvals(array_at(answer, "approvals"), now, style),
        render_refused(array_at(answer, "refused"), style),
        render_waivers(array_at(answer, "waivers"), now, style),
        render_emergencies(array_at(answer, "emergencies"), now, style)}) {
    if (block.empty()) continue;
    out += (out.empty() ? "" : "\n") + block;
  }
  if (out.empty() && !context.common.quiet) context.console.err("nothing waits for anybody\n");
  context.console.out(out);
  return 0;
}

}  // namespace

Action define_approvals(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<ApprovalsArguments>();
  arguments.option("--project", "NAME", own->project, "of this project only", ValueKind::project);
  arguments.flag("-a, --all", own->all, "closed ones too");
  arguments.option("-n, --limit", "N", own->limit, fmt::format("at most N ({})", default_limit));
  arguments.flag("--json", common.json,
                 "print {\"approvals\": [...], \"refused\": [...], \"waivers\": [...], "
                 "\"emergencies\": [...]}");
  return [own](Context& context) { return approvals(context, *own); };
}

}  // namespace slipway::cli
