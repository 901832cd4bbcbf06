#pragma once

#include <string>
#include <string_view>

#include "api/context.h"
#include "api/idempotency.h"

namespace slipway {

// The API as a function from request to response: finds the route, checks the token, replays
// repeated POSTs, turns errors into problems. Thread-safe.
class ApiDispatcher {
 public:
  // `token` is the one bearer token of this server; requests with it act as `owner`.
  ApiDispatcher(const ApiContext& context, std::string_view token, Actor owner);
  [[nodiscard]] ApiResponse operator()(ApiRequest& request);

 private:
  [[nodiscard]] Result<Actor> authenticate(const ApiRequest& request) const;
  [[nodiscard]] Result<ApiResponse> dispatch(ApiRequest& request);

  const ApiContext& context_;
  Digest token_;  // its SHA-256, compared in constant time
  Actor owner_;
  IdempotentReplies replies_;
};

}  // namespace slipway
