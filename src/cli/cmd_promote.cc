// slipway promote: what a preview runs becomes an environment's next release.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/follow_rollout.h"
#include "cli/release_view.h"
#include "cli/rollout_options.h"
#include "cli/server.h"
#include "model/release.h"

namespace slipway::cli {
namespace {

struct PromoteArguments {
  std::optional<std::string> id, to, from, message;
  RolloutOptions rollout;
  FollowOptions follow;
  bool dry_run = false;
};

Result<int> promote(Context& context, const PromoteArguments& arguments) {
  json::object body{{"message", arguments.message.value_or("")}, {"dry_run", arguments.dry_run}};
  SLIPWAY_CHECK(arguments.rollout.add_to(body));
  const std::string to = arguments.to.value_or(std::string(production_environment));
  std::string project = *arguments.id;
  SLIPWAY_CHECK(check_place("project", to));
  if (arguments.from) SLIPWAY_CHECK(check_place(project, *arguments.from));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  if (arguments.from) {
    body["from"] = *arguments.from;
  } else {
    SLIPWAY_TRY(const json::object deployment, api->get(deployment_target(*arguments.id)));
    project = text_at(deployment, "project");
    body["deployment"] = text_at(deployment, "id");
  }
  SLIPWAY_TRY(json::object answer, api->post(environment_target(project, to, "/promotions"), body));
  if (!arguments.dry_run)
    return conclude_rollout(context, *api, std::move(answer), arguments.follow);
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  context.console.out(render_promotion_preview(answer, context.console.out_style()));
  if (!context.common.quiet)
    context.console.err(context.console.err_style().dim("nothing was promoted (--dry-run)") + "\n");
  return 0;
}

}  // namespace

Action define_promote(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<PromoteArguments>();
  arguments.positional("ID", own->id,
                       "a deployment: id, beginning of one, URL, or project (its newest); with "
                       "--from, the project",
                       ValueKind::deployment, Presence::required);
  arguments.option("--to", "NAME", own->to, "the environment (production)");
  arguments.option("--from", "NAME", own->from,
                   "promote what serves in this environment, such as staging");
  own->rollout.declare(arguments);
  arguments.option("-m, --message", "TEXT", own->message, "why; shown by `slipway releases`");
  arguments.flag("--dry-run", own->dry_run,
                 "show the decision and what would change; promote nothing");
  own->follow.declare(arguments);
  arguments.flag("--json", common.json, "print the rollout as JSON");
  return [own](Context& context) { return promote(context, *own); };
}

}  // namespace slipway::cli
