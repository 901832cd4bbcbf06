// slipway agent: which agents there are, and the switch that ends one.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/all_pages.h"
#include "cli/server.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

Result<int> list(Context& context) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object answer, get_all(*api, "/v1/agents", "agents"));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(answer, "agents")) {
    if (!value.is_object()) continue;
    const json::object& agent = value.as_object();
    const std::string killed = text_at(agent, "killed_at"), used = text_at(agent, "last_used_at");
    rows.push_back(
        {sanitize_line(text_at(agent, "name")), sanitize_line(text_at(agent, "on_behalf_of")),
         std::to_string(number_at(agent, "tokens")), used.empty() ? "never" : sanitize_line(used),
         killed.empty() ? "" : "killed " + sanitize_line(killed)});
  }
  context.console.out(
      table({"AGENT", "FOR", "TOKENS", "USED", "STATE"}, rows, context.console.out_style()));
  return 0;
}

// An agent of another team than the server's is called "team/name".
std::string path_of(const std::string& name, std::string_view action) {
  const auto slash = name.find('/');
  if (slash == std::string::npos) return fmt::format("/v1/agents/{}/{}", url_encode(name), action);
  return fmt::format("/v1/agents/{}/{}?team={}", url_encode(name.substr(slash + 1)), action,
                     url_encode(name.substr(0, slash)));
}

// Its name is refused from now on, should it hold tokens that were made offline; but nothing ran
// that was ended, so whoever mistyped a name must not take this for done.
Result<int> never_seen(Context& context, const json::object& answer) {
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return info(Errc::not_found).exit_code;
  }
  const std::string name = sanitize_line(text_at(answer, "agent"));
  const std::string since = sanitize_line(text_at(answer, "refused_since"));
  std::vector<std::string> similar;
  for (const json::value& each : array_at(answer, "similar"))
    if (each.is_string()) similar.push_back("slipway agent kill " + std::string(each.as_string()));
  return fail(
      Errc::not_found,
      fmt::format("no agent {} has been seen, so nothing was ended; its name is blocked{}", name,
                  since.empty() ? "" : fmt::format(", since {}", since)),
      similar.empty()
          ? fmt::format("see `slipway agent ls`; `slipway agent revive {}` lifts the block", name)
          : fmt::format("did you mean: {}? (slipway agent revive {} lifts the block)",
                        sanitize_line(join(similar, ", or ")), name));
}

Result<int> kill(Context& context, const std::string& name) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  if (context.env.in_tty && !context.common.yes &&
      !context.console.confirm(fmt::format("End the tokens, unfinished deployments and previews of "
                                           "the agent {}?",
                                           sanitize_line(name))))
    return fail(Errc::canceled, "nothing was changed");
  SLIPWAY_TRY(const json::object answer, api->post(path_of(name, "kill"), {}));
  if (const json::value* seen = answer.if_contains("seen"); seen && *seen == json::value(false))
    return never_seen(context, answer);
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  for (const json::value& id : array_at(answer, "removed"))
    if (id.is_string()) context.console.out(sanitize_line(id.as_string()) + "\n");
  if (!context.common.quiet) {
    const std::size_t kept = array_at(answer, "kept_in_production").size();
    context.console.err(fmt::format(
        "{} is killed: its tokens are refused, {} removed (slipway undo ID brings one back){}\n",
        sanitize_line(text_at(answer, "agent")),
        count_of(array_at(answer, "removed").size(), "deployment"),
        kept > 0 ? fmt::format("; {} in production left up", count_of(kept, "deployment")) : ""));
  }
  if (const std::size_t waiting = array_at(answer, "waiting").size(); waiting > 0)
    context.console.err(fmt::format("the removal of {} waits for people: slipway approvals\n",
                                    count_of(waiting, "deployment")));
  const json::array& failed = array_at(answer, "failed");
  if (failed.empty())
    return array_at(answer, "waiting").empty() ? 0 : info(Errc::failed_precondition).exit_code;
  return fail(Errc::unavailable,
              fmt::format("{} of its deployments could not be removed", failed.size()),
              "run it again");
}

Result<int> agent(Context& context, const std::string& action,
                  const std::optional<std::string>& name) {
  if (action == "ls") return list(context);
  if (action != "kill" && action != "revive")
    return fail(Errc::invalid_argument,
                fmt::format("slipway agent does not know '{}'", sanitize_line(action)),
                "it knows: ls, kill, revive");
  if (!name) return fail(Errc::invalid_argument, "which agent?", "see `slipway agent ls`");
  if (action == "kill") return kill(context, *name);
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object answer, api->post(path_of(*name, "revive"), {}));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  const std::string agent = sanitize_line(text_at(answer, "agent"));
  context.console.out((agent.empty() ? sanitize_line(*name) : agent) + "\n");
  if (!context.common.quiet)
    context.console.err(fmt::format(
        "{0} may have tokens again: slipway token create --agent {0}; those that were seen in use "
        "before stay dead, and what was removed stays removed (slipway undo ID)\n",
        sanitize_line(*name)));
  return 0;
}

}  // namespace

Action define_agent(Arguments& arguments, CommonOptions& common) {
  auto action = std::make_shared<std::optional<std::string>>();
  auto name = std::make_shared<std::optional<std::string>>();
  arguments.positional("ACTION", *action, "ls, kill or revive", ValueKind::text,
                       Presence::required);
  arguments.positional("NAME", *name, "the agent", ValueKind::text, Presence::optional);
  arguments.flag("-y, --yes", common.yes, "do not ask");
  arguments.flag("--json", common.json, "print the answer as JSON");
  return [action, name](Context& context) { return agent(context, **action, *name); };
}

}  // namespace slipway::cli
