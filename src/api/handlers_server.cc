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

Result<ApiResponse> collect_garbage(const ApiContext& context, ApiCall& call) {
  SLIPWAY_CHECK(context.record({.event = "garbage.collected",
                                .action = std::string(to_string(call.permission)),
                                .by = call.by,
                                .resource = "server"}));
  SLIPWAY_TRY(const std::uint64_t freed, context.collect_garbage());
  return json_response(200, json::object{{"freed_bytes", freed}});
}

Result<ApiResponse> go_down(const ApiContext& context, ApiCall& call) {
  SLIPWAY_CHECK(context.record({.event = "server.stopped",
                                .action = std::string(to_string(call.permission)),
                                .by = call.by,
                                .resource = "server",
                                .detail = {{"apps", "ended"}}}));
  SLIPWAY_TRY(const std::size_t apps, context.go_down());
  return json_response(202, json::object{{"apps", apps}});
}

}  // namespace slipway::handlers
