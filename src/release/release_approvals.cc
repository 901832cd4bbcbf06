// What waits for people: goes on by itself once enough of them agree, ends when they do not.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/log.h"
#include "base/mutex.h"
#include "release/releases_state.h"

namespace slipway {
Result<Ruling> Releases::State::decide_again(const Rollout& waiting, const AuditContext& by) {
  SLIPWAY_TRY(const Release release,
              parts.store.release(waiting.project, waiting.environment, waiting.to));
  SLIPWAY_TRY(const Deployment deployment, parts.repository.get(waiting.deployment));
  SLIPWAY_TRY(const MoveQuestion question, MoveQuestion::about(parts, release, deployment));
  return parts.governance.decide(waiting.kind == RolloutKind::rollback
                                     ? question.rollback(by, waiting.restore.value_or(""))
                                     : question.promotion(by, waiting));
}

// People agreed to the configuration of then; with another it is another change: to go on with the
// old one would take back what was set since. What the app does not run with (variables of builds,
// a value that was set and set back) changes nothing of it.
Result<std::string> Releases::State::other_configuration(const Rollout& waiting) {
  if (waiting.kind != RolloutKind::promotion) return std::string();
  const std::string &project = waiting.project, &environment = waiting.environment;
  SLIPWAY_TRY(const Release release, parts.store.release(project, environment, waiting.to));
  SLIPWAY_TRY(const Configuration newest, parts.environments.show(project, environment));
  if (newest.version == release.config_version) return std::string();
  SLIPWAY_TRY(const auto then,
              parts.environments.values_for(project, environment, release.config_version));
  SLIPWAY_TRY(const auto now, parts.environments.values_for(project, environment, newest.version));
  std::vector<std::string> names;
  const auto differs = [&](const EnvVars& one, const EnvVars& other) {
    for (const auto& [name, value] : one)
      if (const auto found = other.find(name); found == other.end() || found->second != value)
        if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  differs(then.run, now.run);
  differs(now.run, then.run);
  if (names.empty()) return std::string();
  const std::size_t count = names.size();
  names.resize(std::min<std::size_t>(count, 5));
  std::string again = "slipway promote " + waiting.deployment.str();
  if (environment != production_environment) again += " --to " + environment;
  if (!waiting.canary.empty()) again += fmt::format(" --canary {}", fmt::join(waiting.canary, ","));
  return fmt::format(
      "the configuration of {} changed while it waited ({}{}: version {} by {}, it was asked for "
      "with version {}), and people agree to what runs with it; ask again: {}",
      environment, fmt::join(names, ", "),
      count > names.size() ? fmt::format(" and {} more", count - names.size()) : "", newest.version,
      newest.actor.name.empty() ? "nobody known" : newest.actor.name, release.config_version,
      again);
}

Status Releases::State::reconsider(const ApprovalRequest& request) {
  const AuditContext by = by_system("releases");
  SLIPWAY_TRY(const std::vector<Rollout> open, parts.store.open_rollouts());
  const auto found = std::ranges::find_if(open, [&](const Rollout& rollout) {
    return rollout.state == RolloutState::waiting && rollout.approval == request.id.str();
  });
  if (found == open.end()) {
    if (request.state != "open") return {};
    return parts.governance.close(by, request.id, "withdrawn", "its rollout is over");
  }
  const RolloutId id = found->id;
  const auto end_as = [&](RolloutState state, const std::string& reason,
                          const std::optional<Error>& error) -> Status {
    SLIPWAY_TRY([[maybe_unused]] const Rollout ended,
                parts.store.update(by, id, [&](Rollout& change) -> Status {
                  change.state = state;
                  change.reason = reason;
                  change.error = error;
                  change.ended_at = parts.clock.now();
                  if (!change.steps.empty()) change.steps.back().state = "canceled";
                  return {};
                }));
    notify();
    return {};
  };
  if (request.state == "rejected" || request.state == "expired" || request.state == "withdrawn")
    return end_as(request.state == "rejected" ? RolloutState::denied : RolloutState::canceled,
                  fmt::format("approval {}: {}", request.id.str(), request.closed_reason), {});
  const auto end_it = [&](const std::string& reason) -> Status {
    SLIPWAY_CHECK(end_as(RolloutState::canceled, reason, {}));
    if (request.state != "open") return {};
    return parts.governance.close(by, request.id, "withdrawn", reason);
  };
  const auto requester = parts.governance.requester_of(request);
  if (!requester) {
    if (requester.error().code != Errc::permission_denied) return fail(requester.error());
    return end_it(requester.error().message);
  }
  SLIPWAY_TRY(const std::string reconfigured, other_configuration(*found));
  if (!reconfigured.empty()) return end_it(reconfigured);
  SLIPWAY_TRY(const EnvironmentState now,
              parts.store.environment(found->project, found->environment));
  if (found->kind == RolloutKind::rollback && now.current != found->from)
    return end_it(fmt::format("{} serves release {} now, not {}: ask again", found->environment,
                              now.current, found->from));
  SLIPWAY_TRY(const Deployment deployment, parts.repository.get(found->deployment));
  if (found->kind == RolloutKind::promotion && deployment.state == DeploymentState::deleted)
    if (const Status promotable = check_promotable(deployment); !promotable)
      return end_it(promotable.error().message);
  SLIPWAY_TRY(const Ruling ruling, decide_again(*found, *requester));
  if (ruling.waits()) return {};
  if (!ruling.allows()) {
    // Something else forbids it by now.
    Error error = parts.governance.refuse(ruling);
    SLIPWAY_CHECK(end_as(RolloutState::denied, "denied by policy: " + error.message, error));
    if (request.state != "open") return {};
    return parts.governance.close(by, request.id, "withdrawn", error.message);
  }
  std::vector<Rollout> replaced;
  auto running = parts.store.update(
      ruling.by, id,
      [&](Rollout& change) -> Status {
        change.state = RolloutState::running;
        change.reason.clear();
        change.waits_for = RolloutWait::nothing;
        change.decision = ruling.stored.id.str();
        if (!change.steps.empty() && change.steps.back().state == "running") {
          Step& step = change.steps.back();
          step.state = "done";
          step.took_ms =
              std::chrono::round<std::chrono::milliseconds>(parts.clock.now() - change.created_at)
                  .count() -
              step.started_ms;
        }
        return {};
      },
      GovernanceService::keep(ruling), &replaced);
  if (!running) {
    if (running.error().code != Errc::conflict) return fail(std::move(running).error());
    // Approved, but another one is under way: it goes on after that.
    const MutexLock lock(mutex);
    approved.insert(request.id.str());
    return {};
  }
  {
    const MutexLock lock(mutex);
    approved.erase(request.id.str());
  }
  // What the decision rests on was closed with it.
  if (request.state == "open" && !among(ruling.uses, request.id))
    if (Status closed = parts.governance.close(by, request.id, "approved", "enough people agreed");
        !closed)
      log_warn("an approval was not closed", {{"error", closed.error().message}});
  let_go(replaced, *running);
  notify();
  submit(*running);
  return {};
}

void Releases::State::try_again() {
  std::set<std::string> waiting;
  std::set<RolloutId> again;
  {
    const MutexLock lock(mutex);
    waiting = approved;
    again = std::exchange(unstarted, {});
  }
  for (const RolloutId& id : again)
    if (const auto rollout = parts.store.rollout(id); rollout && !is_over(rollout->state))
      submit(*rollout);
  for (const std::string& text : waiting) {
    const auto id = ApprovalId::parse(text);
    const auto request = id ? parts.governance.store().approval(*id)
                            : Result<ApprovalRequest>(fail(Errc::not_found, "no such approval"));
    const Status done = request ? reconsider(*request) : Status(fail(request.error()));
    if (done) continue;
    log_warn("what was approved did not go on",
             {{"approval", text}, {"error", done.error().message}});
    const MutexLock lock(mutex);
    approved.erase(text);
  }
}

}  // namespace slipway
