#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "deploy/service.h"
#include "http/message.h"
#include "identity/principal.h"
#include "json/json.h"

namespace slipway {

// What handlers work with. Everything must outlive them.
struct ApiContext {
  DeployService& service;
  const Clock& clock;
  const Names& names;
  std::string server_url;
  std::function<std::string()> metrics;  // Prometheus text
};

// One request on its way through a handler: who asks, and the parts of the path that stood for
// {names}.
struct ApiCall {
  ApiRequest& request;
  AuditContext by;      // who asks, from where, under which request id
  Principal principal;  // what they may do; its actor is by.actor
  std::vector<std::pair<std::string_view, std::string>> path_values;

  [[nodiscard]] const std::string& path_value(std::string_view name) const;
  // The whole body as text. Errors: too_large above `limit`.
  [[nodiscard]] Result<std::string> body_text(std::size_t limit = 64u << 20) const;
  // The body as JSON; an empty one is an empty object.
  [[nodiscard]] Result<json::value> body_json() const;
  [[nodiscard]] std::string idempotency_key() const;
};

[[nodiscard]] ApiResponse json_response(int status, const json::value& value);
// application/problem+json (RFC 9457) with the members of DESIGN.md §5.
[[nodiscard]] ApiResponse problem_response(const Error& error);
// The deployment with its URLs.
[[nodiscard]] json::object deployment_json(const ApiContext& context, const Deployment& deployment);

}  // namespace slipway
