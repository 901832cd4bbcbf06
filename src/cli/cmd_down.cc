// slipway down: every app ends, then the server.
#include <fmt/format.h>
#include <poll.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration patience = 2min;

// Until nobody answers there any more.
Status wait_until_down(Context& context, ApiClient& api) {
  const Deadline deadline = Deadline::after(context.clock, patience);
  while (!deadline.passed(context.clock)) {
    const auto answer = api.get("/healthz");
    if (!answer && answer.error().code != Errc::rate_limited) return {};
    ::poll(nullptr, 0, 100);
  }
  return fail(Errc::deadline_exceeded,
              fmt::format("{} still answers after {}", api.server(), format_duration(patience)),
              "look into its log");
}

}  // namespace

Action define_down(Arguments& arguments, CommonOptions& common) {
  arguments.flag("-y, --yes", common.yes, "do not ask");
  arguments.flag("--json", common.json, "print the answer as JSON");
  return [](Context& context) -> Result<int> {
    SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_running_server(context));
    if (!context.common.yes &&
        !context.console.confirm(fmt::format(
            "end every app of {}, production too, and then the server?", api->server())))
      return fail(Errc::invalid_argument, "nothing was ended", "say so with -y");
    SLIPWAY_TRY(const json::object answer, api->post("/v1/server/down", {}));
    SLIPWAY_CHECK(wait_until_down(context, *api));
    if (context.common.json) {
      context.console.out(printable_json(answer));
    } else if (!context.common.quiet) {
      context.console.err(
          "every app is ended, and so is the server; `slipway serve` starts it, and "
          "production with it\n");
    }
    return 0;
  };
}

}  // namespace slipway::cli
