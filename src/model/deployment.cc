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

std::string_view Unit::kind() const { return service ? std::string_view(service->kind) : "web"; }

bool Unit::is_routed() const {
  return runs && kind() != "worker" && kind() != "bot" && kind() != "cron";
}

bool Unit::has_instance() const {
  return runs && kind() != "cron" && artifact && !artifact->site && !artifact->start.empty();
}

std::vector<Unit> units_of(const Deployment& deployment) {
  const auto named = [&](std::string_view name) -> const Service* {
    const auto at = std::ranges::find(deployment.plan.services, name, &Service::name);
    return at == deployment.plan.services.end() ? nullptr : &*at;
  };
  const Service* first = named(deployment.first);
  if (!first && !deployment.plan.services.empty()) first = &deployment.plan.services.front();
  std::vector<Unit> units{{.service = first, .artifact = &deployment.artifact}};
  if (units[0].kind() == "cron") units[0].runs = deployment.options.with_schedules;
  for (const Companion& each : deployment.companions)
    units.push_back({.label = each.label,
                     .service = named(each.service),
                     .artifact = &each.artifact,
                     .runs = each.runs});
  return units;
}

std::optional<Unit> find_unit(const Deployment& deployment, std::string_view label) {
  for (const Unit& unit : units_of(deployment))
    if (unit.label == label) return unit;
  return std::nullopt;
}

bool waits_for_approval(const Deployment& deployment) {
  return deployment.state == DeploymentState::queued && !deployment.approval.empty();
}

bool has_instances(const Deployment& deployment) {
  return std::ranges::any_of(units_of(deployment), &Unit::has_instance);
}

bool can_sleep(const Deployment& deployment) {
  return std::ranges::any_of(units_of(deployment), [](const Unit& unit) {
    return unit.has_instance() && unit.is_routed();
  });
}

}  // namespace slipway
