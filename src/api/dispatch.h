#pragma once

#include "api/context.h"
#include "api/idempotency.h"

namespace slipway {

struct ApiRoute;

// The API from request to response: finds the route, asks whose token it is and whether they may,
// replays repeated POSTs, turns errors into problems. All but the answer is decided by the head. A
// streaming answer ends within a second when its token stops working. Thread-safe.
class ApiDispatcher final : public Api {
 public:
  explicit ApiDispatcher(const ApiContext& context) : context_(context) {}

  [[nodiscard]] ApiPlan plan(const ApiRequest& request) const override;
  [[nodiscard]] ApiAdmission admit(ApiRequest& request) override;
  [[nodiscard]] ApiResponse answer(ApiRequest& request) override;
  [[nodiscard]] Status probe() override;
  [[nodiscard]] ApiResponse health(std::span<const HealthReason> reasons) const override;

  // All of it, one after the other.
  [[nodiscard]] ApiResponse operator()(ApiRequest& request);

 private:
  [[nodiscard]] Status admit(const ApiRoute& route, ApiCall& call) const;
  [[nodiscard]] Result<ApiResponse> handle(const ApiRoute& route, ApiCall& call);
  // Adds what is of now, and is not kept for a repeated request.
  [[nodiscard]] ApiResponse stamped(ApiResponse response) const;

  const ApiContext& context_;
  IdempotentReplies replies_;
};

}  // namespace slipway
