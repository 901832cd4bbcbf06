// slipway approve, slipway reject: answer what waits for people.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"

namespace slipway::cli {
namespace {

struct VoteArguments {
  std::optional<std::string> id, reason;
};

Result<int> vote(Context& context, const VoteArguments& arguments, std::string_view choice) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object answer,
              api->post(fmt::format("/v1/approvals/{}/{}", url_encode(*arguments.id), choice),
                        {{"reason", arguments.reason.value_or("")}}));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  const std::string state = sanitize_line(text_at(answer, "state"));
  // The vote is kept, but what it was for has come to its end otherwise.
  if (choice == "approve" && (state == "withdrawn" || state == "expired" || state == "rejected"))
    return fail(Errc::failed_precondition,
                fmt::format("{} is {}: {}", sanitize_line(text_at(answer, "id")), state,
                            sanitize_line(text_at(answer, "closed_reason"))),
                "nothing went on; it has to be asked for again");
  context.console.out(fmt::format("{} is {}\n", sanitize_line(text_at(answer, "id")), state));
  return 0;
}

// `choice` is the route's last word: "approve" or "reject".
Action define_vote(Arguments& arguments, CommonOptions& common, std::string_view choice) {
  auto own = std::make_shared<VoteArguments>();
  arguments.positional("ID", own->id, "apr_…, wvr_… or brk_…, as `slipway approvals` shows them",
                       ValueKind::text, Presence::required);
  arguments.option("--reason", "TEXT", own->reason, "why; it is kept");
  arguments.flag("--json", common.json, "print what was answered as JSON");
  return [own, choice](Context& context) { return vote(context, *own, choice); };
}

}  // namespace

Action define_approve(Arguments& arguments, CommonOptions& common) {
  return define_vote(arguments, common, "approve");
}
Action define_reject(Arguments& arguments, CommonOptions& common) {
  return define_vote(arguments, common, "reject");
}

}  // namespace slipway::cli
