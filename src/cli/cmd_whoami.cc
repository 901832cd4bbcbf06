// slipway whoami: which server, and as whom.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"

namespace slipway::cli {

Action define_whoami(Arguments& arguments, CommonOptions& common) {
  arguments.flag("--json", common.json, "print the answer as JSON");
  return [](Context& context) -> Result<int> {
    SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
    SLIPWAY_TRY(const json::object me, api->get("/v1/whoami"));
    if (context.common.json) {
      context.console.out(printable_json(me));
      return 0;
    }
    const Style style = context.console.out_style();
    const json::object& actor = object_at(me, "actor");
    const json::object& server = object_at(me, "server");
    std::string out;
    const auto add = [&](std::string_view label, std::string_view text) {
      if (!text.empty())
        out += fmt::format("{}{}\n", style.dim(pad(label, 9)), sanitize_line(text));
    };
    add("you", fmt::format("{} ({})", text_at(actor, "name"), text_at(actor, "kind")));
    add("for", text_at(actor, "on_behalf_of"));
    add("team", text_at(me, "team"));
    add("server", api->server());
    add("version", text_at(server, "version"));
    add("domain", text_at(server, "domain"));
    context.console.out(out);
    return 0;
  };
}

}  // namespace slipway::cli
