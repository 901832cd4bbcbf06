// slipway deploy: a folder becomes a live URL.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "cli/cancel.h"
#include "cli/decision_view.h"
#include "cli/follow.h"
#include "cli/follow_rollout.h"
#include "cli/narrowing.h"
#include "cli/origin.h"
#include "cli/plan_options.h"
#include "cli/server.h"
#include "cli/upload.h"
#include "cli/vars.h"
#include "cli/view.h"
#include "model/release.h"

namespace slipway::cli {
namespace {

struct DeployArguments {
  std::optional<std::string> path, project, team, alias, message, ttl;
  std::vector<std::string> env, build_env;
  bool prod = false, no_wait = false, dry_run = false, with_workers = false, with_schedules = false,
       no_repair = false;
  PlanOptions plan;
};

// Everything that can be said wrong is found before the server is asked.
struct DeployPlan {
  std::filesystem::path folder;
  std::string project, origin;
  json::object env, build_env, overrides;
  std::optional<Duration> ttl;
};

Result<std::filesystem::path> folder_of(Context& context, const std::optional<std::string>& path) {
  std::error_code error;
  const std::filesystem::path given = context.env.cwd / path.value_or(".");
  const std::filesystem::path folder = std::filesystem::canonical(given, error);
  if (error)
    return fail(Errc::invalid_argument, fmt::format("there is no folder {}", path.value_or(".")));
  if (!std::filesystem::is_directory(folder, error))
    return fail(Errc::invalid_argument, fmt::format("{} is a file", *path),
                fmt::format("deploy the folder it lies in: slipway deploy {}",
                            shell_quote(folder.parent_path().string())));
  return folder;
}

// A whole home or disk is hardly ever meant, and its contents are nobody's business.
Status guard_folder(Context& context, const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::path home = std::filesystem::weakly_canonical(context.env.home, error);
  const bool root = folder == folder.root_path();
  if (!root && (home.empty() || folder != home)) return {};
  const std::string_view what = root ? "the whole file system" : "your home folder";
  if (context.common.yes) return {};
  if (!context.env.in_tty)
    return fail(Errc::invalid_argument, fmt::format("{} is {}", folder.string(), what),
                "name the project's folder: slipway deploy DIR (or add -y if you mean it)");
  if (context.console.confirm(fmt::format("{} is {}. Upload all of it?", folder.string(), what)))
    return {};
  return fail(Errc::canceled, "nothing was deployed");
}

Result<std::string> name_of(std::string_view option, const std::string& text) {
  if (is_slug(text)) return text;
  return fail(Errc::invalid_argument,
              fmt::format("{} '{}' cannot be part of a host name", option, sanitize_line(text)),
              fmt::format("small letters, digits and single dashes, a letter first, 40 at most: "
                          "{} {}",
                          option, slug(text)));
}

json::object overrides_of(const DeployArguments& arguments) {
  json::object out;
  const PlanOptions& plan = arguments.plan;
  for (const auto& [key, value] : {std::pair("install", &plan.install),
                                   {"build", &plan.build},
                                   {"release", &plan.release},
                                   {"start", &plan.start},
                                   {"root", &plan.root},
                                   {"service", &plan.service},
                                   {"framework", &plan.framework},
                                   {"runtime", &plan.runtime},
                                   {"output", &plan.output},
                                   {"port", &plan.port},
                                   {"health", &plan.health}})
    if (*value) out[key] = **value;
  if (arguments.with_workers) out["with_workers"] = true;
  if (arguments.with_schedules) out["with_schedules"] = true;
  if (arguments.no_repair) out["no_repair"] = true;
  return out;
}

Result<DeployPlan> check(Context& context, const DeployArguments& arguments) {
  DeployPlan plan;
  SLIPWAY_TRY(plan.folder, folder_of(context, arguments.path));
  SLIPWAY_TRY(plan.env, parse_variables("-e", arguments.env, context.env));
  SLIPWAY_TRY(plan.build_env, parse_variables("-b", arguments.build_env, context.env));
  SLIPWAY_CHECK(arguments.plan.read());  // says what is wrong with them
  plan.overrides = overrides_of(arguments);
  plan.project = slug(plan.folder.filename().string());
  if (arguments.project) {
    SLIPWAY_TRY(plan.project, name_of("--project", *arguments.project));
  }
  if (arguments.alias) SLIPWAY_CHECK(name_of("--alias", *arguments.alias));
  if (arguments.ttl) {
    plan.ttl = parse_life(*arguments.ttl);
    if (!plan.ttl || *plan.ttl <= Duration::zero())
      return fail(Errc::invalid_argument,
                  fmt::format("--ttl '{}' is no length of time", sanitize_line(*arguments.ttl)),
                  "write it as 90s, 15m, 24h or 7d");
  }
  SLIPWAY_CHECK(guard_folder(context, plan.folder));
  SLIPWAY_TRY(plan.origin, origin_of(plan.folder, context.env.config_dir));
  return plan;
}

// A server has its teams; saying one that it has not must not go unnoticed.
Status check_team(ApiClient& api, const std::optional<std::string>& team) {
  if (!team) return {};
  SLIPWAY_TRY(const json::object me, api.get("/v1/whoami"));
  if (text_at(me, "team") == *team) return {};
  return fail(
      Errc::not_found,
      fmt::format("there is no team '{}' for you on {}", sanitize_line(*team), api.server()),
      fmt::format("you are in team '{}'", text_at(me, "team")));
}

json::object deployment_request(const DeployArguments& arguments, const DeployPlan& plan,
                                const Uploaded& uploaded) {
  const auto ms = [](Duration d) { return d / std::chrono::milliseconds{1}; };
  json::object body{
      {"project", plan.project},
      {"upload", uploaded.id},
      {"alias", arguments.alias.value_or("")},
      {"message", arguments.message.value_or("")},
      {"env", plan.env},
      {"build_env", plan.build_env},
      {"ttl_ms", nullptr},
      {"origin", plan.origin},
      {"accept_origin", arguments.project.has_value()},
      {"overrides", plan.overrides},
      {"timings_ms", json::object{{"hash", ms(uploaded.hash)}, {"upload", ms(uploaded.upload)}}},
      {"uploaded", json::object{{"files", uploaded.sent_files}, {"bytes", uploaded.sent_bytes}}}};
  if (plan.ttl) body["ttl_ms"] = ms(*plan.ttl);
  if (arguments.prod) body["promote_to"] = production_environment;
  return body;
}

Result<int> show_dry_run(Context& context, ApiClient& api, const DeployArguments& arguments,
                         const DeployPlan& plan, const Uploaded& uploaded) {
  SLIPWAY_TRY(const json::object answer,
              api.post("/v1/plan", {{"upload", uploaded.id},
                                    {"project", plan.project},
                                    {"alias", arguments.alias.value_or("")},
                                    {"overrides", plan.overrides}}));
  // As the deploy itself would end, as far as its decisions are known already.
  int code = 0;
  for (const json::value& decision : array_at(answer, "decisions"))
    if (decision.is_object()) code = std::max(code, exit_code_of(decision.get_object()));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return code;
  }
  SLIPWAY_TRY(const Plan detected, plan_from_json(json::value(object_at(answer, "plan"))));
  const Style style = context.console.out_style();
  std::string out = render_plan(detected, style);
  if (const std::string changed = render_changed(object_at(answer, "changed"), style);
      !changed.empty())
    out += fmt::format("\n{} {}\n", style.dim("changed"), changed);
  for (const json::value& decision : array_at(answer, "decisions"))
    if (decision.is_object()) out += "\n" + render_decision(decision.get_object(), style);
  context.console.out(out);
  if (!context.common.quiet)
    context.console.err(context.console.err_style().dim("nothing was deployed (--dry-run)") + "\n");
  return code;
}

// It is ready and promotes itself: what becomes of that is what becomes of the command.
Result<int> promote_deployed(Context& context, ApiClient& api, json::object deployment,
                             Duration took) {
  if (!context.common.quiet) print_deployment_summary(context, deployment, took);
  SLIPWAY_TRY(json::object rollout, promotion_of(api, deployment));
  SLIPWAY_TRY(rollout,
              follow_with_progress(context, api, std::move(rollout), FollowUntil::switched));
  if (!context.common.json) return report_rollout(context, rollout);
  const std::optional<Error> error = rollout_error(rollout);
  deployment["promotion"] = std::move(rollout);
  context.console.out(printable_json(deployment));
  if (!error) return 0;
  context.console.err(render_error(*error, context.console.err_style()));
  return info(error->code).exit_code;
}

// Variables that nobody set and that a file here has: the one command that gives them.
void tell_left_behind(Context& context, const Uploaded& uploaded, const json::object& deployment) {
  std::vector<std::string> names;
  std::string file;
  for (const json::value& finding : array_at(deployment, "findings")) {
    if (!finding.is_object() || text_at(finding.get_object(), "code") != "variable_unset") continue;
    const std::string message = text_at(finding.get_object(), "message");
    const std::string_view name = std::string_view(message).substr(0, message.find(' '));
    const auto at = std::ranges::find(uploaded.left_behind, name, &Uploaded::LeftBehind::name);
    if (at == uploaded.left_behind.end()) continue;
    if (file.empty()) file = at->file;
    names.emplace_back(name);
  }
  if (names.empty() || context.common.quiet) return;
  const Style style = context.console.err_style();
  context.console.err(fmt::format(
      "{} the code reads {}, which {} here: {}\n", style.yellow("note:"),
      sanitize_line(join(names, ", ")), sanitize_line(file) + " has",
      style.cyan(sanitize_line(fmt::format("slipway env import -s {} --project {}",
                                           shell_quote(file), text_at(deployment, "project"))))));
}

Result<int> deploy(Context& context, const DeployArguments& arguments) {
  const Duration began = context.clock.monotonic();
  SLIPWAY_TRY(const DeployPlan plan, check(context, arguments));
  std::optional<DeploymentCancel> cancel(context);
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_CHECK(check_team(*api, arguments.team));

  ProgressView progress(context.console, context.clock, progress_mode(context),
                        progress_log(context));
  SLIPWAY_TRY(const Uploaded uploaded,
              upload_folder(*api, {plan.folder, context.env.cache_dir, plan.project}, context.clock,
                            progress));
  if (arguments.dry_run) {
    progress.finish();
    return show_dry_run(context, *api, arguments, plan, uploaded);
  }

  cancel->creating();
  json::object wanted = deployment_request(arguments, plan, uploaded);
  Result<json::object> answer = api->post("/v1/deployments", wanted);
  if (!answer && answer.error().cause == "other_origin" && context.env.in_tty) {
    if (!context.console.confirm(sanitize_line(answer.error().message) +
                                 ". Deploy into it all the same?"))
      return fail(Errc::canceled, "nothing was deployed");
    wanted["accept_origin"] = true;
    answer = api->post("/v1/deployments", wanted);
  }
  SLIPWAY_TRY(const json::object created, std::move(answer));
  const std::string id = text_at(created, "id");
  if (arguments.no_wait) {
    progress.finish();
    context.console.out(context.common.json ? printable_json(created)
                                            : sanitize_line(text_at(created, "url")) + "\n");
    return 0;
  }
  cancel->created(*api, id);
  Result<FollowedDeployment> followed = follow_deployment(context, *api, id, progress);
  progress.finish();
  if (cancel->requested()) return cancel->report(followed ? followed->deployment : created);
  if (!followed) return fail(std::move(followed).error());
  cancel.reset();
  tell_left_behind(context, uploaded, followed->deployment);
  const Duration took = context.clock.monotonic() - began;
  if (!arguments.prod || deployment_error(followed->deployment))
    return report_deployment(context, *followed, took);
  return promote_deployed(context, *api, std::move(followed->deployment), took);
}

}  // namespace

Action define_deploy(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<DeployArguments>();
  arguments.positional("PATH", own->path, "the folder (the current one unless given)",
                       ValueKind::folder, Presence::optional);
  arguments.option("--project", "NAME", own->project, "project (the folder's name unless given)",
                   ValueKind::project);
  arguments.option("--team", "NAME", own->team, "team that the project belongs to");
  arguments.option("--alias", "NAME", own->alias,
                   "a name whose URL follows its newest deployment (preview)", ValueKind::alias);
  arguments.list("-e, --env", "K=V", own->env,
                 "variable for the running app; K alone takes the value from your environment");
  arguments.list("-b, --build-env", "K=V", own->build_env, "variable for install and build");
  arguments.option("--ttl", "TIME", own->ttl, "remove it after this long: 90m, 24h, 7d");
  arguments.option("-m, --message", "TEXT", own->message, "what this deployment is about");
  arguments.flag("--prod", own->prod,
                 "promote it to production when it is ready, and print production's URL");
  arguments.flag("--no-wait", own->no_wait, "print the URL at once, while it is being built");
  arguments.flag("--dry-run", own->dry_run, "show the plan and what changed; deploy nothing");
  own->plan.declare(arguments);
  arguments.flag(
      "--with-workers", own->with_workers,
      "run the workers of this preview, too; a folder of workers alone always runs them");
  arguments.flag("--with-schedules", own->with_schedules, "run what this preview schedules, too");
  arguments.flag("--no-repair", own->no_repair,
                 "let a build that fails for a known cause fail, instead of repairing it");
  arguments.flag("-y, --yes", common.yes, "ask nothing");
  arguments.flag("--json", common.json, "print the deployment as JSON");
  return [own](Context& context) { return deploy(context, *own); };
}

}  // namespace slipway::cli
