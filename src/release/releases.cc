#include "release/releases.h"

#include "base/log.h"
#include "base/mutex.h"
#include "deploy/units.h"
#include "release/releases_state.h"

namespace slipway {

using namespace std::chrono_literals;

Releases::Releases(Parts parts) : state_(std::make_unique<State>(std::move(parts))) {
  for (const char* action : {"promote", "rollback"})
    state_->parts.governance.on_vote(
        action, [this](const ApprovalRequest& request) { return state_->reconsider(request); });
}

Releases::~Releases() { shut_down(); }

void Releases::shut_down() {
  State& s = *state_;
  s.parts.crews.leave();
  {
    const MutexLock lock(s.mutex);
    s.stopping = true;
    // As their records say; taken up again at the next start.
    for (const auto& [id, drive] : s.drives) drive->stop.request_stop();
    // Those that wait for a second to go by look again whether the server ends.
    s.ticker.tick();
    s.changed.notify_all();
  }
  s.tasks.join();
}

void Releases::tick() {
  state_->ticker.tick();
  state_->try_again();
}

Result<Rollout> Releases::cancel(const AuditContext& by, const RolloutId& id, std::string reason) {
  State& s = *state_;
  SLIPWAY_TRY(const Rollout rollout, s.parts.store.rollout(id));
  if (is_over(rollout.state))
    return fail(Errc::failed_precondition,
                fmt::format("rollout {} is over: {}", id.str(), to_string(rollout.state)));
  if (rollout.state == RolloutState::waiting) {
    if (by.actor.kind == "agent" && rollout.actor.kind == "human")
      return fail(
          Errc::permission_denied,
          fmt::format("{} waits for people because {} asked: no agent takes that back", id.str(),
                      rollout.actor.name),
          fmt::format("ask {}, or whoever may approve {}", rollout.actor.name, rollout.approval));
    SLIPWAY_TRY(const Rollout ended, s.parts.store.update(by, id, [&](Rollout& change) -> Status {
      if (change.state != RolloutState::waiting)
        return fail(Errc::conflict, "it went on meanwhile", "look at it again");
      change.state = RolloutState::canceled;
      change.reason = reason;
      change.ended_at = s.parts.clock.now();
      if (!change.steps.empty()) change.steps.back().state = "canceled";
      return {};
    }));
    s.notify();
    if (const auto approval = ApprovalId::parse(rollout.approval))
      std::ignore = s.parts.governance.close(by, *approval, "withdrawn", reason);
    return ended;
  }
  // A promotion is taken back by whoever sees the fire; going back, and new values, are not.
  if (by.actor.kind == "agent" && rollout.actor.kind == "human" &&
      rollout.kind != RolloutKind::promotion)
    return fail(Errc::permission_denied,
                fmt::format("{} is under way because {} asked: no agent takes that back", id.str(),
                            rollout.actor.name),
                fmt::format("ask {}, or another person who may", rollout.actor.name));
  if (rollout.state == RolloutState::watching && rollout.from == 0)
    return fail(Errc::failed_precondition,
                "nothing served before it, so there is nothing to go back to");
  RolloutDriver::Ending ending{
      .kind = RolloutDriver::Ending::Kind::cancel, .by = by, .reason = std::move(reason)};
  if (!s.end(id, ending))
    return fail(Errc::conflict, "it has just come to its end", "look at it again");
  return s.parts.store.rollout(id);
}

Result<EnvironmentState> Releases::resume(const AuditContext& by, std::string_view project,
                                          std::string_view environment) {
  return state_->parts.store.update_environment(by, project, environment,
                                                [](EnvironmentState& change) -> Status {
                                                  change.paused.clear();
                                                  change.frozen_until.reset();
                                                  return {};
                                                });
}

Result<Rollout> Releases::rollout(const RolloutId& id) const {
  return state_->parts.store.rollout(id);
}

Result<Rollout> Releases::wait(const RolloutId& id, const Rollout& seen, Duration most) const {
  const auto until = std::chrono::steady_clock::now() + most;
  for (;;) {
    std::uint64_t revision = 0;
    {
      const MutexLock lock(state_->mutex);
      revision = state_->revision;
    }
    SLIPWAY_TRY(Rollout now, state_->parts.store.rollout(id));
    if (is_over(now.state) || !(now == seen)) return now;
    MutexLock lock(state_->mutex);
    const bool news =
        state_->changed.wait_until(state_->mutex, until, [&]() SLIPWAY_REQUIRES(state_->mutex) {
          return state_->stopping || state_->revision != revision;
        });
    if (!news || state_->stopping) return now;
  }
}

std::string Releases::url(std::string_view project, std::string_view environment) const {
  return state_->parts.names.url(state_->parts.names.release_host(project, environment));
}

Result<std::vector<Releases::EnvironmentView>> Releases::environments(
    std::string_view project) const {
  const State& s = *state_;
  SLIPWAY_TRY(const std::vector<EnvironmentState> states, s.parts.store.environments(project));
  std::vector<EnvironmentView> out;
  for (const EnvironmentState& state : states) {
    EnvironmentView view{.state = state, .url = url(state.project, state.environment)};
    view.domains = s.routes.domains(state.project, state.environment);
    if (state.current != 0) {
      SLIPWAY_TRY(view.current,
                  s.parts.store.release(state.project, state.environment, state.current));
      view.instances = s.parts.crews.instances(Crews::key_of(*view.current));
    }
    out.push_back(std::move(view));
  }
  return out;
}

Status Releases::publish(std::string_view project, std::string_view environment) {
  SLIPWAY_TRY([[maybe_unused]] const std::int64_t micros,
              state_->routes.publish(project, environment));
  return {};
}

Result<Releases::Preview> Releases::preview(const AuditContext& by, const Promotion& wanted) {
  State& s = *state_;
  SLIPWAY_TRY(State::Draft draft, s.draft(by, wanted));
  SLIPWAY_TRY(const MoveQuestion question,
              MoveQuestion::about(s.parts, draft.release, draft.deployment));
  Preview out{.rollout = draft.rollout, .candidate = draft.deployment};
  SLIPWAY_TRY(out.decision, s.parts.governance.what_if(question.promotion(by, draft.rollout), {}));
  out.current = question.current();
  out.serving = question.serving();
  out.files = question.files();
  const std::vector<std::string>&now = question.variables(), &before = question.current_variables();
  for (const std::string& name : now)
    if (out.current && !among(before, name)) out.env_added.push_back(name);
  for (const std::string& name : before)
    if (!among(now, name)) out.env_removed.push_back(name);
  for (const Service& service : draft.deployment.plan.services)
    for (const EnvNeed& need : service.env)
      if (need.required && !among(now, need.name) && !among(out.env_missing, need.name) &&
          !is_provided(draft.deployment, need.name))
        out.env_missing.push_back(need.name);
  if (out.serving) out.plan_changes = plan_changes(*out.serving, draft.deployment);
  out.instances = instances_of(draft.deployment, s.parts.settings);
  out.memory_bytes = out.instances * s.parts.settings.instances.limits.memory_bytes;
  return out;
}

}  // namespace slipway
