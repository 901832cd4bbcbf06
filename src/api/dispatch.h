#pragma once

#include "api/context.h"
#include "api/idempotency.h"

namespace slipway {

struct ApiRoute;

// The API as a function from request to response: finds the route, asks whose token it is and
// whether they may, replays repeated POSTs, turns errors into problems. A streaming answer ends
// within a second when its token stops working. Thread-safe.
class ApiDispatcher {
 public:
  explicit ApiDispatcher(const ApiContext& context) : context_(context) {}
  [[nodiscard]] ApiResponse operator()(ApiRequest& request);

 private:
  [[nodiscard]] Result<ApiResponse> dispatch(ApiRequest& request);
  [[nodiscard]] Result<ApiResponse> answer(const ApiRoute& route, ApiCall& call);
  [[nodiscard]] Status admit(const ApiRoute& route, ApiCall& call) const;

  const ApiContext& context_;
  IdempotentReplies replies_;
};

}  // namespace slipway
