#include "api/pages.h"
#include "api/routes.h"
#include "json/domain_json.h"
#include "json/reader.h"
#include "model/environment.h"

namespace slipway::handlers {
namespace {

json::object shown(const ApiContext& context, const Domain& domain) {
  json::object out = to_json(domain);
  out["url"] = context.names.url(domain.name);
  return out;
}

bool may(const ApiContext& context, const ApiCall& call, const Domain& domain) {
  return authorize(context, call, domain.project, domain.environment).has_value();
}

// The claim that the path's {name} means: that of ?project=, or the only one the caller may see.
Result<Domain> claim_of(const ApiContext& context, const ApiCall& call) {
  const std::string project(call.request.query_value("project").value_or(""));
  return context.domains.find(call.path_value("name"), [&](const Domain& each) {
    return (project.empty() || each.project == project) && may(context, call, each);
  });
}

}  // namespace

Result<ApiResponse> list_domains(const ApiContext& context, ApiCall& call) {
  const std::string project(call.request.query_value("project").value_or(""));
  SLIPWAY_TRY(std::vector<Domain> all, context.domains.list(project));
  std::erase_if(all, [&](const Domain& each) { return !may(context, call, each); });
  return paged(
      call, "domains", std::move(all),
      [](const Domain& each) { return fmt::format("{} {}", each.name, each.project); },
      [&](const Domain& each) { return shown(context, each); });
}

Result<ApiResponse> add_domain(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string project, name, environment = "production";
  JsonReader reader(body);
  reader.require("project").require("name");
  reader.read("project", project).read("name", name).read("environment", environment);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(check_names(project, preview_environment));
  SLIPWAY_CHECK(check_environment_name(environment));
  SLIPWAY_CHECK(authorize(context, call, project, environment));
  SLIPWAY_CHECK(context.identity.claim_project(call.by, call.principal, call.permission, project));
  SLIPWAY_TRY(const Domain added, context.domains.add(call.by, project, environment, name));
  return json_response(201, shown(context, added));
}

Result<ApiResponse> verify_domain(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Domain claim, claim_of(context, call));
  SLIPWAY_TRY(const Domain proven, context.domains.verify(call.by, claim.project, claim.name));
  return json_response(200, shown(context, proven));
}

Result<ApiResponse> remove_domain(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Domain claim, claim_of(context, call));
  SLIPWAY_TRY(const Domain gone, context.domains.remove(call.by, claim.project, claim.name));
  return json_response(200, shown(context, gone));
}

}  // namespace slipway::handlers
