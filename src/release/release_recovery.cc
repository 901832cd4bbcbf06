// The start of the server: what was recorded is what serves.
#include <algorithm>

#include "base/log.h"
#include "release/releases_state.h"

namespace slipway {

Status Releases::State::adopt_crews() const {
  std::vector<Crews::Kept> kept;
  const auto keep = [&](std::string_view project, std::string_view environment,
                        std::int64_t number) -> Status {
    const bool known = std::ranges::any_of(kept, [&](const Crews::Kept& each) {
      return each.release.project == project && each.release.environment == environment &&
             each.release.number == number;
    });
    if (number == 0 || known) return {};
    SLIPWAY_TRY(Release release, parts.store.release(project, environment, number));
    SLIPWAY_TRY(Deployment deployment, parts.repository.get(release.deployment));
    kept.push_back({.release = std::move(release), .deployment = std::move(deployment)});
    return {};
  };
  SLIPWAY_TRY(const std::vector<EnvironmentState> states, parts.store.environments());
  for (const EnvironmentState& state : states) {
    SLIPWAY_CHECK(keep(state.project, state.environment, state.current));
    if (state.active.empty()) continue;
    SLIPWAY_CHECK(keep(state.project, state.environment, state.previous));
    SLIPWAY_TRY(const Rollout active, parts.store.rollout(state.active));
    SLIPWAY_CHECK(keep(state.project, state.environment, active.from));
    SLIPWAY_CHECK(keep(state.project, state.environment, active.to));
  }
  return parts.crews.adopt(kept);
}

Status Releases::State::stop_left_overs() const {
  // What was kept warm for a rollout that is over: adopt() has stopped it.
  SLIPWAY_TRY(const std::vector<EnvironmentState> states, parts.store.environments());
  for (const EnvironmentState& state : states) {
    if (state.previous == 0 || !state.active.empty()) continue;
    SLIPWAY_TRY([[maybe_unused]] const EnvironmentState written,
                parts.store.update_environment(by_system("recovery"), state.project,
                                               state.environment, [](EnvironmentState& change) {
                                                 change.previous = 0;
                                                 return Status();
                                               }));
  }
  return {};
}

void Releases::promote_ready(const Deployment& deployment) {
  State& s = *state_;
  const std::string& environment = deployment.options.promote_to;
  if (environment.empty() || !deployment.rollout.empty() || deployment.not_promoted) return;
  const auto promoted = [&]() -> Result<RolloutId> {
    // It may have been promoted just before the server died.
    SLIPWAY_TRY(const std::optional<Rollout> before, s.parts.store.rollout_of(deployment.id));
    if (before && before->environment == environment) return before->id;
    AuditContext by = by_system("releases");
    by.actor = deployment.actor;
    SLIPWAY_TRY(by.role,
                s.parts.governance.store().role_about("deployment/" + deployment.id.str()));
    SLIPWAY_TRY(const std::string team, s.parts.repository.team_of(deployment.project));
    SLIPWAY_TRY(by.role, s.parts.governance.role_now(by.actor, team, by.role));
    SLIPWAY_TRY(const Rollout rollout, promote(by, {.deployment = deployment.id,
                                                    .environment = environment,
                                                    .message = deployment.message,
                                                    .automatic = true}));
    return rollout.id;
  }();
  if (!promoted)
    log_warn("a deployment was not promoted", {{"deployment", deployment.id.str()},
                                               {"environment", environment},
                                               {"error", promoted.error().message}});
  const auto recorded = s.parts.repository.update(by_system("releases"), deployment.id,
                                                  [&](Deployment& change) -> Status {
                                                    if (promoted)
                                                      change.rollout = *promoted;
                                                    else
                                                      change.not_promoted = promoted.error();
                                                    return {};
                                                  });
  if (!recorded)
    log_error("what became of a promotion was not recorded",
              {{"deployment", deployment.id.str()}, {"error", recorded.error().message}});
}

Status Releases::recover() {
  State& s = *state_;
  SLIPWAY_CHECK(s.adopt_crews());
  SLIPWAY_CHECK(s.stop_left_overs());
  SLIPWAY_TRY(const std::vector<EnvironmentState> states, s.parts.store.environments());
  for (const EnvironmentState& state : states) {
    if (state.current == 0) continue;
    if (auto published = s.routes.publish(state.project, state.environment); !published)
      // The others are served.
      log_error("an environment cannot be served", {{"project", state.project},
                                                    {"environment", state.environment},
                                                    {"error", published.error().message}});
  }
  SLIPWAY_TRY(const std::vector<Rollout> open, s.parts.store.open_rollouts());
  for (const Rollout& rollout : open) {
    if (rollout.state != RolloutState::waiting) {
      log_info("rollout taken up again",
               {{"rollout", rollout.id.str()}, {"state", to_string(rollout.state)}});
      s.submit(rollout);
      continue;
    }
    const auto id = ApprovalId::parse(rollout.approval);
    const auto request = id ? s.parts.governance.store().approval(*id)
                            : Result<ApprovalRequest>(fail(Errc::corrupt, "no approval"));
    // It may have been answered just before the server died.
    if (Status went_on = request ? s.reconsider(*request) : Status(fail(request.error())); !went_on)
      log_warn("what waits for an approval did not go on",
               {{"rollout", rollout.id.str()}, {"error", went_on.error().message}});
  }
  SLIPWAY_TRY(const std::vector<Deployment> live,
              s.parts.repository.in_states({DeploymentState::ready, DeploymentState::sleeping}));
  for (const Deployment& deployment : live) promote_ready(deployment);
  return {};
}

}  // namespace slipway
