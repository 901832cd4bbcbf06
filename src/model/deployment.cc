#include "model/deployment.h"

#include <algorithm>
#include <array>

namespace slipway {
namespace {

constexpr std::array<std::string_view, 10> names = {"queued",   "building", "starting", "ready",
                                                    "sleeping", "failed",   "canceled", "stopped",
                                                    "expired",  "deleted"};

}  // namespace

std::string_view to_string(DeploymentState state) { return names[static_cast<std::size_t>(state)]; }

std::optional<DeploymentState> parse_deployment_state(std::string_view text) {
  const auto at = std::ranges::find(names, text);
  if (at == names.end()) return std::nullopt;
  return static_cast<DeploymentState>(at - names.begin());
}

bool is_settled(DeploymentState state) {
  return state != DeploymentState::queued && state != DeploymentState::building &&
         state != DeploymentState::starting;
}

bool is_live(DeploymentState state) {
  return state == DeploymentState::ready || state == DeploymentState::sleeping;
}

}  // namespace slipway
