// slipway whoami: which server, and as whom.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"

namespace slipway::cli {

namespace {

// "tok_…: projects shop, actions deploy,read, until 2026-01-01T00:00:00.000Z"
std::string narrowing_of(const json::object& one) {
  std::string out = text_at(one, "id");
  const auto list = [&](std::string_view key) {
    std::vector<std::string> names;
    for (const json::value& name : array_at(one, key))
      if (name.is_string()) names.emplace_back(name.as_string());
    if (!names.empty()) out += fmt::format("; {} {}", key, join(names, ","));
  };
  list("projects");
  list("environments");
  list("actions");
  if (const std::string agent = text_at(one, "agent"); !agent.empty()) out += "; agent " + agent;
  if (const std::string until = text_at(one, "expires_at"); !until.empty())
    out += "; until " + until;
  return out;
}

}  // namespace

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
    add("role", text_at(me, "role"));
    std::vector<std::string> may;
    for (const json::value& name : array_at(me, "permissions"))
      if (name.is_string()) may.emplace_back(name.as_string());
    add("may", join(may, ", "));
    add("token", text_at(me, "token"));
    for (const json::value& one : array_at(me, "narrowed"))
      if (one.is_object()) add("", narrowing_of(one.as_object()));
    if (const json::value* left = me.if_contains("deploys_left");
        left != nullptr && left->is_int64())
      add("deploys", fmt::format("{} left", left->as_int64()));
    add("server", api->server());
    add("version", text_at(server, "version"));
    add("domain", text_at(server, "domain"));
    context.console.out(out);
    return 0;
  };
}

}  // namespace slipway::cli
