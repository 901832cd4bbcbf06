// slipway gc: what nothing refers to any more is removed now.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"

namespace slipway::cli {

Action define_gc(Arguments& arguments, CommonOptions& common) {
  arguments.flag("--json", common.json, "print the answer as JSON");
  return [](Context& context) -> Result<int> {
    SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_running_server(context));
    SLIPWAY_TRY(const json::object answer, api->post("/v1/server/gc", {}));
    if (context.common.json) {
      context.console.out(printable_json(answer));
      return 0;
    }
    const json::value* freed = answer.if_contains("freed_bytes");
    context.console.out(fmt::format(
        "freed {}\n", format_bytes(freed == nullptr ? 0 : freed->to_number<std::uint64_t>())));
    return 0;
  };
}

}  // namespace slipway::cli
