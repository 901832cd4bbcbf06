// slipway resume: deploys promote by themselves again.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/follow_rollout.h"
#include "cli/server.h"
#include "model/release.h"

namespace slipway::cli {
namespace {

struct ResumeArguments {
  std::optional<std::string> project, environment;
};

Result<int> resume(Context& context, const ResumeArguments& arguments) {
  const std::string environment =
      arguments.environment.value_or(std::string(production_environment));
  SLIPWAY_CHECK(check_place(*arguments.project, environment));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object state,
              api->post(environment_target(*arguments.project, environment, "/resume"), {}));
  if (context.common.json)
    context.console.out(printable_json(state));
  else if (!context.common.quiet)
    context.console.err(fmt::format("deploys promote {} to {} by themselves again\n",
                                    *arguments.project, environment));
  return 0;
}

}  // namespace

Action define_resume(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<ResumeArguments>();
  arguments.positional("PROJECT", own->project, "the project", ValueKind::project,
                       Presence::required);
  arguments.option("-E, --env", "NAME", own->environment, "the environment (production)");
  arguments.flag("--json", common.json, "print the environment's state as JSON");
  return [own](Context& context) { return resume(context, *own); };
}

}  // namespace slipway::cli
