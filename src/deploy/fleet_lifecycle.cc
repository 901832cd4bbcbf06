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
  workers_->post([this, entry] { wake_now(entry); });
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
  if (!deployment)
    return set_unready(*entry, [&](Backend& each) { each.set_crashed(deployment.error()); });
  if (Status started = start_members(*entry, *deployment, {}); !started) {
    log_warn("a deployment did not wake",
             {{"deployment", entry->id.str()}, {"error", started.error().message}});
    set_unready(*entry, [&](Backend& each) { each.set_crashed(started.error()); });
    workers_->post(
        [this, entry] {
          set_unready(*entry, [](Backend& each) {
            if (each.state() == Backend::State::crashed) each.set_asleep();
          });
        },
        wake_retry);
    return;
  }
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

void Fleet::sleep_now(const EntryPtr& entry, std::string_view reason) {
  const MutexLock operation(entry->operation);
  std::vector<std::pair<MemberPtr, Backend::Endpoint>> awake;
  {
    const MutexLock lock(mutex_);
    if (!may_sleep(*entry)) return;
    for (const MemberPtr& each : entry->members)
      if (const auto endpoint = each->backend->endpoint()) awake.emplace_back(each, *endpoint);
  }
  // From here on requests wake it again (and wait for the operation lock). One that came in between
  // has been counted before it looked for the endpoint: then the instances stay.
  for (const auto& [member, endpoint] : awake) member->backend->set_asleep();
  if (std::ranges::any_of(
          awake, [](const auto& each) { return each.first->backend->open_requests() > 0; })) {
    for (const auto& [member, endpoint] : awake) member->backend->set_ready(endpoint);
    return;
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
}

void Fleet::handle_exit(const std::string& sandbox, const SandboxExit& exit) {
  EntryPtr entry;
  MemberPtr member;
  {
    const MutexLock lock(mutex_);
    const auto owner = by_sandbox_.find(sandbox);
    if (owner == by_sandbox_.end()) return;  // we stopped it ourselves
    entry = entries_[owner->second.id];
    for (const MemberPtr& each : entry->members)
      if (each->label == owner->second.label) member = each;
  }
  if (member && member->backend->state() == Backend::State::ready)
    workers_->post(
        [this, entry, member, exit] { handle_crash(entry, member, exit, Cause::ended); });
}

void Fleet::handle_crash(const EntryPtr& entry, const MemberPtr& member, const SandboxExit& exit,
                         Cause cause) {
  const MutexLock operation(entry->operation);
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
  if (recent >= crash_limit) return give_up(entry, member, exit, cause, recent);
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
  // 0.25 s, 0.5 s, 1 s, 2 s. Requests wait meanwhile.
  const auto delay = std::chrono::milliseconds{125 << recent};
  workers_->post([this, entry] { wake_now(entry); }, delay);
}

void Fleet::give_up(const EntryPtr& entry, const MemberPtr& member, const SandboxExit& exit,
                    Cause cause, std::size_t crashes) {
  const auto deployment = parts_.repository.get(entry->id);
  if (!deployment) {
    log_error("a crash loop was not recorded", {{"error", deployment.error().message}});
    return;
  }
  // Said before it is recorded: what hides the secrets in the log reads the database itself.
  const std::string log = masked_tail(parts_.environments, *deployment,
                                      log_directory(entry->id, member->label), 64u << 10);
  const std::optional<Unit> unit = find_unit(*deployment, member->label);
  Error error = explain_failure({.phase = "run",
                                 .command = unit ? unit->artifact->start : "",
                                 .exit = exit,
                                 .disk_limit = cause != Cause::ended,
                                 .log = log},
                                unit && unit->service ? *unit->service : Service{});
  error.code = Errc::start_failed;
  error.message = fmt::format("{}crashed {} times within {}: {}",
                              member->label.empty() ? "" : member->label + " ", crashes,
                              format_duration(crash_window), error.message);
  if (!exit.out_of_memory && cause == Cause::ended) error.cause = "crash_loop";
  const auto lost =
      parts_.repository.update(by_system("fleet"), entry->id, [&](Deployment& change) -> Status {
        change.state = DeploymentState::failed;
        change.state_reason = "crash loop";
        change.error = error;
        return {};
      });
  if (!lost) {
    log_error("a crash loop was not recorded", {{"error", lost.error().message}});
    return;
  }
  for (const MemberPtr& each : members(*entry)) {
    each->backend->set_crashed(*lost->error);
    stop_instance(*each);
  }
  lost_(*lost);
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
    MemberPtr member;
    if (info.running && unit && unit->has_instance()) {
      member = this->member(*entry(*id), unit_label);
      const MutexLock lock(mutex_);
      if (!member->sandbox.empty()) member = nullptr;  // a second one of the same unit
    }
    if (!member) {
      const std::string sandbox = info.id;
      workers_->post([this, sandbox] { launcher_.stop(sandbox); });
      continue;
    }
    launcher_.adopt(info.id);
    ++running[*id];
    {
      const MutexLock lock(mutex_);
      member->routed = unit->is_routed();
      member->sandbox = info.id;
      member->started = parts_.clock.monotonic();
      by_sandbox_[info.id] = {*id, unit_label};
      ++running_;
    }
    member->backend->set_waking();
    workers_->post(
        [this, entry = entry(*id), member, sandbox = info.id, deployment = *known->second] {
          adopt_instance(entry, member, sandbox, deployment);
        });
  }
  for (const auto& [id, deployment] : by_id) {
    const EntryPtr entry = this->entry(id);
    if (deployment->state != DeploymentState::ready) continue;
    const std::vector<Unit> units = units_of(*deployment);
    const auto wanted = static_cast<std::size_t>(std::ranges::count_if(units, &Unit::has_instance));
    if (running[id] == wanted) continue;
    // A part runs, or it is a worker that no request would wake: the rest is started again.
    if (running[id] > 0 || !can_sleep(*deployment)) {
      for (const Unit& unit : units)
        if (unit.has_instance()) std::ignore = member(*entry, unit.label);
      workers_->post([this, entry] { wake_now(entry); });
      continue;
    }
    const auto recorded =
        parts_.repository.update(by_system("fleet"), id, [](Deployment& change) -> Status {
          change.state = DeploymentState::sleeping;
          change.state_reason = "its instance ended while Slipway was away";
          return {};
        });
    if (!recorded) return fail(recorded.error());
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
  auto endpoint = launcher_.wait_until_ready(subject, {});
  member->backend->touch(parts_.clock.monotonic());
  if (endpoint) return member->backend->set_ready(*std::move(endpoint));
  log_warn("an instance was not adopted",
           {{"sandbox", sandbox}, {"error", endpoint.error().message}});
  stop_instance(*member);
  member->backend->set_asleep();
}

void Fleet::check_disk(const EntryPtr& entry, const MemberPtr& member) {
  std::string sandbox;
  {
    const MutexLock lock(mutex_);
    sandbox = member->sandbox;
  }
  if (sandbox.empty()) return;
  if (parts_.volumes != nullptr)
    if (const auto excess = parts_.volumes->excess(entry->id)) {
      log_warn("an instance outgrew its volumes",
               {{"deployment", entry->id.str()}, {"reason", *excess}});
      return handle_crash(entry, member, {.code = 137, .signal = 9}, Cause::volumes_full);
    }
  if (!launcher_.outgrew_disk(sandbox)) return;
  log_warn("an instance outgrew its disk", {{"deployment", entry->id.str()}});
  handle_crash(entry, member, {.code = 137, .signal = 9}, Cause::disk_full);
}

void Fleet::tick() {
  std::vector<EntryPtr> idle;
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
        if (measure && each->backend->state() == Backend::State::ready)
          to_measure.emplace_back(entry, each);
      }
      if (may_sleep(*entry) && now - used >= parts_.settings.previews.idle) idle.push_back(entry);
    }
  }
  for (const auto& [entry, member] : to_measure)
    workers_->post([this, entry, member] { check_disk(entry, member); });
  for (const EntryPtr& entry : idle) workers_->post([this, entry] { sleep_now(entry, "idle"); });
}

}  // namespace slipway
