// slipway rollouts, slipway rollout: moves of an environment from one release to another.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/follow.h"
#include "cli/follow_rollout.h"
#include "cli/release_view.h"
#include "cli/server.h"
#include "model/release.h"

namespace slipway::cli {
namespace {

struct RolloutsArguments {
  std::optional<std::string> project, environment, limit;
};

Result<int> list(Context& context, const RolloutsArguments& arguments) {
  const std::string environment =
      arguments.environment.value_or(std::string(production_environment));
  SLIPWAY_CHECK(check_place(*arguments.project, environment));
  int limit = 20;
  if (arguments.limit) {
    SLIPWAY_TRY(limit, parse_count("--limit", *arguments.limit));
  }
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object answer,
              api->get(environment_target(*arguments.project, environment,
                                          fmt::format("/rollouts?limit={}", limit))));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  const std::string text = render_rollouts(array_at(answer, "rollouts"), context.clock.now(),
                                           context.console.out_style());
  context.console.out(text);
  if (text.empty() && !context.common.quiet)
    context.console.err(
        fmt::format("nothing was rolled out to {} of {}\n", environment, *arguments.project));
  return 0;
}

struct RolloutArguments {
  std::optional<std::string> id, reason;
  bool cancel = false, follow = false;
};

Result<int> show(Context& context, const RolloutArguments& arguments) {
  const std::string target = "/v1/rollouts/" + url_encode(*arguments.id);
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  json::object rollout;
  if (arguments.cancel) {
    SLIPWAY_TRY(rollout, api->remove(fmt::format("{}?reason={}", target,
                                                 url_encode(arguments.reason.value_or("")))));
  } else {
    SLIPWAY_TRY(rollout, api->get(target));
  }
  if (arguments.follow && !arguments.cancel)
    return conclude_rollout(context, *api, std::move(rollout), {.no_wait = false, .watch = true});
  context.console.out(context.common.json ? printable_json(rollout)
                                          : render_rollout(rollout, context.clock.now(),
                                                           context.console.out_style()));
  return 0;
}

}  // namespace

Action define_rollouts(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<RolloutsArguments>();
  arguments.positional("PROJECT", own->project, "the project", ValueKind::project,
                       Presence::required);
  arguments.option("-E, --env", "NAME", own->environment, "the environment (production)");
  arguments.option("-n, --limit", "N", own->limit, "at most N (20)");
  arguments.flag("--json", common.json, "print {\"rollouts\": [...]}");
  return [own](Context& context) { return list(context, *own); };
}

Action define_rollout(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<RolloutArguments>();
  arguments.positional("ID", own->id, "the rollout's id (rol_…)", ValueKind::text,
                       Presence::required);
  arguments.flag("-f, --follow", own->follow, "follow it to its end");
  arguments.flag("--cancel", own->cancel, "end it; the release before goes on, or comes back");
  arguments.option("--reason", "TEXT", own->reason, "cancel: why; it is kept");
  arguments.flag("--json", common.json, "print the rollout as JSON");
  return [own](Context& context) { return show(context, *own); };
}

}  // namespace slipway::cli
