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
  return json_response(
      200,
      json::object{
          {"actor", json::object{{"kind", call.by.actor.kind},
                                 {"name", call.by.actor.name},
                                 {"on_behalf_of", call.by.actor.on_behalf_of.empty()
                                                      ? json::value(nullptr)
                                                      : json::value(call.by.actor.on_behalf_of)}}},
          {"team", "default"},
          {"server", json::object{{"version", SLIPWAY_VERSION},
                                  {"url", context.server_url},
                                  {"domain", context.names.domain()}}}});
}

}  // namespace slipway::handlers
