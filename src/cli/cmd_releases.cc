// slipway releases: the history of an environment.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/follow_rollout.h"
#include "cli/release_view.h"
#include "cli/server.h"
#include "model/release.h"

namespace slipway::cli {
namespace {

struct ReleasesArguments {
  std::optional<std::string> project, environment, limit;
};

Result<int> releases(Context& context, const ReleasesArguments& arguments) {
  const std::string environment =
      arguments.environment.value_or(std::string(production_environment));
  SLIPWAY_CHECK(check_place(*arguments.project, environment));
  int limit = 20;
  if (arguments.limit) {
    SLIPWAY_TRY(limit, parse_count("--limit", *arguments.limit));
  }
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object history,
              api->get(environment_target(*arguments.project, environment,
                                          fmt::format("/releases?limit={}", limit))));
  if (context.common.json) {
    context.console.out(printable_json(history));
    return 0;
  }
  const std::string text =
      render_releases(history, context.clock.now(), context.console.out_style());
  context.console.out(text);
  if (text.empty() && !context.common.quiet)
    context.console.err(fmt::format(
        "{} has no release in {}; make one with: slipway promote ID{}\n", *arguments.project,
        environment, arguments.environment ? " --to " + environment : ""));
  return 0;
}

}  // namespace

Action define_releases(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<ReleasesArguments>();
  arguments.positional("PROJECT", own->project, "the project", ValueKind::project,
                       Presence::required);
  arguments.option("-E, --env", "NAME", own->environment, "the environment (production)");
  arguments.option("-n, --limit", "N", own->limit, "at most N (20)");
  arguments.flag("--json", common.json, "print {\"releases\": [...], \"state\": ...}");
  return [own](Context& context) { return releases(context, *own); };
}

}  // namespace slipway::cli
