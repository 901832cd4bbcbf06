// slipway rollback: an earlier release serves again, code and configuration together.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/follow_rollout.h"
#include "cli/server.h"
#include "model/release.h"

namespace slipway::cli {
namespace {

struct RollbackArguments {
  std::optional<std::string> project, to, environment, restore, message;
  FollowOptions follow;
};

// A rollback during a canary takes back what the canary gave, and nothing else.
Result<int> end_canary(Context& context, ApiClient& api, json::object rollout) {
  SLIPWAY_TRY(const json::object ended,
              follow_with_progress(context, api, std::move(rollout), FollowUntil::ended));
  if (text_at(ended, "state") != "canceled") return report_rollout(context, ended);
  context.console.out(context.common.json ? printable_json(ended)
                                          : sanitize_line(text_at(ended, "url")) + "\n");
  const std::int64_t from = number_at(ended, "from");
  if (!context.common.quiet && !context.common.json)
    context.console.err(sanitize_line(fmt::format(
                            "the canary of release {} is ended ({}); {}", number_at(ended, "to"),
                            text_at(ended, "id"),
                            from == 0 ? "nothing serves"
                                      : fmt::format("release {} serves all. To go back further: "
                                                    "slipway rollback {}",
                                                    from, text_at(ended, "project")))) +
                        "\n");
  return 0;
}

Result<int> roll_back(Context& context, const RollbackArguments& arguments) {
  const std::string environment =
      arguments.environment.value_or(std::string(production_environment));
  SLIPWAY_CHECK(check_place(*arguments.project, environment));
  json::object body{{"message", arguments.message.value_or("")}};
  if (arguments.to) {
    SLIPWAY_TRY(const int to, parse_count("--to", *arguments.to));
    body["to"] = to;
  }
  if (arguments.restore) body["restore"] = *arguments.restore;
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(json::object rollout,
              api->post(environment_target(*arguments.project, environment, "/rollbacks"), body));
  if (text_at(rollout, "kind") != "rollback") return end_canary(context, *api, std::move(rollout));
  return conclude_rollout(context, *api, std::move(rollout), arguments.follow);
}

}  // namespace

Action define_rollback(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<RollbackArguments>();
  arguments.positional("PROJECT", own->project, "the project", ValueKind::project,
                       Presence::required);
  arguments.option("--to", "N", own->to,
                   "to this release; the newest before the current one that has served, unless "
                   "given");
  arguments.option("-E, --env", "NAME", own->environment, "the environment (production)");
  arguments.option("--restore", "SNAPSHOT", own->restore,
                   "take its volumes back to this snapshot, too; `slipway rollout` names it");
  arguments.option("-m, --message", "TEXT", own->message, "why; it is kept");
  own->follow.declare(arguments);
  arguments.flag("--json", common.json, "print the rollout as JSON");
  return [own](Context& context) { return roll_back(context, *own); };
}

}  // namespace slipway::cli
