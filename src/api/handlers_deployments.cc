#include <charconv>
#include <functional>
#include <map>

#include "api/pages.h"
#include "api/release_answers.h"
#include "api/routes.h"
#include "api/sight.h"
#include "base/text.h"
#include "json/reader.h"

namespace slipway::handlers {
namespace {

Result<std::int64_t> query_number(const ApiRequest& request, std::string_view name,
                                  std::int64_t otherwise, std::int64_t most) {
  const auto text = request.query_value(name);
  if (!text) return otherwise;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || end != text->data() + text->size() || number < 0 || number > most)
    return fail(Errc::invalid_argument, fmt::format("{} must be a number up to {}", name, most));
  return number;
}

// What serves an environment now, whatever became of its preview.
Result<ApiResponse> list_serving(const ApiContext& context, const ApiCall& call) {
  SLIPWAY_TRY(const std::vector<EnvironmentState> states,
              context.release_store.environments(call.request.query_value("project").value_or("")));
  std::map<std::string, Deployment> found;
  for (const EnvironmentState& state : states) {
    if (state.current == 0 || !in_reach(context, call, state.project)) continue;
    SLIPWAY_TRY(const Release release,
                context.release_store.release(state.project, state.environment, state.current));
    auto deployment = context.repository.get(release.deployment);
    if (!deployment || !authorize(context, call, deployment->project, deployment->alias)) continue;
    const std::string id = deployment->id.str();
    found.try_emplace(id, *std::move(deployment));
  }
  std::vector<Deployment> all;
  for (auto& [id, deployment] : found) all.push_back(std::move(deployment));
  ServingPlaces serving(context);
  return paged(
      call, "deployments", std::move(all), [](const Deployment& each) { return each.id.str(); },
      [&](const Deployment& each) {
        json::object out = deployment_json(context, each);
        out["serves"] = serving.of(each);
        return out;
      });
}

// What was removed last of all that the caller may bring back.
Result<Deployment> last_of_callers(const ApiContext& context, const ApiCall& call) {
  constexpr std::size_t looked_at = 1000;
  SLIPWAY_TRY(std::vector<Deployment> removed, context.repository.last_deleted({}, looked_at));
  for (Deployment& each : removed)
    if (authorize(context, call, each.project, each.alias)) return std::move(each);
  return fail(Errc::not_found, "nothing that you may bring back was removed lately",
              "see: slipway ls --state deleted");
}

// Undoing what was done last must not bring back what a kill took away. By its id it comes back.
Status not_of_the_killed(const ApiContext& context, const Deployment& last) {
  for (const IdentityStore::Agent& agent : context.identity.agents()) {
    if (!agent.killed_at || !last.deleted_at || *last.deleted_at < *agent.killed_at) continue;
    const std::vector<std::string>& chain = last.actor.chain;
    if (std::ranges::find(chain, "agent:" + agent.name) == chain.end()) continue;
    return fail(
        Error{
            .code = Errc::failed_precondition,
            .message = fmt::format("what was removed last, {}, is of the agent {}, who was killed",
                                   last.id.str(), agent.name),
            .hint = "nothing was brought back; say which one you mean",
            .cause = "agent_killed"}
            .with_next("slipway undo " + last.id.str(), "to bring this one back all the same")
            .with_next("slipway ls --state deleted", "for the others"));
  }
  return {};
}

}  // namespace

Result<ApiResponse> list_deployments(const ApiContext& context, ApiCall& call) {
  const ApiRequest& request = call.request;
  if (request.query_value("serves") == "true") return list_serving(context, call);
  DeploymentFilter filter;
  filter.project = request.query_value("project").value_or("");
  filter.alias = request.query_value("alias").value_or("");
  if (const auto state = request.query_value("state"); state == "all") {
    filter.deleted = DeploymentFilter::Deleted::included;
  } else if (state) {
    filter.state = parse_deployment_state(*state);
    if (!filter.state)
      return fail(Errc::invalid_argument,
                  fmt::format("no state is called '{}'", sanitize_line(*state)));
  }
  SLIPWAY_TRY(const std::int64_t limit, query_number(request, "limit", 50, 1000));
  filter.limit = static_cast<std::size_t>(std::max<std::int64_t>(limit, 1));
  SLIPWAY_TRY(filter.before, query_number(request, "cursor", 0, INT64_MAX));
  SLIPWAY_TRY(const Sight sight, Sight::of(context, call));
  filter.visible = [&](std::string_view project, std::string_view alias) {
    return sight.sees(project, alias);
  };
  SLIPWAY_TRY(const DeploymentPage page, context.service.list(filter));
  json::array deployments;
  ServingPlaces serving(context);
  for (const Deployment& deployment : page.deployments) {
    json::object out = deployment_json(context, deployment);
    out["serves"] = serving.of(deployment);
    deployments.push_back(std::move(out));
  }
  return json_response(
      200, json::object{{"deployments", std::move(deployments)},
                        {"next_cursor", page.next > 0 ? json::value(std::to_string(page.next))
                                                      : json::value(nullptr)}});
}

Result<ApiResponse> get_deployment(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Deployment deployment, find_deployment(context, call));
  json::object out = deployment_json(context, deployment);
  out["serves"] = ServingPlaces(context).of(deployment);
  return json_response(200, out);
}

Result<ApiResponse> redeploy(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string message;
  JsonReader reader(body);
  reader.read("message", message);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_TRY(Deployment deployment, find_deployment(context, call));
  // Where it went on to then is not where this one is to go.
  deployment.options.promote_to.clear();
  SLIPWAY_CHECK(
      admit_deployment(context, call, deployment.project, deployment.source, deployment.options));
  const Result<Deployment> made =
      context.service.redeploy(call.by, deployment, std::move(message), call.idempotency_key());
  if (!made) {
    give_deployment_back(context, call);
    return fail(made.error());
  }
  return json_response(202, deployment_json(context, *made));
}

Result<ApiResponse> delete_deployment(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Deployment deployment, find_deployment(context, call));
  SLIPWAY_CHECK(context.service.may_end_promotions(call.by, deployment));
  SLIPWAY_TRY(const Deployment removed, context.service.remove(call.by, deployment));
  return json_response(200, deployment_json(context, removed));
}

Result<ApiResponse> undo(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string text;
  JsonReader reader(body);
  reader.read("deployment", text);
  SLIPWAY_CHECK(reader.status());
  std::optional<DeploymentId> id;
  if (!text.empty()) {
    SLIPWAY_TRY(const Deployment deployment, find_deployment(context, call, text));
    SLIPWAY_CHECK(authorize(context, call, deployment.project, deployment.alias));
    id = deployment.id;
  } else {
    SLIPWAY_TRY(const Deployment last, last_of_callers(context, call));
    SLIPWAY_CHECK(not_of_the_killed(context, last));
    id = last.id;
  }
  SLIPWAY_TRY(const Deployment back, context.service.undo(call.by, id));
  return json_response(200, deployment_json(context, back));
}

Result<ApiResponse> list_projects(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(std::vector<Project> projects, context.service.projects());
  std::erase_if(projects, [&](const Project& each) { return !in_reach(context, call, each.name); });
  return paged(call, "projects", std::move(projects), std::mem_fn(&Project::name),
               [&](const Project& project) {
                 const Names& names = context.names;
                 return json::object{
                     {"name", project.name},
                     {"team", project.team},
                     {"deployments", project.deployments},
                     {"url", names.url(fmt::format("{}.{}", project.name, names.domain()))},
                     {"created_at", to_rfc3339(project.created_at)}};
               });
}

}  // namespace slipway::handlers
