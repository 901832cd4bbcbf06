// slipway undo: a removed deployment comes back.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"

namespace slipway::cli {

Action define_undo(Arguments& arguments, CommonOptions& common) {
  auto id = std::make_shared<std::optional<std::string>>();
  arguments.positional("ID", *id, "the deployment (the one removed last unless given)",
                       ValueKind::deployment, Presence::optional);
  arguments.flag("--json", common.json, "print the deployment as JSON");
  return [id](Context& context) -> Result<int> {
    SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
    json::object body{{"deployment", nullptr}};
    if (*id) body["deployment"] = **id;
    SLIPWAY_TRY(const json::object deployment, api->post("/v1/undo", body));
    if (context.common.json) {
      context.console.out(printable_json(deployment));
      return 0;
    }
    if (!context.common.quiet)
      context.console.err(fmt::format("{} is back\n", sanitize_line(text_at(deployment, "id"))));
    context.console.out(sanitize_line(text_at(deployment, "url")) + "\n");
    return 0;
  };
}

}  // namespace slipway::cli
