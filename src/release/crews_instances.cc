// One instance's life: it is started, put in service, ends, is started again, is retired.
#include <algorithm>
#include <thread>

#include "base/ids.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/text.h"
#include "release/crews_state.h"
#include "release/release_placement.h"

namespace slipway {

using namespace std::chrono_literals;
using Phase = CrewMember::Phase;

namespace {

constexpr Duration first_delay = 250ms, longest_delay = 30s;
constexpr auto drain_look = 10ms;

Duration delay_of(unsigned attempt) {
  return std::min<Duration>(longest_delay, first_delay * (1u << std::min(attempt, 10u)));
}

std::string how(const SandboxExit& exit, bool disk_full) {
  if (disk_full) return "its disk was full";
  if (exit.out_of_memory) return "it ran out of memory";
  return exit.signal > 0 ? fmt::format("it was ended by signal {}", exit.signal)
                         : fmt::format("it exited with {}", exit.code);
}

}  // namespace

Result<Placement> Crews::State::placement(const Release& release, const Unit& unit) const {
  Placement out = release_placement(parts.names, release);
  if (const auto layer = release.release_layers.find(std::string(unit.label));
      layer != release.release_layers.end())
    out.release_layer = layer->second;
  SLIPWAY_TRY(out.volumes, parts.volumes.binds(release.project, release.environment, unit));
  out.labels = {{"environment", release.environment}, {"release", std::to_string(release.number)}};
  return out;
}

CrewMemberPtr Crews::State::add_member(Crew& crew, const Unit& unit) {
  const MutexLock lock(mutex);
  std::size_t slot = 0;
  const auto taken = [&] {
    return std::ranges::any_of(crew.members, [&](const CrewMemberPtr& each) {
      return each->label == unit.label && each->slot == slot;
    });
  };
  while (taken()) ++slot;
  auto member =
      std::make_shared<CrewMember>(crew.plan->deployment.id, unit.label, unit.is_routed(), slot);
  member->backend->set_waking();
  member->since = parts.clock.monotonic();
  member->busy = true;
  return crew.members.emplace_back(std::move(member));
}

void Crews::State::drop(Crew& crew, const CrewMember& member) {
  if (member.routed) pool(crew, member.label)->remove(member.backend.get());
  {
    const MutexLock lock(mutex);
    std::erase_if(crew.members, [&](const auto& each) { return each.get() == &member; });
  }
  changed.notify_all();
  member.backend->set_crashed({.code = Errc::unavailable, .message = "the instance was stopped"});
}

Result<Backend::Endpoint> Crews::State::with_subject(
    const CrewPtr& crew, const CrewMemberPtr& member,
    const std::function<Result<Backend::Endpoint>(const InstanceLauncher::Subject&)>& run) {
  std::shared_ptr<const CrewPlan> plan;
  std::string sandbox;
  {
    const MutexLock lock(mutex);
    plan = crew->plan;
    sandbox = member->sandbox;
  }
  if (!plan) return fail(Errc::canceled, "the release was stopped");
  const auto unit = find_unit(plan->deployment, member->label);
  if (!unit) return fail(Errc::internal, "the release has no service " + member->label);
  SLIPWAY_TRY(Placement placement, this->placement(plan->release, *unit));
  placement.labels.emplace_back("slot", std::to_string(member->slot));
  const std::filesystem::path log = log_directory(crew->key, member->label, member->slot);
  return run({.deployment = plan->deployment,
              .unit = *unit,
              .placement = placement,
              .sandbox = sandbox,
              .log_directory = log});
}

void Crews::State::join(Crew& crew, const InstanceLauncher::Subject& subject) {
  launcher.join_siblings(subject, [&](std::string_view label) -> Links::Connect {
    return [others = pool(crew, label)]() -> Result<Fd> {
      const auto other = others->choose();
      const auto there = other ? other->endpoint() : nullptr;
      if (!there) return fail(Errc::unavailable, "it is not ready");
      return there->dialer->dial(there->port, there->ipv6);
    };
  });
}

Result<Backend::Endpoint> Crews::State::bring_up(const CrewPtr& crew, const CrewMemberPtr& member,
                                                 std::stop_token stop,
                                                 std::optional<SandboxExit>* ended) {
  std::string sandbox;
  {
    const MutexLock lock(mutex);
    SLIPWAY_CHECK(crew->plan->verified);
    sandbox = fmt::format("r{}-{}-{}", crew->key.number, crew->plan->deployment.id.tail(),
                          random_id().substr(0, 6));
    member->sandbox = sandbox;
    by_sandbox[sandbox] = {crew, member};
  }
  auto endpoint = with_subject(
      crew, member, [&](const InstanceLauncher::Subject& subject) -> Result<Backend::Endpoint> {
        if (stop.stop_requested()) return fail(Errc::canceled, "canceled while starting");
        SLIPWAY_CHECK(launcher.launch(subject));
        join(*crew, subject);
        return launcher.wait_until_ready(subject, stop);
      });
  if (endpoint) return endpoint;
  if (ended != nullptr) *ended = launcher.exit_of(sandbox, Duration::zero());
  stop_sandbox(*member);
  return endpoint;
}

void Crews::State::put_in_service(const CrewPtr& crew, const CrewMemberPtr& member,
                                  Backend::Endpoint endpoint) {
  const std::shared_ptr<BackendPool> pool =
      member->routed ? this->pool(*crew, member->label) : nullptr;
  std::string sandbox;
  {
    const MutexLock lock(mutex);
    member->phase = Phase::ready;
    member->since = parts.clock.monotonic();
    member->next_check = member->since + parts.settings.releases.health_interval;
    member->failures = 0;
    member->busy = false;
    sandbox = member->sandbox;
  }
  member->backend->touch(parts.clock.monotonic());
  member->backend->set_ready(std::move(endpoint));
  if (pool) {
    const std::vector<std::shared_ptr<Backend>> seated = pool->backends();
    if (std::ranges::find(seated, member->backend) == seated.end())
      pool->add(member->backend);
    else
      pool->set_in_service(member->backend.get(), true);
  }
  changed.notify_all();
  // It may have ended before anybody listened.
  if (const auto exit = launcher.exit_of(sandbox, Duration::zero()))
    handle_end(sandbox, *exit, Cause::ended);
  const MutexLock lock(mutex);
  if (!member->runs()) member->backend->set_waking();
}

Status Crews::State::start_all(const CrewPtr& crew, const std::vector<CrewMemberPtr>& members,
                               std::stop_token stop) {
  if (members.empty()) return {};
  // The first that fails ends the others; so does whoever stops the crew.
  std::stop_source others;
  const std::stop_callback on_stop(stop, [&] { others.request_stop(); });
  std::stop_token crew_stop;
  std::size_t units = 0;
  {
    const MutexLock lock(mutex);
    crew_stop = crew->stop.get_token();
    units = units_of(crew->plan->deployment).size();
  }
  const std::stop_callback on_crew_stop(crew_stop, [&] { others.request_stop(); });
  std::vector<Status> outcomes(members.size());
  const auto start_one = [&](std::size_t i) {
    auto endpoint = bring_up(crew, members[i], others.get_token());
    if (endpoint) return put_in_service(crew, members[i], *std::move(endpoint));
    outcomes[i] = fail(std::move(endpoint).error());
    others.request_stop();
  };
  run_side_by_side("starting", members.size(), start_one);
  // The one that failed by itself, not those that were told to give up.
  const Status* failed = nullptr;
  std::size_t which = 0;
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (!outcomes[i] && (failed == nullptr || failed->error().code == Errc::canceled)) {
      failed = &outcomes[i];
      which = i;
    }
  if (failed == nullptr) return {};
  Error error = failed->error();
  if (units > 1 && error.code != Errc::canceled && !members[which]->label.empty())
    error.message = fmt::format("{}: {}", members[which]->label, error.message);
  std::vector<CrewMemberPtr> started;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (outcomes[i])
      started.push_back(members[i]);
    else
      drop(*crew, *members[i]);
  }
  retire(crew, started, parts.settings.releases.drain, crew_stop);
  return fail(std::move(error));
}

void Crews::State::stop_sandbox(CrewMember& member) {
  std::string sandbox;
  {
    const MutexLock lock(mutex);
    sandbox = std::exchange(member.sandbox, {});
    by_sandbox.erase(sandbox);
  }
  if (!sandbox.empty()) launcher.stop(sandbox);
}

void Crews::State::retire(const CrewPtr& crew, const std::vector<CrewMemberPtr>& members,
                          Duration drain, std::stop_token stop) {
  const auto retire_one = [&](const CrewMemberPtr& member) {
    {
      MutexLock lock(mutex);
      changed.wait(mutex, [&]() SLIPWAY_REQUIRES(mutex) { return !member->busy || leaving; });
      if (leaving) return;
      member->busy = true;
      member->phase = Phase::draining;
    }
    if (member->routed) {
      // Whoever has been given it counts as an open request from that moment on.
      pool(*crew, member->label)->remove(member->backend.get());
      const Deadline deadline = Deadline::after(parts.clock, drain);
      while (member->backend->open_requests() > 0 && !deadline.passed(parts.clock) &&
             member->backend->state() == Backend::State::ready && !stop.stop_requested() &&
             !leaving)
        std::this_thread::sleep_for(drain_look);
      if (leaving) return;
    }
    stop_sandbox(*member);
    drop(*crew, *member);
  };
  run_side_by_side("draining", members.size(), [&](std::size_t i) { retire_one(members[i]); });
}

void Crews::State::count_end(Crew& crew, CrewMember& member, const SandboxExit& exit, Cause cause) {
  const Duration now = parts.clock.monotonic();
  ++member.restarts;
  ++crew.restarts;
  if (exit.out_of_memory) ++crew.out_of_memory;
  member.ends.push_back(now);
  while (member.ends.front() < now - crash_window) member.ends.pop_front();
  member.detail = how(exit, cause == Cause::disk_full);
  log_info("an instance of a release ended by itself", {{"project", crew.key.project},
                                                        {"environment", crew.key.environment},
                                                        {"release", crew.key.number},
                                                        {"service", member.label},
                                                        {"how", member.detail},
                                                        {"recent", member.ends.size()}});
}

void Crews::State::handle_end(const std::string& sandbox, const SandboxExit& exit, Cause cause) {
  CrewPtr crew;
  CrewMemberPtr member;
  {
    const MutexLock lock(mutex);
    const auto owner = by_sandbox.find(sandbox);
    if (owner == by_sandbox.end()) return;
    crew = owner->second.crew.lock();
    member = owner->second.member;
    // While it starts or stops, whoever does that notices.
    if (!crew || !member->runs() || member->sandbox != sandbox) return;
    if (parts.clock.monotonic() - member->since >= crash_window) member->attempts = 0;
    member->phase = Phase::restarting;
    member->since = parts.clock.monotonic();
    count_end(*crew, *member, exit, cause);
    member->backend->set_waking();
  }
  if (member->routed) pool(*crew, member->label)->set_in_service(member->backend.get(), false);
  changed.notify_all();
  schedule_restart(crew, member);
}

void Crews::State::schedule_restart(const CrewPtr& crew, const CrewMemberPtr& member) {
  Duration delay{};
  {
    const MutexLock lock(mutex);
    delay = delay_of(member->attempts++);
    member->restart_at = parts.clock.monotonic() + delay;
  }
  work.post(
      share_of(crew->key), [this, crew, member] { restart(crew, member); },
      std::chrono::ceil<std::chrono::milliseconds>(delay));
}

void Crews::State::start_missing(const CrewPtr& crew) {
  for (const Unit& unit : units_of(crew->plan->deployment)) {
    if (!unit.has_instance()) continue;
    std::size_t have = 0;
    {
      const MutexLock lock(mutex);
      have = static_cast<std::size_t>(
          std::ranges::count_if(crew->members, [&](const CrewMemberPtr& member) {
            return member->label == unit.label && member->phase != Phase::draining;
          }));
    }
    // Requests wait for these.
    for (std::size_t wanted = unit.is_routed() ? crew->instances : 1; have < wanted; ++have) {
      const CrewMemberPtr member = add_member(*crew, unit);
      {
        const MutexLock lock(mutex);
        member->phase = Phase::restarting;
        member->busy = false;
        member->restart_at = parts.clock.monotonic();
      }
      if (member->routed) {
        pool(*crew, member->label)->add(member->backend);
        pool(*crew, member->label)->set_in_service(member->backend.get(), false);
      }
      work.post(share_of(crew->key), [this, crew, member] { restart(crew, member); });
    }
  }
}

void Crews::State::restart(const CrewPtr& crew, const CrewMemberPtr& member) {
  std::stop_token stop;
  {
    const MutexLock lock(mutex);
    stop = crew->stop.get_token();
    if (stop.stop_requested() || member->phase != Phase::restarting || member->busy ||
        member->restart_at > parts.clock.monotonic())
      return;
    member->busy = true;
  }
  stop_sandbox(*member);  // what is left of the one that ended
  std::optional<SandboxExit> ended;
  auto endpoint = bring_up(crew, member, stop, &ended);
  if (endpoint) return put_in_service(crew, member, *std::move(endpoint));
  {
    const MutexLock lock(mutex);
    member->busy = false;
    if (ended) count_end(*crew, *member, *ended, Cause::ended);
    member->detail = endpoint.error().message;
  }
  changed.notify_all();
  if (!stop.stop_requested()) schedule_restart(crew, member);
}

}  // namespace slipway
