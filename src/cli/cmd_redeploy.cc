// slipway redeploy: the same source again, as a deployment of its own.
#include <memory>

#include "base/text.h"
#include "cli/cancel.h"
#include "cli/follow.h"
#include "cli/server.h"

namespace slipway::cli {
namespace {

struct RedeployArguments {
  std::optional<std::string> id, message;
  bool no_wait = false;
};

Result<int> redeploy(Context& context, const RedeployArguments& arguments) {
  const Duration began = context.clock.monotonic();
  DeploymentCancel cancel(context);
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  json::object body;
  if (arguments.message) body["message"] = *arguments.message;
  cancel.creating();
  SLIPWAY_TRY(json::object created,
              api->post(deployment_target(*arguments.id) + "/redeploy", body));
  if (arguments.no_wait) {
    context.console.out(context.common.json ? printable_json(created)
                                            : sanitize_line(text_at(created, "url")) + "\n");
    return 0;
  }
  const std::string id = text_at(created, "id");
  cancel.created(*api, id);
  ProgressView progress(context.console, context.clock, progress_mode(context),
                        progress_log(context));
  Result<FollowedDeployment> followed = follow_deployment(context, *api, id, progress);
  progress.finish();
  if (cancel.requested()) return cancel.report(followed ? followed->deployment : created);
  if (!followed) return fail(std::move(followed).error());
  return report_deployment(context, *followed, context.clock.monotonic() - began);
}

}  // namespace

Action define_redeploy(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<RedeployArguments>();
  arguments.positional("ID", own->id, "id, beginning of one, URL, project, or alias--project",
                       ValueKind::deployment, Presence::required);
  arguments.option("-m, --message", "TEXT", own->message, "what this deployment is about");
  arguments.flag("--no-wait", own->no_wait, "print the URL at once, while it is being built");
  arguments.flag("--json", common.json, "print the deployment as JSON");
  return [own](Context& context) { return redeploy(context, *own); };
}

}  // namespace slipway::cli
