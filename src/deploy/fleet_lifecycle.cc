// The fleet's reactions: requests for what sleeps, idleness, crashes, a restart of the server.
#include "base/log.h"
#include "base/mutex.h"
#include "build/failure.h"
#include "deploy/fleet.h"
#include "deploy/fleet_entry.h"
#include "deploy/logs.h"

namespace slipway {

using namespace std::chrono_literals;

namespace {

// A preview that dies this often within the window is given up: it would only burn its neighbours'
// CPU.
constexpr std::size_t crash_limit = 5;
constexpr Duration crash_window = 2min;
// How long a failed wake shows its error before the next request may try again.
constexpr auto wake_retry = 15s;
constexpr Duration disk_check_interval = 10s;
// How long an app that was found at a port of its own may take to open the one it was told.
constexpr Duration port_patience = 60s;

// 0.25 s, 0.5 s, 1 s ... 32 s. Requests wait meanwhile.
std::chrono::milliseconds restart_delay(std::size_t recent) {
  return std::chrono::milliseconds{125 << std::min<std::size_t>(recent, 8)};
}

std::string label(const SandboxInfo& info, std::string_view name) {
  for (const auto& [key, value] : info.labels)
    if (key == name) return value;
  return {};
}

}  // namespace

void Fleet::wake(const std::shared_ptr<Backend>& backend) {
  backend->set_waking();
  const EntryPtr entry = find(backend->deployment());
  if (!entry)
    return backend->set_crashed({.code = Errc::not_found, .message = "the deployment is gone"});
  post(entry, [this, entry] { wake_now(entry); });
}

void Fleet::wake_now(const EntryPtr& entry) {
  const MutexLock operation(entry->operation);
  {
    const MutexLock lock(mutex_);
    if (entry->removed) return;
  }
  const auto all = members(*entry);
  if (std::ranges::all_of(
          all, [](const auto& each) { return each->backend->state() == Backend::State::ready; }))
    return;
  const auto deployment = parts_.repository.get(entry->id);
  if (!deployment) return wake_failed(entry, nullptr, deployment.error());
  if (Status started = start_members(entry, *deployment, {}); !started)
    return wake_failed(entry, &*deployment, started.error());
  {
    const MutexLock lock(mutex_);
    ++wakes_;
  }
  const auto recorded =
      parts_.repository.update(by_system("fleet"), entry->id, [](Deployment& change) -> Status {
        if (change.state == DeploymentState::sleeping) {
          change.state = DeploymentState::ready;
          change.state_reason.clear();
        }
        return {};
      });
  if (!recorded) log_warn("a wake was not recorded", {{"error", recorded.error().message}});
}

bool Fleet::must_run(const Entry& entry, const Deployment& deployment) const {
  const auto runs = [&](const Unit& unit) {
    return std::ranges::any_of(members(entry), [&](const MemberPtr& each) {
      return each->label == unit.label && each->backend->state() == Backend::State::ready;
    });
  };
  bool routed = false, worker_missing = false, any = false;
  for (const Unit& unit : units_of(deployment)) {
    if (!unit.has_instance()) continue;
    routed = routed || unit.is_routed();
    any = any || runs(unit);
    worker_missing = worker_missing || (!unit.is_routed() && !runs(unit));
  }
  return worker_missing && (!routed || any);
}

void Fleet::wake_failed(const EntryPtr& entry, const Deployment* deployment, const Error& why) {
  if (entry->stop.stop_requested()) return;
  log_warn("a deployment did not wake", {{"deployment", entry->id.str()}, {"error", why.message}});
  set_unready(*entry, [&](Backend& each) { each.set_crashed(why); });
  if (why.code == Errc::not_found) return;
  if (deployment != nullptr && !must_run(*entry, *deployment)) {  // the next request wakes it
    looks_.post(
        {.key = entry->project},
        [this, entry] {
          set_unready(*entry, [](Backend& each) {
            if (each.state() == Backend::State::crashed) each.set_asleep();
          });
        },
        wake_retry);
    return;
  }
  std::size_t recent = 0;
  {
    const MutexLock lock(mutex_);
    const Duration now = parts_.clock.monotonic();
    entry->failures.push_back(now);
    std::erase_if(entry->failures, [&](Duration at) { return at < now - crash_window; });
    recent = entry->failures.size();
  }
  // What the machine lacks is not the app's fault, and may be there again.
  if (why.code == Errc::start_failed && recent >= crash_limit) {
    Error error = why;
    error.message = fmt::format("did not start {} times within {}: {}", recent,
                                format_duration(crash_window), why.message);
    error.cause = "crash_loop";
    return give_up(entry, error, 0);
  }
  post(entry, [this, entry] { wake_now(entry); }, restart_delay(recent));
}

bool Fleet::sleep_now(const EntryPtr& entry, std::string_view reason) {
  if (!entry->operation.try_lock()) return false;
  const MutexLock operation(entry->operation, std::adopt_lock);
  std::vector<std::pair<MemberPtr, Backend::Endpoint>> awake;
  {
    const MutexLock lock(mutex_);
    if (!may_sleep(*entry)) return true;
    for (const MemberPtr& each : entry->members)
      if (const auto endpoint = each->backend->endpoint()) awake.emplace_back(each, *endpoint);
  }
  // From here on requests wake it again (and wait for the operation lock). One that came in between
  // has been counted before it looked for the endpoint: then the instances stay.
  for (const auto& [member, endpoint] : awake) member->backend->set_asleep();
  if (std::ranges::any_of(
          awake, [](const auto& each) { return each.first->backend->open_requests() > 0; })) {
    for (const auto& [member, endpoint] : awake) member->backend->set_ready(endpoint);
    return true;
  }
  for (const auto& [member, endpoint] : awake) stop_instance(*member);
  {
    const MutexLock lock(mutex_);
    ++sleeps_;
  }
  const auto recorded =
      parts_.repository.update(by_system("fleet"), entry->id, [&](Deployment& change) -> Status {
        if (change.state == DeploymentState::ready) {
          change.state = DeploymentState::sleeping;
          change.state_reason = reason;
        }
        return {};
      });
  if (!recorded) log_warn("a sleep was not recorded", {{"error", recorded.error().message}});
  return true;
}

void Fleet::handle_exit(const std::string& sandbox, const SandboxExit& exit) {
  Owner owner;
  {
    const MutexLock lock(mutex_);
    const auto found = by_sandbox_.find(sandbox);
    if (found == by_sandbox_.end()) return;  // we stopped it ourselves
    owner = found->second;
  }
  // It may be starting: whoever starts it has stopped it by then, or took it for ready.
  post(owner.entry, [this, owner, sandbox, exit] {
    handle_crash(owner.entry, owner.member, sandbox, exit, Cause::ended);
  });
}

void Fleet::handle_crash(const EntryPtr& entry, const MemberPtr& member, const std::string& sandbox,
                         const SandboxExit& exit, Cause cause) {
  const MutexLock operation(entry->operation);
  {
    const MutexLock lock(mutex_);
    if (member->sandbox != sandbox) return;
  }
  if (member->backend->state() != Backend::State::ready) return;
  member->backend->set_waking();
  stop_instance(*member);
  std::size_t recent = 0;
  {
    const MutexLock lock(mutex_);
    const Duration now = parts_.clock.monotonic();
    member->crashes.push_back(now);
    std::erase_if(member->crashes, [&](Duration at) { return at < now - crash_window; });
    recent = member->crashes.size();
    ++crashes_;
  }
  log_info("an instance ended by itself", {{"deployment", entry->id.str()},
                                           {"service", member->label},
                                           {"code", exit.code},
                                           {"recent", recent}});
  if (recent >= crash_limit)
    return give_up(entry, crash_loop_of(*entry, *member, exit, cause, recent), 0);
  std::string reason = cause == Cause::disk_full      ? "restarted: its disk was full"
                       : cause == Cause::volumes_full ? "restarted: its volumes were full"
                       : exit.out_of_memory           ? "restarted: it ran out of memory"
                       : exit.signal > 0
                           ? fmt::format("restarted: it was ended by signal {}", exit.signal)
                           : fmt::format("restarted: it exited with {}", exit.code);
  if (!member->label.empty()) reason = fmt::format("{} {}", member->label, reason);
  const auto told =
      parts_.repository.update(by_system("fleet"), entry->id, [&](Deployment& change) -> Status {
        change.state_reason = reason;
        return {};
      });
  if (!told) log_warn("a restart was not recorded", {{"error", told.error().message}});
  post(entry, [this, entry] { wake_now(entry); }, restart_delay(recent));
}

Error Fleet::crash_loop_of(const Entry& entry, const Member& member, const SandboxExit& exit,
                           Cause cause, std::size_t crashes) {
  Error error{.code = Errc::start_failed, .message = "it does not stay up", .phase = "run"};
  // Said before it is recorded: what hides the secrets in the log reads the database itself.
  if (const auto deployment = parts_.repository.get(entry.id)) {
    const std::string log = masked_tail(parts_.environments, *deployment,
                                        log_directory(entry.id, member.label), 64u << 10);
    const std::optional<Unit> unit = find_unit(*deployment, member.label);
    error = explain_failure({.phase = "run",
                             .command = unit ? unit->artifact->start : "",
                             .exit = exit,
                             .disk_limit = cause != Cause::ended,
                             .log = log},
                            unit && unit->service ? *unit->service : Service{});
  }
  error.code = Errc::start_failed;
  error.message = fmt::format("{}crashed {} times within {}: {}",
                              member.label.empty() ? "" : member.label + " ", crashes,
                              format_duration(crash_window), error.message);
  if (!exit.out_of_memory && cause == Cause::ended) error.cause = "crash_loop";
  return error;
}

void Fleet::give_up(const EntryPtr& entry, const Error& error, std::size_t attempts) {
  const auto lost =
      parts_.repository.update(by_system("fleet"), entry->id, [&](Deployment& change) -> Status {
        if (is_settled(change.state) && !is_live(change.state))
          return fail(Errc::conflict, "it was ended meanwhile");
        change.state = DeploymentState::failed;
        change.state_reason = "crash loop";
        change.error = error;
        return {};
      });
  // Whoever asks is told, whether it could be recorded or not.
  for (const MemberPtr& each : members(*entry)) {
    each->backend->set_crashed(error);
    stop_instance(*each);
  }
  if (lost) return tell_lost(*lost, 0);
  if (lost.error().code == Errc::conflict || lost.error().code == Errc::not_found) return;
  log_error("a crash loop was not recorded", {{"error", lost.error().message}});
  post(
      entry,
      [this, entry, error, attempts] {
        const MutexLock operation(entry->operation);
        {
          const MutexLock lock(mutex_);
          if (entry->removed) return;
        }
        give_up(entry, error, attempts + 1);
      },
      restart_delay(attempts));
}

void Fleet::tell_lost(const Deployment& lost, std::size_t attempts) {
  const Status told = lost_(lost);
  if (told) return;
  log_error("what a lost deployment leaves to others was not changed",
            {{"deployment", lost.id.str()}, {"error", told.error().message}});
  workers_.post(
      {.key = lost.project}, [this, lost, attempts] { tell_lost(lost, attempts + 1); },
      restart_delay(attempts));
}

Status Fleet::adopt(const std::vector<Deployment>& live) {
  std::unordered_map<DeploymentId, const Deployment*> by_id;
  for (const Deployment& deployment : live)
    if (has_instances(deployment)) by_id[deployment.id] = &deployment;
  SLIPWAY_TRY(const std::vector<SandboxInfo> sandboxes, parts_.engine.list());
  std::unordered_map<DeploymentId, std::size_t> running;
  for (const SandboxInfo& info : sandboxes) {
    const auto id = DeploymentId::parse(label(info, "deployment"));
    if (!id || !label(info, "release").empty()) continue;
    const auto known = by_id.find(*id);
    const std::string unit_label = label(info, "service");
    const auto unit = known == by_id.end() ? std::nullopt : find_unit(*known->second, unit_label);
    EntryPtr entry;
    MemberPtr member;
    if (info.running && unit && unit->has_instance()) {
      entry = this->entry(*known->second);
      member = this->member(*entry, unit_label);
      const MutexLock lock(mutex_);
      if (!member->sandbox.empty()) member = nullptr;  // a second one of the same unit
    }
    if (!member) {
      const std::string sandbox = info.id;
      ends_.post({}, [this, sandbox] { launcher_.stop(sandbox); });
      continue;
    }
    launcher_.adopt(info.id);
    ++running[*id];
    {
      const MutexLock lock(mutex_);
      member->routed = unit->is_routed();
      member->sandbox = info.id;
      member->started = parts_.clock.monotonic();
      by_sandbox_[info.id] = {entry, member};
      ++running_;
    }
    member->backend->set_waking();
    post(entry, [this, entry, member, sandbox = info.id, deployment = *known->second] {
      adopt_instance(entry, member, sandbox, deployment);
    });
  }
  SLIPWAY_CHECK(end_unheard());
  for (const auto& [id, deployment] : by_id) {
    const EntryPtr entry = this->entry(*deployment);
    if (deployment->state != DeploymentState::ready) continue;
    const std::vector<Unit> units = units_of(*deployment);
    const auto wanted = static_cast<std::size_t>(std::ranges::count_if(units, &Unit::has_instance));
    if (running[id] == wanted) continue;
    // A part runs, or it is a worker that no request would wake: the rest is started again.
    if (running[id] > 0 || !can_sleep(*deployment)) {
      for (const Unit& unit : units)
        if (unit.has_instance()) std::ignore = member(*entry, unit.label);
      post(entry, [this, entry] { wake_now(entry); });
      continue;
    }
    SLIPWAY_CHECK(record_end_while_away(id));
  }
  return {};
}

void Fleet::adopt_instance(const EntryPtr& entry, const MemberPtr& member,
                           const std::string& sandbox, const Deployment& deployment) {
  const MutexLock operation(entry->operation);
  {
    const MutexLock lock(mutex_);
    if (member->sandbox != sandbox) return;  // it ended, and was started again meanwhile
  }
  const auto unit = find_unit(deployment, member->label);
  const std::filesystem::path log = log_directory(deployment.id, member->label);
  const InstanceLauncher::Subject subject{.deployment = deployment,
                                          .unit = *unit,
                                          .placement = preview_placement,
                                          .sandbox = sandbox,
                                          .log_directory = log};
  join_siblings(*entry, subject);
  auto endpoint = launcher_.wait_until_ready(subject, entry->stop.get_token());
  member->backend->touch(parts_.clock.monotonic());
  if (endpoint) return member->backend->set_ready(*std::move(endpoint));
  log_warn("an instance was not adopted",
           {{"sandbox", sandbox}, {"error", endpoint.error().message}});
  stop_instance(*member);
  member->backend->set_asleep();
  const auto all = members(*entry);
  const bool any_runs = [&] {
    const MutexLock lock(mutex_);
    return std::ranges::any_of(all, [](const auto& each) { return !each->sandbox.empty(); });
  }();
  // A part runs, or it is a worker that no request would wake.
  if (any_runs || !can_sleep(deployment))
    post(entry, [this, entry] { wake_now(entry); });
  else if (Status recorded = record_end_while_away(deployment.id); !recorded)
    log_warn("an end was not recorded", {{"error", recorded.error().message}});
}

Status Fleet::record_end_while_away(const DeploymentId& id) {
  const auto recorded =
      parts_.repository.update(by_system("fleet"), id, [](Deployment& change) -> Status {
        if (change.state != DeploymentState::ready) return {};
        change.state = DeploymentState::sleeping;
        change.state_reason = "its instance ended while Slipway was away";
        return {};
      });
  if (!recorded) return fail(recorded.error());
  return {};
}

Status Fleet::end_unheard() {
  SLIPWAY_TRY(const std::vector<SandboxInfo> now, parts_.engine.list());
  std::vector<std::string> gone;
  {
    const MutexLock lock(mutex_);
    for (const auto& [sandbox, owner] : by_sandbox_)
      if (std::ranges::none_of(
              now, [&](const SandboxInfo& info) { return info.id == sandbox && info.running; }))
        gone.push_back(sandbox);
  }
  for (const std::string& sandbox : gone) launcher_.tell_end(sandbox, {.code = 137, .signal = 9});
  return {};
}

void Fleet::check_disk(const EntryPtr& entry, const MemberPtr& member) {
  std::string sandbox;
  {
    const MutexLock lock(mutex_);
    sandbox = member->sandbox;
  }
  if (sandbox.empty()) return;
  const auto end_as = [&](Cause cause) {
    post(entry, [this, entry, member, sandbox, cause] {
      handle_crash(entry, member, sandbox, {.code = 137, .signal = 9}, cause);
    });
  };
  if (parts_.volumes != nullptr)
    if (const auto excess = parts_.volumes->excess(entry->id)) {
      log_warn("an instance outgrew its volumes",
               {{"deployment", entry->id.str()}, {"reason", *excess}});
      return end_as(Cause::volumes_full);
    }
  if (!launcher_.outgrew_disk(sandbox)) return;
  log_warn("an instance outgrew its disk", {{"deployment", entry->id.str()}});
  end_as(Cause::disk_full);
}

void Fleet::check_port(const EntryPtr& entry, const MemberPtr& member) {
  if (!entry->operation.try_lock()) return;  // the next time
  const MutexLock operation(entry->operation, std::adopt_lock);
  std::string sandbox;
  {
    const MutexLock lock(mutex_);
    sandbox = member->sandbox;
  }
  if (member->backend->state() != Backend::State::ready) return;
  auto endpoint = launcher_.better_endpoint(sandbox);
  if (!endpoint) return;
  log_info("an app opened the port that it was told to use",
           {{"deployment", entry->id.str()}, {"port", endpoint->port}});
  member->backend->set_ready(*std::move(endpoint));
}

void Fleet::tick() {
  std::vector<EntryPtr> idle;
  std::vector<std::tuple<EntryPtr, MemberPtr, std::string>> elsewhere;
  std::vector<std::pair<EntryPtr, MemberPtr>> to_measure;
  const Duration now = parts_.clock.monotonic();
  {
    const MutexLock lock(mutex_);
    if (running_ == 0) return;
    const bool measure = now - last_disk_check_ >= disk_check_interval;
    if (measure) last_disk_check_ = now;
    for (const auto& [id, entry] : entries_) {
      Duration used{};
      for (const MemberPtr& each : entry->members) {
        if (each->sandbox.empty()) continue;
        used = std::max({used, each->backend->last_request(), each->started});
        if (each->backend->state() != Backend::State::ready) continue;
        if (measure) to_measure.emplace_back(entry, each);
        if (each->routed && now - each->started < port_patience)
          elsewhere.emplace_back(entry, each, each->sandbox);
      }
      if (may_sleep(*entry) && now - used >= parts_.settings.previews.idle) idle.push_back(entry);
    }
  }
  for (const auto& [entry, member] : to_measure)
    looks_.post({.key = entry->project}, [this, entry, member] { check_disk(entry, member); });
  for (const auto& [entry, member, sandbox] : elsewhere)
    if (launcher_.is_elsewhere(sandbox))
      post(entry, [this, entry, member] { check_port(entry, member); });
  for (const EntryPtr& entry : idle)
    post(entry, [this, entry] { std::ignore = sleep_now(entry, "idle"); });
}

}  // namespace slipway
