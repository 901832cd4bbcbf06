#include "api/identity_json.h"
#include "api/openapi.h"
#include "api/routes.h"

namespace slipway::handlers {

Result<ApiResponse> healthz(const ApiContext&, ApiCall&) {
  return json_response(200, json::object{{"status", "ok"}, {"version", SLIPWAY_VERSION}});
}

Result<ApiResponse> metrics(const ApiContext& context, ApiCall&) {
  return ApiResponse{.headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                     .body = context.metrics()};
}

Result<ApiResponse> openapi(const ApiContext&, ApiCall&) {
  return json_response(200, openapi_document(api_routes()));
}

Result<ApiResponse> whoami(const ApiContext& context, ApiCall& call) {
  json::object out = to_json(call.principal);
  const Actor& actor = call.by.actor;
  out["actor"] =
      json::object{{"kind", actor.kind},
                   {"name", actor.name},
                   {"on_behalf_of", actor.on_behalf_of.empty() ? json::value(nullptr)
                                                               : json::value(actor.on_behalf_of)},
                   {"chain", json::array(actor.chain.begin(), actor.chain.end())}};
  out["team"] = call.principal.team.empty() ? "default" : call.principal.team;
  out["server"] = json::object{{"version", SLIPWAY_VERSION},
                               {"url", context.server_url},
                               {"domain", context.names.domain()}};
  return json_response(200, out);
}

}  // namespace slipway::handlers
