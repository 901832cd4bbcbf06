// A rollout from its first traffic on: canary, switch, watch, and back.
#include <algorithm>

#include "base/log.h"
#include "db/urgent.h"
#include "release/questions.h"
#include "release/rollout_driver.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

// A step that the policies hold is asked about again after so long.
constexpr Duration ask_again = 10s;
constexpr Duration freeze = 1h;

}  // namespace

void RolloutDriver::make_watch() {
  ReleaseWatch::Settings settings{
      .percents = rollout_.canary,
      .step = rollout_.canary_step.value_or(parts_.settings.releases.canary_step),
      .bake = parts_.settings.releases.bake};
  if (rollout_.from == 0) settings.percents.clear();
  watch_.emplace(std::move(settings),
                 ReleaseWatch::Sources{.candidate = [this] { return sample(key()); },
                                       .baseline = [this]() -> std::optional<ReleaseSample> {
                                         if (rollout_.from == 0) return std::nullopt;
                                         return sample(old_key());
                                       }});
  watch_->begin(rollout_, parts_.clock.monotonic());
}

Status RolloutDriver::canary() {
  make_watch();
  int shown = 0;
  Duration since{};
  std::uint64_t seen = shared_.ticker.now();
  std::optional<Duration> asked;  // when the policies held it
  std::optional<ReleaseWatch::Outcome> held;
  while (held || watch_->percent() < 100) {
    const Duration now = parts_.clock.monotonic();
    if (!held && shown != watch_->percent()) {
      shown = watch_->percent();
      since = now;
      SLIPWAY_CHECK(begin_step("canary", fmt::format("{} %", shown), [](Rollout& change) -> Status {
        change.state = RolloutState::canary;
        return {};
      }));
      shared_.routes.set_canary(to_, shown, rollout_.id.str());
      SLIPWAY_TRY([[maybe_unused]] const auto micros,
                  shared_.routes.publish(rollout_.project, rollout_.environment));
    }
    // What a policy holds is judged all the same.
    ReleaseWatch::Outcome outcome =
        held ? watch_->look_held(now, parts_.clock.now()) : watch_->look(now, parts_.clock.now());
    if (outcome.does == ReleaseWatch::Does::roll_back) {
      SLIPWAY_CHECK(record([&](Rollout& change) -> Status {
        change.verdicts.push_back(outcome.verdict);
        return {};
      }));
      Error error{.code = Errc::start_failed,
                  .message = outcome.reason,
                  .phase = "canary",
                  .cause = "worse"};
      return fail(std::move(error));
    }
    if (held) {
      if (now - *asked >= ask_again) {
        std::string decision;
        asked = now;
        const Status may =
            may_advance(held->verdict, shown, watch_->percent(), now - since, decision);
        if (may) {
          held->verdict.decision = std::move(decision);
          SLIPWAY_CHECK(record([&](Rollout& change) -> Status {
            change.verdicts.push_back(held->verdict);
            change.reason.clear();
            change.waits_for = RolloutWait::nothing;
            return {};
          }));
          held.reset();
          continue;
        }
        if (may.error().code != Errc::denied_by_policy) return may;
      }
    } else {
      if (outcome.does == ReleaseWatch::Does::advance) {
        held = std::move(outcome);
        asked = now - ask_again;  // at once
        continue;
      }
      if (outcome.reason != rollout_.reason)
        SLIPWAY_CHECK(record([&](Rollout& change) -> Status {
          change.reason = outcome.reason;
          change.waits_for = outcome.waits_for;
          return {};
        }));
    }
    shared_.ticker.wait(seen, stop_);
    if (stop_.stop_requested()) return fail(Errc::canceled, "canceled");
  }
  return {};
}

Status RolloutDriver::may_advance(const CanaryVerdict& verdict, int percent, int next,
                                  Duration since, std::string& decision) {
  SLIPWAY_TRY(const MoveQuestion question, MoveQuestion::about(parts_, to_, deployment_));
  AuditContext by = by_system("releases");
  by.actor = rollout_.actor;
  SLIPWAY_TRY(by.role, parts_.governance.store().role_about("deployment/" + deployment_.id.str()));
  const bool no_data = std::ranges::all_of(
      verdict.evidence, [](const MetricEvidence& each) { return each.says == "no_data"; });
  SLIPWAY_TRY(const Ruling ruling,
              parts_.governance.decide(question.canary_step(
                  by, {.number = static_cast<int>(rollout_.verdicts.size()) + 1,
                       .percent = percent,
                       .next_percent = next,
                       .age = since,
                       .canary = sample(key()),
                       .baseline = sample(old_key()),
                       .evidence = no_data ? "no_data" : "ok"})));
  SLIPWAY_CHECK(parts_.governance.store().keep(GovernanceService::keep(ruling)));
  if (ruling.allows()) {
    decision = ruling.stored.id.str();
    return {};
  }
  const std::string why = "held by the policies: " + ruling.stored.decision.summary();
  if (rollout_.reason != why)
    SLIPWAY_CHECK(record([&](Rollout& change) -> Status {
      change.reason = why;
      change.waits_for = RolloutWait::policies;
      return {};
    }));
  return fail(Errc::denied_by_policy, why);
}

Status RolloutDriver::switch_over() {
  if (stop_.stop_requested()) return fail(Errc::canceled, "canceled");
  const Duration begun = parts_.clock.monotonic();
  // Recorded first: a route never shows what a restart would not know.
  SLIPWAY_TRY(rollout_, parts_.store.make_current(by_, rollout_.id, [&](Rollout& change) -> Status {
    end_step(change, "done");
    change.state = RolloutState::watching;
    change.switched_at = parts_.clock.now();
    change.reason.clear();
    return {};
  }));
  shared_.routes.clear_canary(rollout_.project, rollout_.environment);
  // The record says that it serves: until the routes do, it is tried again.
  std::int64_t micros = 0;
  SLIPWAY_CHECK(publish(&micros));
  const Duration took = parts_.clock.monotonic() - begun;
  // Kept warm, it answers; its workers would work beside the new ones.
  if (rollout_.from != 0 && rollout_.from != rollout_.to)
    if (Status stopped = parts_.crews.stop_workers(old_key()); !stopped)
      log_warn("a release's workers were not stopped",
               {{"rollout", rollout_.id.str()}, {"error", stopped.error().message}});
  SLIPWAY_CHECK(insist("its switch is not recorded", [&] {
    return record([&](Rollout& change) -> Status {
      change.switch_micros = micros;
      const auto ms = std::chrono::round<std::chrono::milliseconds>(took).count();
      change.steps.push_back({.name = "switch",
                              .state = "done",
                              .started_ms = std::chrono::round<std::chrono::milliseconds>(
                                                parts_.clock.now() - change.created_at)
                                                .count() -
                                            ms,
                              .took_ms = ms,
                              .detail = fmt::format("release {}", change.to)});
      return {};
    });
  }));
  log_info("release switched", {{"project", rollout_.project},
                                {"environment", rollout_.environment},
                                {"release", rollout_.to},
                                {"rollout", rollout_.id.str()},
                                {"micros", rollout_.switch_micros}});
  alert("rollout.switched");
  return {};
}

Status RolloutDriver::watch() {
  // Nothing to go back to, and so nothing to watch for.
  if (rollout_.from == 0 || rollout_.from == rollout_.to) return {};
  if (step_done("watch")) return {};
  if (!watch_) make_watch();
  watch_->switched(parts_.clock.monotonic());
  if (rollout_.steps.empty() || rollout_.steps.back().name != "watch")
    SLIPWAY_CHECK(insist("its watch is not recorded", [&] {
      return begin_step("watch", format_duration(parts_.settings.releases.bake));
    }));
  const Duration baked = parts_.clock.monotonic() + parts_.settings.releases.bake;
  for (std::uint64_t seen = shared_.ticker.now();;) {
    ReleaseWatch::Outcome outcome = watch_->look(parts_.clock.monotonic(), parts_.clock.now());
    if (outcome.does == ReleaseWatch::Does::done)
      return insist("its watch is not recorded", [&] {
        return record([&](Rollout& change) -> Status {
          change.verdicts.push_back(outcome.verdict);
          end_step(change, "done");
          return {};
        });
      });
    if (outcome.does == ReleaseWatch::Does::roll_back) {
      bool may = false;
      SLIPWAY_CHECK(insist("its way back is not recorded", [&]() -> Status {
        SLIPWAY_TRY(may, may_roll_back(outcome));
        return {};
      }));
      if (may) return take_back(by_system("releases"), outcome.reason, outcome.verdict);
      // It stays as it is, the old one warm for whoever rolls back, and nobody is warned twice.
      while (parts_.clock.monotonic() < baked) {
        shared_.ticker.wait(seen, stop_);
        if (stop_.stop_requested()) return fail(Errc::canceled, "canceled");
      }
      return insist("its watch is not recorded", [&] {
        return record([&](Rollout& change) -> Status {
          end_step(change, "failed");
          return {};
        });
      });
    }
    shared_.ticker.wait(seen, stop_);
    if (stop_.stop_requested()) return fail(Errc::canceled, "canceled");
  }
}

Result<bool> RolloutDriver::may_roll_back(const ReleaseWatch::Outcome& outcome) {
  const Timestamp now = parts_.clock.now();
  const std::uint32_t most = parts_.settings.releases.max_rollbacks;
  SLIPWAY_TRY(const EnvironmentState state,
              parts_.store.environment(rollout_.project, rollout_.environment));
  SLIPWAY_TRY(const ReleaseStore::History history,
              parts_.store.history(rollout_.project, rollout_.environment, now - 1h));
  const bool frozen = state.frozen_until && *state.frozen_until > now;
  if (!frozen && history.automatic_rollbacks < most) return true;
  if (!frozen) {
    SLIPWAY_TRY([[maybe_unused]] const EnvironmentState changed,
                parts_.store.update_environment(by_system("releases"), rollout_.project,
                                                rollout_.environment,
                                                [&](EnvironmentState& change) -> Status {
                                                  change.frozen_until = now + freeze;
                                                  return {};
                                                }));
  }
  SLIPWAY_CHECK(record([&](Rollout& change) -> Status {
    CanaryVerdict verdict = outcome.verdict;
    verdict.says = "hold";
    change.verdicts.push_back(std::move(verdict));
    change.reason = "not rolled back, the environment is frozen: " + outcome.reason;
    return {};
  }));
  log_warn("a failing release was not rolled back: the environment is frozen",
           {{"project", rollout_.project},
            {"environment", rollout_.environment},
            {"reason", outcome.reason}});
  alert("release.frozen");
  return false;
}

void RolloutDriver::start_again(std::int64_t number) {
  const auto release = parts_.store.release(rollout_.project, rollout_.environment, number);
  const auto deployment = release ? parts_.repository.get(release->deployment)
                                  : Result<Deployment>(fail(release.error()));
  if (Status complete = deployment ? parts_.crews.start_for_good(*release, *deployment)
                                   : Status(fail(deployment.error()));
      !complete)
    log_warn("a release that was gone back to does not run completely",
             {{"rollout", rollout_.id.str()}, {"error", complete.error().message}});
}

Status RolloutDriver::take_back(const AuditContext& by, std::string reason,
                                const std::optional<CanaryVerdict>& verdict) {
  if (rollout_.from == 0)
    return fail(Errc::failed_precondition, "nothing served before: there is nothing to go back to");
  const Urgent urgent;
  Status written;
  record_end([&]() -> Status {
    auto back = parts_.store.make_previous_current(by, rollout_.id, [&](Rollout& change) -> Status {
      end_step(change, "failed");
      change.state = RolloutState::rolled_back;
      change.reason = reason;
      change.ended_at = parts_.clock.now();
      if (verdict) change.verdicts.push_back(*verdict);
      return {};
    });
    written = back ? Status() : Status(fail(back.error()));
    if (back) rollout_ = *std::move(back);
    return written;
  });
  SLIPWAY_CHECK(written);
  shared_.changed(rollout_.id);
  if (Status published = publish(); !published)
    log_error("an environment's routes were not changed",
              {{"rollout", rollout_.id.str()}, {"error", published.error().message}});
  log_warn("release rolled back", {{"project", rollout_.project},
                                   {"environment", rollout_.environment},
                                   {"release", rollout_.to},
                                   {"back_to", rollout_.from},
                                   {"reason", rollout_.reason}});
  alert("release.rolled_back");
  start_again(rollout_.from);
  shared_.leaving(rollout_.to);
  std::ignore = parts_.crews.stop(key(), parts_.settings.releases.drain);
  shared_.routes.forget(key());
  const std::int64_t gone = rollout_.to;
  SLIPWAY_TRY(
      [[maybe_unused]] const EnvironmentState state,
      parts_.store.update_environment(by_system("releases"), rollout_.project, rollout_.environment,
                                      [&](EnvironmentState& change) -> Status {
                                        if (change.previous == gone) change.previous = 0;
                                        return {};
                                      }));
  return {};
}

}  // namespace slipway
