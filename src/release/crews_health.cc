// What is looked at once a second: health paths, restarts that are due, disks.
#include "base/log.h"
#include "base/mutex.h"
#include "deploy/readiness.h"
#include "http/probe.h"
#include "release/crews_state.h"

namespace slipway {

using namespace std::chrono_literals;
using Phase = CrewMember::Phase;

namespace {

constexpr Duration longest_answer = 5s;
constexpr Duration disk_check_interval = 10s;
// How long an app that was found at a port of its own may take to open the one it was told.
constexpr Duration port_patience = 60s;

}  // namespace

void Crews::State::tick() {
  struct Due {
    CrewPtr crew;
    CrewMemberPtr member;
  };
  std::vector<Due> to_restart, to_check, to_replace, to_measure;
  {
    const MutexLock lock(mutex);
    const Duration now = parts.clock.monotonic();
    const bool measure = now - last_disk_check >= disk_check_interval;
    if (measure) last_disk_check = now;
    for (const auto& [key, crew] : crews) {
      if (crew->stop.stop_requested()) continue;
      for (const CrewMemberPtr& member : crew->members) {
        if (member->phase == Phase::restarting && !member->busy && member->restart_at <= now)
          to_restart.push_back({crew, member});
        if (!member->runs()) continue;
        if (measure) to_measure.push_back({crew, member});
        if (!member->routed) continue;
        if (!member->checking && member->next_check <= now) {
          member->checking = true;
          to_check.push_back({crew, member});
        }
        if (member->phase == Phase::unhealthy && !member->busy &&
            now - member->since >= parts.settings.releases.replace_after) {
          member->busy = true;
          to_replace.push_back({crew, member});
        }
      }
    }
  }
  for (const auto& [crew, member] : to_restart)
    work.post(share_of(crew->key), [this, crew, member] { restart(crew, member); });
  for (const auto& [crew, member] : to_replace)
    work.post(share_of(crew->key), [this, crew, member] { replace_unhealthy(crew, member); });
  for (const auto& [crew, member] : to_check)
    checks.post(share_of(crew->key), [this, crew, member] { check(crew, member); });
  for (const auto& [crew, member] : to_measure)
    checks.post(share_of(crew->key), [this, member] { check_disk(member); });
}

void Crews::State::check(const CrewPtr& crew, const CrewMemberPtr& member) {
  std::shared_ptr<const CrewPlan> plan;
  std::string sandbox;
  {
    const MutexLock lock(mutex);
    plan = crew->plan;
    sandbox = member->sandbox;
    if (!plan) {  // it was stopped
      member->checking = false;
      return;
    }
  }
  const auto unit = find_unit(plan->deployment, member->label);
  const std::string path = unit ? unit->artifact->health_path : "/";
  revise_port(*member, sandbox);
  const auto endpoint = member->backend->endpoint();
  std::string problem = "it has no endpoint";
  if (endpoint) {
    problem.clear();
    auto socket = endpoint->dialer->dial(endpoint->port, endpoint->ipv6);
    const auto answer =
        socket ? probe_http(*std::move(socket),
                            parts.names.release_host(crew->key.project, crew->key.environment,
                                                     member->label),
                            path, longest_answer)
               : Result<int>(fail(socket.error()));
    // What does not speak HTTP was ready when it accepted a connection, and still is.
    if (!answer && answer.error().code != Errc::corrupt)
      problem = fmt::format("{}: {}", path, answer.error().message);
    else if (answer && !is_good_answer(*answer, path))
      problem = fmt::format("{} answered {}", path, *answer);
  }
  enum class Turn { none, out, back } turn = Turn::none;
  {
    const MutexLock lock(mutex);
    member->checking = false;
    const Duration now = parts.clock.monotonic();
    member->next_check = now + parts.settings.releases.health_interval;
    if (!member->runs() || member->sandbox != sandbox) return;  // it ended meanwhile
    if (problem.empty()) {
      member->failures = 0;
      if (member->phase == Phase::unhealthy) turn = Turn::back;
    } else {
      member->detail = problem;
      if (++member->failures >= parts.settings.releases.unhealthy_after &&
          member->phase == Phase::ready)
        turn = Turn::out;
    }
    if (turn != Turn::none) {
      member->phase = turn == Turn::back ? Phase::ready : Phase::unhealthy;
      member->since = now;
    }
  }
  if (turn == Turn::none) return;
  pool(*crew, member->label)->set_in_service(member->backend.get(), turn == Turn::back);
  changed.notify_all();
  log_info(turn == Turn::back ? "an instance is healthy again" : "an instance is unhealthy",
           {{"project", crew->key.project},
            {"environment", crew->key.environment},
            {"release", crew->key.number},
            {"sandbox", sandbox},
            {"problem", problem}});
}

void Crews::State::revise_port(CrewMember& member, const std::string& sandbox) {
  if (!launcher.is_elsewhere(sandbox)) return;
  {
    const MutexLock lock(mutex);
    if (parts.clock.monotonic() - member.since >= port_patience) return;
  }
  auto endpoint = launcher.better_endpoint(sandbox);
  if (!endpoint) return;
  const MutexLock lock(mutex);
  if (member.runs() && member.sandbox == sandbox) member.backend->set_ready(*std::move(endpoint));
}

void Crews::State::replace_unhealthy(const CrewPtr& crew, const CrewMemberPtr& member) {
  const auto leave = [&] {
    {
      const MutexLock lock(mutex);
      member->busy = false;
      member->since = parts.clock.monotonic();
    }
    changed.notify_all();
  };
  // Somebody starts, scales or stops the crew: later.
  if (!crew->operation.try_lock()) return leave();
  const MutexLock operation(crew->operation, std::adopt_lock);
  std::shared_ptr<const CrewPlan> plan;
  std::stop_token stop;
  {
    const MutexLock lock(mutex);
    plan = crew->plan;
    stop = crew->stop.get_token();
    if (stop.stop_requested() || member->phase != Phase::unhealthy) plan = nullptr;
  }
  const auto unit = plan ? find_unit(plan->deployment, member->label) : std::nullopt;
  if (!unit) return leave();
  // The old one stays until its successor answers: it may be the check that is wrong.
  const Status replaced = start_all(crew, {add_member(*crew, *unit)}, stop);
  leave();
  if (!replaced) {
    log_warn("an unhealthy instance was not replaced", {{"project", crew->key.project},
                                                        {"environment", crew->key.environment},
                                                        {"error", replaced.error().message}});
    return;
  }
  retire(crew, {member}, parts.settings.releases.drain, stop);
}

void Crews::State::check_disk(const CrewMemberPtr& member) {
  std::string sandbox;
  {
    const MutexLock lock(mutex);
    if (!member->runs()) return;
    sandbox = member->sandbox;
  }
  if (!launcher.outgrew_disk(sandbox)) return;
  log_warn("an instance outgrew its disk", {{"sandbox", sandbox}});
  handle_end(sandbox, {.code = 137, .signal = 9}, Cause::disk_full);
}

}  // namespace slipway
