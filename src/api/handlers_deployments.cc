#include <charconv>

#include "api/release_answers.h"
#include "api/routes.h"
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

}  // namespace

Result<ApiResponse> list_deployments(const ApiContext& context, ApiCall& call) {
  const ApiRequest& request = call.request;
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
  SLIPWAY_TRY(const DeploymentPage page, context.service.list(filter));
  json::array deployments;
  ServingPlaces serving(context);
  for (const Deployment& deployment : page.deployments) {
    if (!authorize(context, call, deployment.project, deployment.alias)) continue;
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
  SLIPWAY_TRY(const Deployment deployment, find_deployment(context, call));
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
    SLIPWAY_TRY(const Deployment deployment, context.service.find(text));
    SLIPWAY_CHECK(authorize(context, call, deployment.project, deployment.alias));
    id = deployment.id;
  } else if (!call.principal.reaches_all()) {
    return fail(Errc::invalid_argument, "the deployment removed last may not be one of yours",
                "say which: slipway undo ID");
  }
  SLIPWAY_TRY(const Deployment back, context.service.undo(call.by, id));
  return json_response(200, deployment_json(context, back));
}

Result<ApiResponse> list_projects(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const std::vector<Project> projects, context.service.projects());
  json::array out;
  for (const Project& project : projects) {
    if (!authorize(context, call, project.name, {})) continue;
    out.push_back(json::object{
        {"name", project.name},
        {"team", project.team},
        {"deployments", project.deployments},
        {"url", context.names.url(fmt::format("{}.{}", project.name, context.names.domain()))},
        {"created_at", to_rfc3339(project.created_at)}});
  }
  return json_response(200, json::object{{"projects", std::move(out)}});
}

}  // namespace slipway::handlers
