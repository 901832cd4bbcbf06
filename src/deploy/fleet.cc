#include "deploy/fleet.h"

#include <unordered_set>

#include "base/log.h"
#include "base/task_group.h"
#include "base/text.h"
#include "deploy/fleet_entry.h"

namespace slipway {

using namespace std::chrono_literals;

namespace {

// How long a start waits for others to make room when all that could is being started or stopped.
constexpr Duration room_patience = 5s;

}  // namespace

Fleet::Fleet(Parts parts, LostHandler lost)
    : parts_(parts),
      lost_(std::move(lost)),
      launcher_({.spec = {.settings = parts.settings,
                          .repository = parts.repository,
                          .layers = parts.layers,
                          .builder = parts.builder,
                          .names = parts.names,
                          .environments = parts.environments,
                          .previews = parts.volumes},
                 .clock = parts.clock,
                 .engine = parts.engine},
                [this](const std::string& sandbox, const SandboxExit& exit) {
                  handle_exit(sandbox, exit);
                }) {}

Fleet::~Fleet() {
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, entry] : entries_) entry->stop.request_stop();
  }
  workers_.stop();
  ends_.stop();
  looks_.stop();
}

std::filesystem::path Fleet::log_directory(const DeploymentId& id, std::string_view label) const {
  return parts_.settings.data / "logs" / id.str() /
         (label.empty() ? "run" : fmt::format("run-{}", label));
}

Fleet::EntryPtr Fleet::entry(const Deployment& deployment) {
  const MutexLock lock(mutex_);
  auto& entry = entries_[deployment.id];
  if (!entry)
    entry = std::make_shared<Entry>(deployment.id, deployment.project, parts_.clock.monotonic());
  return entry;
}

Fleet::EntryPtr Fleet::find(const DeploymentId& id) const {
  const MutexLock lock(mutex_);
  const auto at = entries_.find(id);
  return at == entries_.end() ? nullptr : at->second;
}

Fleet::MemberPtr Fleet::member(Entry& entry, std::string_view label) {
  const MutexLock lock(mutex_);
  for (const MemberPtr& each : entry.members)
    if (each->label == label) return each;
  return entry.members.emplace_back(std::make_shared<Member>(entry.id, label));
}

std::vector<Fleet::MemberPtr> Fleet::members(const Entry& entry) const {
  const MutexLock lock(mutex_);
  return entry.members;
}

std::shared_ptr<Backend> Fleet::backend(const Deployment& deployment, std::string_view label) {
  return member(*entry(deployment), label)->backend;
}

void Fleet::post(const EntryPtr& entry, std::function<void()> task,
                 std::chrono::milliseconds delay) {
  workers_.post({.key = entry->project}, std::move(task), delay);
}

void Fleet::set_unready(const Entry& entry, const std::function<void(Backend&)>& change) const {
  for (const MemberPtr& each : members(entry))
    if (each->backend->state() != Backend::State::ready) change(*each->backend);
}

Status Fleet::start(const Deployment& deployment, std::stop_token stop) {
  const EntryPtr entry = this->entry(deployment);
  const MutexLock operation(entry->operation);
  Status started = start_members(entry, deployment, std::move(stop));
  if (!started)
    set_unready(*entry, [&](Backend& backend) { backend.set_crashed(started.error()); });
  return started;
}

Status Fleet::start_members(const EntryPtr& entry, const Deployment& deployment,
                            std::stop_token stop) {
  // The first that fails ends the others; so does whoever removes it.
  std::stop_source others;
  const std::stop_callback pass_on(stop, [&] { others.request_stop(); });
  const std::stop_callback on_removal(entry->stop.get_token(), [&] { others.request_stop(); });
  {
    // Two of one deployment would share its volumes.
    const MutexLock lock(mutex_);
    std::ignore = changed_.wait(mutex_, others.get_token(), [&]() SLIPWAY_REQUIRES(mutex_) {
      return !ending_.contains(entry->id);
    });
  }
  struct Launched {
    MemberPtr member;
    Unit unit;
    std::string sandbox;
    Status outcome;
  };
  std::vector<Launched> launched;
  const std::vector<Unit> units = units_of(deployment);
  const auto named = [&](Error error, const Unit& unit) -> Status {
    if (units.size() > 1 && error.code != Errc::canceled)
      error.message = fmt::format("{}: {}", sanitize_line(unit.name()), error.message);
    for (const Launched& each : launched) {
      stop_instance(*each.member);
      each.member->backend->set_waking();
    }
    return fail(std::move(error));
  };
  for (const Unit& unit : units) {
    if (!unit.has_instance()) continue;
    const MemberPtr member = this->member(*entry, unit.label);
    if (member->backend->state() == Backend::State::ready) continue;
    if (others.stop_requested())
      return named({.code = Errc::canceled, .message = "canceled while starting"}, unit);
    member->backend->set_waking();
    if (Status started = launch(entry, member, deployment, unit); !started)
      return named(std::move(started).error(), unit);
    const MutexLock lock(mutex_);
    launched.push_back({.member = member, .unit = unit, .sandbox = member->sandbox});
  }
  // All at once: one may need another before it answers.
  const auto settle = [&](Launched& each) {
    auto endpoint =
        launcher_.wait_until_ready({.deployment = deployment,
                                    .unit = each.unit,
                                    .placement = preview_placement,
                                    .sandbox = each.sandbox,
                                    .log_directory = log_directory(deployment.id, each.unit.label)},
                                   others.get_token());
    if (!endpoint) {
      each.outcome = fail(std::move(endpoint).error());
      others.request_stop();
      return;
    }
    each.member->backend->touch(parts_.clock.monotonic());
    each.member->backend->set_ready(*std::move(endpoint));
  };
  run_side_by_side("starts", launched.size(), [&](std::size_t i) { settle(launched[i]); });
  // The one that failed by itself, not those that were told to give up.
  for (const Errc skipped : {Errc::canceled, Errc::internal})
    for (Launched& each : launched)
      if (!each.outcome && (skipped == Errc::internal || each.outcome.error().code != skipped))
        return named(std::move(each.outcome).error(), each.unit);
  return {};
}

Status Fleet::launch(const EntryPtr& entry, const MemberPtr& member, const Deployment& deployment,
                     const Unit& unit) {
  SLIPWAY_CHECK(make_room(*entry));
  const std::string sandbox = fmt::format("{}-{}", deployment.id.tail(), random_id().substr(0, 6));
  {
    const MutexLock lock(mutex_);
    if (entry->removed) return fail(Errc::canceled, "the deployment was removed");
    member->routed = unit.is_routed();
    member->sandbox = sandbox;
    member->started = parts_.clock.monotonic();
    by_sandbox_[sandbox] = {entry, member};
    ++running_;
  }
  const std::filesystem::path log = log_directory(deployment.id, member->label);
  const InstanceLauncher::Subject subject{.deployment = deployment,
                                          .unit = unit,
                                          .placement = preview_placement,
                                          .sandbox = sandbox,
                                          .log_directory = log};
  Status started = launcher_.launch(subject);
  if (!started)
    stop_instance(*member);
  else
    join_siblings(*entry, subject);
  return started;
}

void Fleet::join_siblings(Entry& entry, const InstanceLauncher::Subject& subject) {
  launcher_.join_siblings(subject, [&](std::string_view label) -> Links::Connect {
    return [other = this->member(entry, label)->backend]() -> Result<Fd> {
      const auto endpoint = other->endpoint();
      if (!endpoint) return fail(Errc::unavailable, "it is not ready");
      return endpoint->dialer->dial(endpoint->port, endpoint->ipv6);
    };
  });
}

void Fleet::stop_instance(Member& member) {
  std::string sandbox;
  {
    const MutexLock lock(mutex_);
    sandbox = std::exchange(member.sandbox, {});
    if (sandbox.empty()) return;
    by_sandbox_.erase(sandbox);
    --running_;
    ++freed_;
  }
  changed_.notify_all();
  launcher_.stop(sandbox);
}

bool Fleet::may_sleep(const Entry& entry) {
  bool wakeable = false;
  for (const MemberPtr& each : entry.members) {
    if (each->sandbox.empty()) continue;
    if (each->backend->state() != Backend::State::ready) return false;
    if (each->routed && each->backend->open_requests() > 0) return false;
    wakeable = wakeable || each->routed;
  }
  return wakeable;
}

Status Fleet::make_room(const Entry& wanted) {
  std::unordered_set<const Entry*> busy;  // somebody else starts or stops them
  for (;;) {
    EntryPtr victim;
    Duration victim_used{};
    {
      MutexLock lock(mutex_);
      if (running_ < parts_.settings.previews.max_running) return {};
      for (const auto& [id, entry] : entries_) {
        if (entry.get() == &wanted || busy.contains(entry.get()) || !may_sleep(*entry)) continue;
        Duration used{};
        for (const MemberPtr& each : entry->members)
          used = std::max(used, each->backend->last_request());
        if (!victim || used < victim_used) {
          victim = entry;
          victim_used = used;
        }
      }
      if (!victim) {
        // Whoever is busy with the others may be making room.
        const std::uint64_t seen = freed_;
        if (busy.empty() ||
            !changed_.wait_for(mutex_, room_patience,
                               [&]() SLIPWAY_REQUIRES(mutex_) { return freed_ != seen; }))
          return fail(
              Errc::over_budget,
              fmt::format("all {} instances are busy", parts_.settings.previews.max_running),
              "wait for one to fall idle, remove one with `slipway rm`, or raise "
              "previews.max_running");
        busy.clear();
        continue;
      }
    }
    if (!sleep_now(victim, "evicted")) busy.insert(victim.get());
  }
}

void Fleet::remove(const DeploymentId& id) {
  EntryPtr entry;
  std::vector<MemberPtr> members;
  {
    const MutexLock lock(mutex_);
    const auto at = entries_.find(id);
    if (at == entries_.end()) return;
    entry = std::move(at->second);
    entries_.erase(at);
    entry->removed = true;
    members = entry->members;
    ++ending_[id];
  }
  entry->stop.request_stop();
  for (const MemberPtr& each : members)
    each->backend->set_crashed({.code = Errc::not_found, .message = "the deployment was removed"});
  ends_.post({.key = entry->project}, [this, entry] { end_removed(entry); });
}

void Fleet::end_removed(const EntryPtr& entry) {
  {
    const MutexLock operation(entry->operation);
    for (const MemberPtr& each : members(*entry)) {
      // It may have become ready just before it was told to give up.
      each->backend->set_crashed(
          {.code = Errc::not_found, .message = "the deployment was removed"});
      stop_instance(*each);
    }
  }
  const MutexLock lock(mutex_);
  if (const auto at = ending_.find(entry->id); --at->second == 0) ending_.erase(at);
  changed_.notify_all();
}

bool Fleet::wait_until_ended(const DeploymentId& id, Duration most) {
  const MutexLock lock(mutex_);
  return changed_.wait_for(mutex_, most,
                           [&]() SLIPWAY_REQUIRES(mutex_) { return !ending_.contains(id); });
}

Fleet::Counts Fleet::counts() const {
  const MutexLock lock(mutex_);
  return {.running = running_,
          .known = entries_.size(),
          .wakes = wakes_,
          .crashes = crashes_,
          .sleeps = sleeps_};
}

Duration Fleet::last_used(const DeploymentId& id) const {
  const EntryPtr entry = find(id);
  if (!entry) return Duration::zero();
  Duration used = entry->known_since;
  for (const MemberPtr& each : members(*entry))
    used = std::max(used, each->backend->last_request());
  return used;
}

Result<Usage> Fleet::usage(const DeploymentId& id) {
  std::vector<std::string> sandboxes;
  if (const EntryPtr entry = find(id)) {
    const MutexLock lock(mutex_);
    for (const MemberPtr& each : entry->members)
      if (!each->sandbox.empty()) sandboxes.push_back(each->sandbox);
  }
  if (sandboxes.empty()) return fail(Errc::not_found, "no instance runs");
  Usage all;
  for (const std::string& sandbox : sandboxes) {
    SLIPWAY_TRY(const Usage one, parts_.engine.usage(sandbox));
    all.cpu_micros += one.cpu_micros;
    all.memory_bytes += one.memory_bytes;
    all.memory_peak_bytes += one.memory_peak_bytes;
    all.oom_kills += one.oom_kills;
  }
  return all;
}

}  // namespace slipway
