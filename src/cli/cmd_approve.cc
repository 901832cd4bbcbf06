// slipway approve: agree to what waits for people.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"

namespace slipway::cli {
namespace {

struct ApproveArguments {
  std::optional<std::string> id, reason;
};

Result<int> approve(Context& context, const ApproveArguments& arguments) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object answer,
              api->post(fmt::format("/v1/approvals/{}/approve", url_encode(*arguments.id)),
                        {{"reason", arguments.reason.value_or("")}}));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  context.console.out(fmt::format("{} is {}\n", sanitize_line(text_at(answer, "id")),
                                  sanitize_line(text_at(answer, "state"))));
  return 0;
}

}  // namespace

Action define_approve(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<ApproveArguments>();
  arguments.positional("ID", own->id, "apr_…, wvr_… or brk_…, as `slipway approvals` shows them",
                       ValueKind::text, Presence::required);
  arguments.option("--reason", "TEXT", own->reason, "why; it is kept");
  arguments.flag("--json", common.json, "print what was answered as JSON");
  return [own](Context& context) { return approve(context, *own); };
}

}  // namespace slipway::cli
