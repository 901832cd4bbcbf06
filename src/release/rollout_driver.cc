#include "release/rollout_driver.h"

#include "base/log.h"
#include "db/urgent.h"
#include "deploy/logs.h"
#include "deploy/units.h"

namespace slipway {

void Ticker::tick() {
  const MutexLock lock(mutex_);
  ++ticks_;
  changed_.notify_all();
}

void Ticker::wait(std::uint64_t& seen, std::stop_token stop) {
  MutexLock lock(mutex_);
  std::ignore =
      changed_.wait(mutex_, stop, [&]() SLIPWAY_REQUIRES(mutex_) { return ticks_ != seen; });
  seen = ticks_;
}

std::uint64_t Ticker::now() const {
  const MutexLock lock(mutex_);
  return ticks_;
}

RolloutDriver::RolloutDriver(Shared shared, Rollout rollout, std::stop_token stop,
                             std::function<Ending()> ending)
    : shared_(std::move(shared)),
      parts_(shared_.parts),
      rollout_(std::move(rollout)),
      stop_(std::move(stop)),
      ending_(std::move(ending)) {
  by_.actor = rollout_.actor;
  by_.decision = rollout_.decision;
}

Crews::Key RolloutDriver::old_key() const {
  return {rollout_.project, rollout_.environment, rollout_.from};
}

void RolloutDriver::run() {
  std::optional<Urgent> urgent;
  if (rollout_.kind == RolloutKind::rollback) urgent.emplace();
  if (Status done = go(); !done) end(done.error());
}

void RolloutDriver::give_up(const Error& why) {
  Error error = why;
  error.message = "Slipway failed to make this release: " + why.message;
  error.cause = "internal";
  if (Status loaded = load(); !loaded)
    log_error("a rollout that failed cannot be read",
              {{"rollout", rollout_.id.str()}, {"error", loaded.error().message}});
  end(error);
}

Status RolloutDriver::load() {
  SLIPWAY_TRY(to_, parts_.store.release(rollout_.project, rollout_.environment, rollout_.to));
  SLIPWAY_TRY(deployment_, parts_.repository.get(to_.deployment));
  return {};
}

Status RolloutDriver::go() {
  SLIPWAY_CHECK(load());
  if (rollout_.state == RolloutState::running || rollout_.state == RolloutState::canary) {
    SLIPWAY_CHECK(verify());
    if (rollout_.kind == RolloutKind::rollback) {
      SLIPWAY_CHECK(restore());
      // Warm: the flip first, what may be missing of its crew afterwards.
      if (!is_warm()) SLIPWAY_CHECK(start());
    } else {
      SLIPWAY_CHECK(run_release_commands());
      SLIPWAY_CHECK(start());
      SLIPWAY_CHECK(smoke());
      SLIPWAY_CHECK(canary());
    }
    SLIPWAY_CHECK(switch_over());
  }
  if (rollout_.kind == RolloutKind::rollback) {
    start_again(rollout_.to);
  } else {
    SLIPWAY_CHECK(watch());
    if (over_) return {};  // taken back
  }
  return drain();
}

Status RolloutDriver::drain(std::string_view reason) {
  if (rollout_.from != 0 && rollout_.from != rollout_.to) {
    SLIPWAY_CHECK(insist("the drain", [&] {
      return begin_step("drain", fmt::format("release {}", rollout_.from));
    }));
    shared_.leaving(rollout_.from);
    if (Status stopped = parts_.crews.stop(old_key(), parts_.settings.releases.drain); !stopped)
      log_warn("a release's instances were not stopped",
               {{"rollout", rollout_.id.str()}, {"error", stopped.error().message}});
    shared_.routes.forget(old_key());
  }
  const std::string project = rollout_.project, environment = rollout_.environment;
  record_end([&]() -> Status {
    SLIPWAY_TRY([[maybe_unused]] const EnvironmentState state,
                parts_.store.update_environment(by_system("releases"), project, environment,
                                                [&](EnvironmentState& change) -> Status {
                                                  if (change.previous == rollout_.from)
                                                    change.previous = 0;
                                                  return {};
                                                }));
    return record([&](Rollout& change) -> Status {
      end_step(change, "done");
      change.state = RolloutState::done;
      if (!reason.empty()) change.reason = reason;
      change.ended_at = parts_.clock.now();
      return {};
    });
  });
  if (const auto retired = parts_.store.retire(by_system("releases"), project, environment,
                                               parts_.settings.releases.keep);
      !retired)
    log_warn("old releases were not let go", {{"error", retired.error().message}});
  return {};
}

void RolloutDriver::end(const Error& why) {
  if (over_) return;
  const auto values =
      parts_.environments.values_for(rollout_.project, rollout_.environment, to_.config_version);
  Error error = mask_secrets(why, values ? values->secrets : std::vector<std::string>());
  if (!values) error.excerpt.clear();  // what cannot be hidden is not quoted
  Ending ending;
  const bool stopped = stop_.stop_requested();
  if (stopped) ending = ending_();
  if (stopped && ending.kind == Ending::Kind::leave) return;
  const bool switched = rollout_.state == RolloutState::watching;
  // A restore stopped what serves. Whatever ends before the switch starts it again.
  bool serves = switched || !rollout_.restore || rollout_.from == 0;
  const auto serve = [&] {
    if (std::exchange(serves, true)) return;
    start_again(rollout_.from);
  };
  if (stopped && ending.kind == Ending::Kind::superseded) {
    // Whoever took over goes on meanwhile, unless it is about that release itself.
    if (!serves) shared_.leaving(rollout_.from);
    return serve();
  }
  if (stopped && switched) {
    if (Status back = take_back(ending.by, ending.reason, {}); !back)
      log_error("a release was not taken back",
                {{"rollout", rollout_.id.str()}, {"error", back.error().message}});
    return;
  }
  if (error.phase.empty() && !rollout_.steps.empty()) error.phase = rollout_.steps.back().name;
  // All traffic goes to it already; what failed came after. What served before is let go, but not
  // while routes lead to it.
  if (switched && publish()) {
    std::ignore = drain(error.message);
    return;
  }
  record_end(
      [&] {
        return record([&](Rollout& change) -> Status {
          end_step(change, stopped ? "canceled" : "failed");
          change.ended_at = parts_.clock.now();
          if (stopped) {
            change.state = RolloutState::canceled;
            change.reason = ending.reason;
          } else if (switched) {
            change.state = RolloutState::done;
            change.reason = error.message;
          } else {
            change.state = RolloutState::failed;
            change.reason = error.message;
            change.error = error;
          }
          return {};
        });
      },
      serve);
  if (switched) return;
  if (!serves) shared_.leaving(rollout_.from);
  serve();
  shared_.routes.clear_canary(rollout_.project, rollout_.environment);
  if (Status published = publish(); !published)
    log_error("an environment's routes were not changed",
              {{"rollout", rollout_.id.str()}, {"error", published.error().message}});
  const auto state = parts_.store.environment(rollout_.project, rollout_.environment);
  const bool in_use = state && (state->current == rollout_.to || state->previous == rollout_.to);
  if (!in_use) {
    shared_.leaving(rollout_.to);
    std::ignore = parts_.crews.stop(key(), parts_.settings.releases.drain);
    shared_.routes.forget(key());
  }
  if (!stopped) {
    log_warn("a rollout failed", {{"rollout", rollout_.id.str()},
                                  {"project", rollout_.project},
                                  {"environment", rollout_.environment},
                                  {"phase", error.phase},
                                  {"error", error.message}});
    alert("rollout.failed");
  }
  std::ignore = parts_.store.retire(by_system("releases"), rollout_.project, rollout_.environment,
                                    parts_.settings.releases.keep);
}

bool RolloutDriver::server_ends() const {
  return stop_.stop_requested() && ending_().kind == Ending::Kind::leave;
}

Status RolloutDriver::insist(std::string_view what, const std::function<Status()>& work) {
  std::string said;
  for (std::uint64_t seen = shared_.ticker.now();;) {
    Status done = work();
    if (done) return done;
    const Error& error = done.error();
    if (error.code != Errc::disk_full && error.code != Errc::io && error.code != Errc::unavailable)
      return done;
    if (std::exchange(said, error.message) != error.message)
      log_error("a rollout cannot go on yet",
                {{"rollout", rollout_.id.str()}, {"what", what}, {"error", error.message}});
    if (server_ends()) return fail(Errc::canceled, "the server ends");
    // Whoever cancels it waits for us, so another stop is no reason to give up.
    shared_.ticker.wait(seen, {});
  }
}

void RolloutDriver::record_end(const std::function<Status()>& write,
                               const std::function<void()>& meanwhile) {
  bool first = true;
  const Status written = insist("its end is not recorded", [&] {
    Status done = write();
    if (!done && std::exchange(first, false) && meanwhile) meanwhile();
    return done;
  });
  if (!written && written.error().code == Errc::canceled) return;
  over_ = true;
  // Whoever took over has ended it.
  if (!written && written.error().code != Errc::failed_precondition)
    log_error("the end of a rollout was not recorded",
              {{"rollout", rollout_.id.str()}, {"error", written.error().message}});
}

Status RolloutDriver::publish(std::int64_t* micros) {
  return insist("its routes are not changed", [&]() -> Status {
    SLIPWAY_TRY(const std::int64_t took,
                shared_.routes.publish(rollout_.project, rollout_.environment));
    if (micros != nullptr) *micros = took;
    return {};
  });
}

Status RolloutDriver::record(const Change& change) {
  auto updated = parts_.store.update(by_, rollout_.id, change);
  if (!updated) return fail(std::move(updated).error());
  rollout_ = *std::move(updated);
  shared_.changed(rollout_.id);
  return {};
}

void RolloutDriver::end_step(Rollout& rollout, std::string_view state) const {
  if (rollout.steps.empty() || rollout.steps.back().state != "running") return;
  Step& step = rollout.steps.back();
  step.state = state;
  const auto since =
      std::chrono::round<std::chrono::milliseconds>(parts_.clock.now() - rollout.created_at);
  step.took_ms = since.count() - step.started_ms;
}

Status RolloutDriver::begin_step(std::string_view name, std::string_view detail,
                                 const Change& also) {
  if (stop_.stop_requested()) return fail(Errc::canceled, "canceled");
  return record([&](Rollout& change) -> Status {
    end_step(change, "done");
    change.steps.push_back({.name = std::string(name),
                            .state = "running",
                            .started_ms = std::chrono::round<std::chrono::milliseconds>(
                                              parts_.clock.now() - change.created_at)
                                              .count(),
                            .detail = std::string(detail)});
    return also ? also(change) : Status();
  });
}

bool RolloutDriver::step_done(std::string_view name) const {
  return std::ranges::any_of(
      rollout_.steps, [&](const Step& step) { return step.name == name && step.state == "done"; });
}

void RolloutDriver::alert(std::string_view event) const {
  if (!parts_.alert) return;
  parts_.alert(
      {.event = std::string(event),
       .rollout = rollout_,
       .url = parts_.names.url(parts_.names.release_host(rollout_.project, rollout_.environment))});
}

ReleaseSample RolloutDriver::sample(const Crews::Key& key) const {
  ReleaseSample out = parts_.crews.sample(key);
  out.traffic = shared_.routes.stats(key)->sample();
  return out;
}

}  // namespace slipway
