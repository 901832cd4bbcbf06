// slipway promote: what a preview runs becomes an environment's next release.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/decision_view.h"
#include "cli/follow_rollout.h"
#include "cli/release_view.h"
#include "cli/rollout_options.h"
#include "cli/server.h"
#include "cli/view.h"
#include "model/deployment.h"
#include "model/release.h"

namespace slipway::cli {
namespace {

struct PromoteArguments {
  std::optional<std::string> id, to, from, alias, message;
  RolloutOptions rollout;
  FollowOptions follow;
  bool dry_run = false;
};

// The newest of the alias that is ready. Whatever else was deployed since, by whomever, is not
// meant by the project's name.
Result<json::object> newest_ready(ApiClient& api, const std::string& project,
                                  const std::string& alias) {
  const std::string query = fmt::format("/v1/deployments?limit=100&project={}&alias={}",
                                        url_encode(project), url_encode(alias));
  for (std::string cursor;;) {
    SLIPWAY_TRY(const json::object page,
                api.get(cursor.empty() ? query : query + "&cursor=" + url_encode(cursor)));
    for (const json::value& row : array_at(page, "deployments"))
      if (row.is_object())
        if (const auto state = parse_deployment_state(text_at(row.get_object(), "state"));
            state && is_live(*state))
          return row.get_object();
    cursor = text_at(page, "next_cursor");
    if (cursor.empty()) break;
  }
  return fail(Error{.code = Errc::failed_precondition,
                    .message = fmt::format("no deployment of {} with the alias {} is ready",
                                           sanitize_line(project), sanitize_line(alias)),
                    .hint = "name the one that you mean by its id, or its alias by --alias"}
                  .with_next(fmt::format("slipway ls --project {}", shell_quote(project)),
                             "for what there is"));
}

// "dpl_… (preview, by ann, 3m ago, 'new checkout')": said before it is done.
std::string described(const json::object& deployment, Timestamp now) {
  std::string out = fmt::format("{} ({}, by {}", sanitize_line(text_at(deployment, "id")),
                                sanitize_line(text_at(deployment, "alias")),
                                sanitize_line(text_at(object_at(deployment, "actor"), "name")));
  if (const auto made = parse_rfc3339(text_at(deployment, "created_at")))
    out += fmt::format(", {} ago", format_age(*made, now));
  if (const std::string message = text_at(deployment, "message"); !message.empty())
    out += fmt::format(", '{}'", sanitize_line(message));
  return out + ")";
}

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
    SLIPWAY_TRY(json::object deployment, api->get(deployment_target(*arguments.id)));
    project = text_at(deployment, "project");
    if (*arguments.id == project) {
      SLIPWAY_TRY(deployment, newest_ready(*api, project, arguments.alias.value_or("preview")));
    } else if (arguments.alias) {
      return fail(Errc::invalid_argument, "--alias goes with a project's name",
                  "slipway promote PROJECT --alias NAME");
    }
    if (!context.common.quiet && !arguments.dry_run)
      context.console.err(
          fmt::format("promoting {}\n", described(deployment, context.clock.now())));
    body["deployment"] = text_at(deployment, "id");
  }
  SLIPWAY_TRY(json::object answer, api->post(environment_target(project, to, "/promotions"), body));
  if (!arguments.dry_run)
    return conclude_rollout(context, *api, std::move(answer), arguments.follow);
  // As the promotion itself would end.
  const int code = exit_code_of(object_at(answer, "decision"));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return code;
  }
  context.console.out(render_promotion_preview(answer, context.console.out_style()));
  if (!context.common.quiet)
    context.console.err(context.console.err_style().dim("nothing was promoted (--dry-run)") + "\n");
  return code;
}

}  // namespace

Action define_promote(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<PromoteArguments>();
  arguments.positional("ID", own->id,
                       "a deployment: id, beginning of one, URL, alias--project, or project (its "
                       "newest preview that is ready); with --from, the project",
                       ValueKind::deployment, Presence::required);
  arguments.option("--to", "NAME", own->to, "the environment (production)");
  arguments.option("--from", "NAME", own->from,
                   "promote what serves in this environment, such as staging");
  arguments.option("--alias", "NAME", own->alias,
                   "with a project: its newest deployment of this alias (preview)",
                   ValueKind::alias);
  own->rollout.declare(arguments);
  arguments.option("-m, --message", "TEXT", own->message, "why; shown by `slipway releases`");
  arguments.flag("--dry-run", own->dry_run,
                 "show the decision and what would change; promote nothing");
  own->follow.declare(arguments);
  arguments.flag("--json", common.json, "print the rollout as JSON");
  return [own](Context& context) { return promote(context, *own); };
}

}  // namespace slipway::cli
