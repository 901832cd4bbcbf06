// Where environments stand, and the instances of what serves there.
#include <algorithm>
#include <map>

#include "api/environment_work.h"
#include "api/release_answers.h"
#include "api/routes.h"
#include "base/text.h"
#include "json/reader.h"
#include "json/release_json.h"
#include "model/environment_class.h"

namespace slipway::handlers {
namespace {

constexpr std::int64_t most_instances = 100;

// The newest configuration of an environment, without its values.
void add_configuration(json::object& out, const Configuration& configuration) {
  out["version"] = configuration.version;
  out["variables"] = configuration.vars.size();
  out["created_at"] = configuration.version == 0
                          ? json::value(nullptr)
                          : json::value(to_rfc3339(configuration.created_at));
  out["actor"] = to_json(configuration.actor);
  out["note"] = configuration.note;
}

Result<json::object> answer(const ApiContext& context, const std::string& project,
                            const std::string& environment) {
  SLIPWAY_TRY(const Releases::EnvironmentView view,
              environment_view(context, project, environment));
  SLIPWAY_TRY(const Configuration configuration, context.environments.show(project, environment));
  json::object out = environment_answer(context, view);
  add_configuration(out, configuration);
  return out;
}

// What serves where the path says.
struct Serving {
  Release release;
  Deployment deployment;
  RolloutId active;  // what changes it, if anything does
};
Result<Serving> serving(const ApiContext& context, const ApiCall& call) {
  const std::string& project = call.path_value("project");
  const std::string& environment = call.path_value("environment");
  SLIPWAY_CHECK(authorize(context, call, project, environment));
  SLIPWAY_CHECK(check_environment_name(environment));
  SLIPWAY_TRY(const EnvironmentState state,
              context.release_store.environment(project, environment));
  if (state.current == 0)
    return fail(
        Error{.code = Errc::failed_precondition,
              .message = fmt::format("nothing serves in {} of {}", environment, project),
              .hint = "promote a deployment there first"}
            .with_next(
                fmt::format("slipway promote {}{}", project,
                            environment == production_environment ? "" : " --to " + environment),
                "for its newest deployment"));
  Serving out;
  SLIPWAY_TRY(out.release, context.release_store.release(project, environment, state.current));
  SLIPWAY_TRY(out.deployment, context.repository.get(out.release.deployment));
  out.active = state.active;
  return out;
}

std::unexpected<Error> is_moving(const Serving& now, const RolloutId& rollout) {
  return fail(Errc::conflict,
              fmt::format("{} of {} {}", now.release.environment, now.release.project,
                          rollout.empty() ? std::string("has just been changed")
                                          : "is being changed by " + rollout.str()),
              "try again when it is over");
}

// Those whose instances a change of their number is about: what serves, and a canary beside it.
Result<std::vector<std::pair<Release, Deployment>>> to_scale(const ApiContext& context,
                                                             const Serving& now) {
  std::vector<std::pair<Release, Deployment>> out{{now.release, now.deployment}};
  if (now.active.empty()) return out;
  SLIPWAY_TRY(const Rollout rollout, context.release_store.rollout(now.active));
  // What starts now has asked already how many there are to be.
  if (rollout.state == RolloutState::running) return is_moving(now, rollout.id);
  if (rollout.state != RolloutState::canary) return out;
  SLIPWAY_TRY(Release release,
              context.release_store.release(rollout.project, rollout.environment, rollout.to));
  SLIPWAY_TRY(Deployment deployment, context.repository.get(release.deployment));
  out.emplace_back(std::move(release), std::move(deployment));
  return out;
}

AuditEvent event_of(const ApiCall& call, std::string_view event, const Release& release) {
  return {.event = std::string(event),
          .action = std::string(to_string(call.permission)),
          .by = call.by,
          .resource =
              fmt::format("release/{}/{}/{}", release.project, release.environment, release.number),
          .project = release.project,
          .environment = release.environment,
          .artifact = release.artifact.str()};
}

// What the policies say to a change of how an environment runs; `change` tells two of them apart.
Result<AuditContext> allow_setting(const ApiContext& context, const ApiCall& call,
                                   const std::string& project, const std::string& environment,
                                   std::string_view name, const std::string& change) {
  return context.governance.require(
      {.point = DecisionPoint::config,
       .by = call.by,
       .project = project,
       .environment = std::string(environment_class(environment)),
       .resource = fmt::format("environment/{}/{}", project, environment),
       .action = "configure",
       .about = {{"change", change}},
       .more =
           [&](Facts& facts) {
             facts.add("config_change", {{"kind", "setting"},
                                         {"name", name},
                                         {"subject", fmt::format("setting:{}", name)},
                                         {"change", "modified"},
                                         {"live", environment == production_environment ? 1 : 0},
                                         {"undo_for", 365 * 24 * 3600},
                                         {"used_by", "none"},
                                         {"loads_code", 0}});
           }},
      ChangeDigest(call.by.actor, name).add("place", environment).add("to", change));
}

// Instances take their time; the answer says that it has begun.
Result<ApiResponse> begin(const ApiContext& context, const Release& release, std::string_view what,
                          const std::function<Status()>& first,
                          std::function<Status(std::stop_token)> task) {
  SLIPWAY_TRY(
      [[maybe_unused]] const EnvironmentWork::Item item,
      context.work.start(release.project, release.environment, what, first, std::move(task)));
  SLIPWAY_TRY(const json::object now, answer(context, release.project, release.environment));
  return json_response(202, now);
}

}  // namespace

Result<ApiResponse> list_environments(const ApiContext& context, ApiCall& call) {
  const std::string& project = call.path_value("project");
  SLIPWAY_CHECK(authorize(context, call, project, {}));
  SLIPWAY_TRY(const std::vector<Configuration> configurations, context.environments.list(project));
  SLIPWAY_TRY(const std::vector<Releases::EnvironmentView> views,
              context.releases.environments(project));
  std::map<std::string, json::object> out;
  for (const Releases::EnvironmentView& view : views) {
    json::object& each = out[view.state.environment];
    each = environment_answer(context, view);
    add_configuration(each, Configuration{});
  }
  for (const Configuration& configuration : configurations) {
    json::object& each = out[configuration.environment];
    if (each.empty()) {
      SLIPWAY_TRY(const Releases::EnvironmentView view,
                  environment_view(context, project, configuration.environment));
      each = environment_answer(context, view);
    }
    add_configuration(each, configuration);
  }
  json::array seen;
  for (auto& [name, each] : out)
    if (authorize(context, call, project, name)) seen.push_back(std::move(each));
  return json_response(200, json::object{{"environments", std::move(seen)}});
}

Result<ApiResponse> show_environment(const ApiContext& context, ApiCall& call) {
  const std::string& project = call.path_value("project");
  const std::string& environment = call.path_value("environment");
  SLIPWAY_CHECK(authorize(context, call, project, environment));
  SLIPWAY_CHECK(check_environment_name(environment));
  SLIPWAY_TRY(const json::object now, answer(context, project, environment));
  return json_response(200, now);
}

Result<ApiResponse> restart_environment(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Serving now, serving(context, call));
  return begin(
      context, now.release, "restart",
      [&] {
        return context.audit.store().record(event_of(call, "release.restarted", now.release));
      },
      [&context, now](std::stop_token stop) {
        return context.crews.replace(now.release, now.deployment, std::move(stop));
      });
}

Result<ApiResponse> scale_environment(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::int64_t instances = 0;
  bool force = false;
  JsonReader reader(body);
  reader.require("instances").read("instances", instances).read("force", force);
  if (instances < 1 || instances > most_instances)
    reader.wrong("instances", fmt::format("a number from 1 to {}", most_instances));
  SLIPWAY_TRY(const Serving now, serving(context, call));
  SLIPWAY_CHECK(reader.status());
  if (!has_instances(now.deployment))
    return fail(Errc::failed_precondition,
                fmt::format("{} has no instances: its files are served as they are",
                            now.deployment.id.str()),
                "static sites need no scaling");
  const auto wanted = static_cast<std::uint32_t>(instances);
  if (!force) SLIPWAY_CHECK(context.crews.check_fits(now.deployment, wanted));
  SLIPWAY_TRY(const auto scaled, to_scale(context, now));
  // What people agreed to is used up by what is done alone: asked once nothing is in the way.
  const auto write = [&]() -> Status {
    SLIPWAY_TRY(
        const AuditContext by,
        allow_setting(context, call, now.release.project, now.release.environment, "instances",
                      fmt::format("run {} instances of each web service", wanted)));
    SLIPWAY_TRY(
        [[maybe_unused]] const EnvironmentState state,
        context.release_store.update_environment(by, now.release.project, now.release.environment,
                                                 [&](EnvironmentState& change) -> Status {
                                                   if (change.active != now.active)
                                                     return is_moving(now, change.active);
                                                   change.instances = wanted;
                                                   return {};
                                                 }));
    return {};
  };
  return begin(context, now.release, "scale", write,
               [&context, scaled, wanted](const std::stop_token& stop) -> Status {
                 Status all;
                 for (const auto& [release, deployment] : scaled)
                   if (Status one = context.crews.scale(release, deployment, wanted, stop); !one)
                     all = std::move(one);
                 return all;
               });
}

// Whoever stopped it by a rollback wanted people to look first.
Result<ApiResponse> resume_environment(const ApiContext& context, ApiCall& call) {
  const std::string& project = call.path_value("project");
  const std::string& environment = call.path_value("environment");
  SLIPWAY_CHECK(authorize(context, call, project, environment));
  SLIPWAY_CHECK(check_environment_name(environment));
  if (environment == preview_environment)
    return fail(Errc::invalid_argument, "previews have no releases",
                "name production, staging, or an environment of your own");
  SLIPWAY_TRY(const EnvironmentState now, context.release_store.environment(project, environment));
  AuditContext by = call.by;
  if (!now.paused.empty() || now.frozen_until) {
    const std::string held =
        now.paused.empty() ? "no automatic rollback, since there were too many" : now.paused;
    SLIPWAY_TRY(by, allow_setting(context, call, project, environment, "resume",
                                  "let it go on by itself again: " + held));
  }
  SLIPWAY_TRY(const EnvironmentState state, context.releases.resume(by, project, environment));
  return json_response(200, to_json(state));
}

}  // namespace slipway::handlers
