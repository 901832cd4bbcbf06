// What is asked of a request beside its token: the project and environment that it meets, and, for
// deployments, speed, repeated failures and counts.
#include "api/context.h"
#include "base/text.h"
#include "db/governance_store.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

// The same source with the same settings failing this often for one actor within this long is a
// loop, not an attempt.
constexpr std::size_t same_failures = 3;
constexpr Duration failure_window = 15min;

// What would make the same upload come out differently.
bool same_attempt(const DeployOptions& one, const DeployOptions& other) {
  DeployOptions left = one, right = other;
  for (DeployOptions* options : {&left, &right}) {
    options->message.clear();
    options->alias.clear();
    options->ttl.reset();
  }
  return left == right;
}

// Sub-agents under new names are the agent that made them.
bool same_asker(const Actor& one, const Actor& other) {
  const std::string top = top_agent(one);
  return top.empty() ? one.kind == other.kind && one.name == other.name : top == top_agent(other);
}

// Refuses what failed the same way again and again, with what was wrong with it.
Status check_repeated_failures(const ApiContext& context, const ApiCall& call,
                               std::string_view project, const Digest& source,
                               const DeployOptions& options) {
  SLIPWAY_TRY(
      const DeploymentPage failed,
      context.repository.list(
          {.project = std::string(project), .state = DeploymentState::failed, .limit = 20}));
  const Timestamp oldest = context.clock.now() - failure_window;
  const Deployment* last = nullptr;
  std::size_t count = 0;
  for (const Deployment& deployment : failed.deployments) {
    if (deployment.created_at < oldest || deployment.source != source ||
        !same_asker(deployment.actor, call.by.actor) || !same_attempt(deployment.options, options))
      continue;
    // The platform's own troubles are no fault of the source.
    if (!deployment.error || (deployment.error->code != Errc::build_failed &&
                              deployment.error->code != Errc::start_failed))
      continue;
    if (last == nullptr) last = &deployment;
    ++count;
  }
  if (count < same_failures) return {};
  Error error = *last->error;
  error.code = Errc::failed_precondition;
  error.cause = "repeated_failure";
  error.message =
      fmt::format("this exact source failed {} times within {}, and would again; last: {}", count,
                  format_duration(failure_window), last->error->message);
  error.next.push_back({"slipway inspect " + last->id.str(), "to see what failed"});
  error.next.push_back({"slipway deploy", "after a change of the source or the settings"});
  return fail(std::move(error));
}

std::string seconds(Duration wait) {
  return format_duration(std::chrono::ceil<std::chrono::seconds>(wait));
}

}  // namespace

Status authorize(const ApiContext& context, const ApiCall& call, std::string_view project,
                 std::string_view environment) {
  return authorize(context, call, call.permission, project, environment);
}

Status authorize(const ApiContext& context, const ApiCall& call, Permission permission,
                 std::string_view project, std::string_view environment) {
  if (project.empty()) {
    SLIPWAY_CHECK(permits(call.principal, permission));
    return reach_server(call.principal);
  }
  return call.projects == ApiCall::Projects::new_ones_too
             ? context.identity.authorize_new(call.principal, permission, project, environment)
             : context.identity.authorize(call.principal, permission, project, environment);
}

bool in_reach(const ApiContext& context, const ApiCall& call, std::string_view project) {
  return authorize(context, call, project, {}).has_value();
}

Result<Deployment> find_deployment(const ApiContext& context, const ApiCall& call,
                                   std::string_view reference) {
  return context.service.find(
      reference, [&](std::string_view project) { return in_reach(context, call, project); });
}

Result<Deployment> find_deployment(const ApiContext& context, const ApiCall& call) {
  SLIPWAY_TRY(Deployment deployment, find_deployment(context, call, call.path_value("ref")));
  SLIPWAY_CHECK(authorize(context, call, deployment.project, deployment.alias));
  return deployment;
}

Status admit_deployment(const ApiContext& context, ApiCall& call, std::string_view project,
                        const Digest& source, const DeployOptions& options) {
  SLIPWAY_CHECK(
      authorize(context, call, project, options.alias.empty() ? default_alias : options.alias));
  SLIPWAY_CHECK(check_names(project, options.alias.empty() ? default_alias : options.alias));
  if (!options.promote_to.empty()) {
    SLIPWAY_CHECK(check_environment_name(options.promote_to));
    SLIPWAY_CHECK(authorize(context, call, Permission::promote, project, options.promote_to));
  }
  SLIPWAY_CHECK(check_repeated_failures(context, call, project, source, options));
  if (const auto wait = context.speed.deploy(call.principal, project)) {
    call.retry_after = *wait;
    return fail(Errc::rate_limited,
                fmt::format("{} deploys {} faster than is allowed",
                            sanitize_line(call.by.actor.name), project),
                fmt::format("wait {}, and deploy once for several changes", seconds(*wait)));
  }
  SLIPWAY_CHECK(
      context.identity.claim_project(call.by, call.principal, Permission::deploy, project));
  return context.identity.take_deploy(call.principal);
}

void give_deployment_back(const ApiContext& context, const ApiCall& call) {
  context.identity.give_deploy_back(call.principal);
}

}  // namespace slipway
