// The threads that drive rollouts.
#include <algorithm>

#include "base/at_end.h"
#include "base/log.h"
#include "release/releases_state.h"

namespace slipway {

void Releases::State::notify() {
  const MutexLock lock(mutex);
  ++revision;
  changed.notify_all();
}

Status Releases::State::background(std::function<void()> work, TaskGroup::OnFailure on_failure) {
  return tasks.start(
      [this, work = std::move(work)](const std::stop_token&) {
        const AtEnd news([this] { notify(); });
        work();
      },
      [this, on_failure = std::move(on_failure)](const Error& error) mutable {
        const AtEnd news([this] { notify(); });
        if (on_failure) on_failure(error);
      });
}

void Releases::State::submit(const Rollout& rollout) {
  auto drive_of = std::make_shared<Drive>();
  drive_of->id = rollout.id;
  drive_of->project = rollout.project;
  drive_of->environment = rollout.environment;
  drive_of->to = rollout.to;
  {
    const MutexLock lock(mutex);
    if (stopping || drives.contains(rollout.id)) return;
    drives[rollout.id] = drive_of;
  }
  const Status started = background(
      [this, drive_of] {
        drive(drive_of);
        forget(drive_of);
      },
      [this, drive_of](const Error& error) {
        const AtEnd end([&] { forget(drive_of); });
        give_up(drive_of, error);
      });
  if (started) return;
  log_error("a rollout waits for a thread",
            {{"rollout", rollout.id.str()}, {"error", started.error().message}});
  forget(drive_of);
  const MutexLock lock(mutex);
  if (!stopping) unstarted.insert(rollout.id);
}

void Releases::State::forget(const std::shared_ptr<Drive>& drive_of) {
  const MutexLock lock(mutex);
  drives.erase(drive_of->id);
  changed.notify_all();
}

void Releases::State::give_up(const std::shared_ptr<Drive>& drive_of, const Error& error) {
  auto rollout = parts.store.rollout(drive_of->id);
  if (!rollout || is_over(rollout->state)) return;
  driver_of(drive_of, *std::move(rollout)).give_up(error);
}

void Releases::State::drive(const std::shared_ptr<Drive>& drive_of) {
  {
    // The one before it, which gave way, ends first; but for letting go of a release that this one
    // does not need.
    MutexLock lock(mutex);
    changed.wait(mutex, [&]() SLIPWAY_REQUIRES(mutex) {
      return stopping || std::ranges::none_of(drives, [&](const auto& each) {
               const Drive& other = *each.second;
               return other.id != drive_of->id && other.project == drive_of->project &&
                      other.environment == drive_of->environment &&
                      (!other.leaving || *other.leaving == drive_of->to);
             });
    });
    if (stopping) return;
  }
  auto rollout = parts.store.rollout(drive_of->id);
  if (!rollout || is_over(rollout->state)) return;
  driver_of(drive_of, *std::move(rollout)).run();
}

RolloutDriver Releases::State::driver_of(const std::shared_ptr<Drive>& drive_of, Rollout rollout) {
  return RolloutDriver({.parts = parts,
                        .routes = routes,
                        .ticker = ticker,
                        .changed = [this](const RolloutId&) { notify(); },
                        .leaving =
                            [this, drive_of](std::int64_t release) {
                              const MutexLock lock(mutex);
                              drive_of->leaving = release;
                              changed.notify_all();
                            }},
                       std::move(rollout), drive_of->stop.get_token(), [this, drive_of] {
                         const MutexLock lock(mutex);
                         return drive_of->ending;
                       });
}

bool Releases::State::end(const RolloutId& id, const RolloutDriver::Ending& ending) {
  MutexLock lock(mutex);
  const auto at = drives.find(id);
  if (at == drives.end()) return false;
  at->second->ending = ending;
  at->second->stop.request_stop();
  const std::shared_ptr<Drive> drive_of = at->second;
  changed.wait(mutex,
               [&]() SLIPWAY_REQUIRES(mutex) { return !drives.contains(id) || drive_of->leaving; });
  return true;
}

void Releases::State::let_go(const std::vector<Rollout>& replaced, const Rollout& next) {
  for (const Rollout& each : replaced) {
    {
      const MutexLock lock(mutex);
      if (const auto at = drives.find(each.id); at != drives.end()) {
        at->second->ending.kind = RolloutDriver::Ending::Kind::superseded;
        at->second->stop.request_stop();
      }
    }
    if (!each.approval.empty() && each.state == RolloutState::canceled)
      if (const auto id = ApprovalId::parse(each.approval))
        std::ignore = parts.governance.close(by_system("releases"), *id, "withdrawn", each.reason);
    // What it kept warm to go back to.
    if (each.switched_at && each.from != 0 && each.from != next.to && each.from != next.from) {
      const auto stop = [this, key = Crews::Key{each.project, each.environment, each.from}] {
        std::ignore = parts.crews.stop(key, parts.settings.releases.drain);
        routes.forget(key);
      };
      if (background(stop)) continue;
      const bool leaving = [&] {
        const MutexLock lock(mutex);
        return stopping;
      }();
      if (!leaving) stop();  // late, but done; else the next start does it
    }
  }
}

}  // namespace slipway
