#include "deploy/fleet.h"

#include "base/log.h"
#include "base/text.h"
#include "build/failure.h"
#include "deploy/logs.h"
#include "deploy/readiness.h"
#include "sys/files.h"

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

struct Fleet::Entry {
  explicit Entry(DeploymentId deployment, Duration now)
      : id(deployment),
        backend(std::make_shared<Backend>(std::move(deployment))),
        known_since(now) {}

  const DeploymentId id;
  const std::shared_ptr<Backend> backend;
  const Duration known_since;
  std::mutex operation;  // held while the instance is started or stopped

  // Guarded by the fleet's mutex_.
  std::string sandbox;  // "" when none runs
  Duration started{};
  bool removed = false;
  std::deque<Duration> crashes;
};

Fleet::Fleet(Parts parts, LostHandler lost)
    : parts_(parts), lost_(std::move(lost)), workers_(std::make_unique<Workers>(8)) {
  parts_.engine.on_exit(
      [this](const std::string& sandbox, const SandboxExit& exit) { handle_exit(sandbox, exit); });
}

Fleet::~Fleet() {
  parts_.engine.on_exit([](const std::string&, const SandboxExit&) {});
  workers_->stop();
}

std::filesystem::path Fleet::log_directory(const DeploymentId& id) const {
  return parts_.settings.data / "logs" / id.str() / "run";
}

std::shared_ptr<Fleet::Entry> Fleet::entry(const DeploymentId& id) {
  std::lock_guard lock(mutex_);
  auto& entry = entries_[id];
  if (!entry) entry = std::make_shared<Entry>(id, parts_.clock.monotonic());
  return entry;
}

std::shared_ptr<Fleet::Entry> Fleet::find(const DeploymentId& id) const {
  std::lock_guard lock(mutex_);
  const auto at = entries_.find(id);
  return at == entries_.end() ? nullptr : at->second;
}

std::shared_ptr<Backend> Fleet::backend(const DeploymentId& id) { return entry(id)->backend; }

Status Fleet::start(const Deployment& deployment, std::stop_token stop) {
  const std::shared_ptr<Entry> entry = this->entry(deployment.id);
  std::lock_guard operation(entry->operation);
  entry->backend->set_waking();
  Status started = start_instance(*entry, deployment, stop);
  if (!started) entry->backend->set_crashed(started.error());
  return started;
}

Status Fleet::start_instance(Entry& entry, const Deployment& deployment, std::stop_token stop) {
  SLIPWAY_CHECK(make_room(entry));
  const std::string sandbox = fmt::format("{}-{}", deployment.id.tail(), random_id().substr(0, 6));
  SLIPWAY_TRY(const SandboxSpec spec, sandbox_spec(deployment, sandbox));
  {
    std::lock_guard lock(mutex_);
    if (entry.removed) return fail(Errc::canceled, "the deployment was removed");
    entry.sandbox = sandbox;
    entry.started = parts_.clock.monotonic();
    by_sandbox_[sandbox] = deployment.id;
    ++running_;
  }
  Status started =
      parts_.engine.start(spec, log_directory(deployment.id), parts_.settings.instances.log_bytes);
  if (!started) {
    stop_instance(entry);
    return started;
  }
  auto endpoint = wait_until_ready(sandbox, deployment, stop);
  if (!endpoint) {
    stop_instance(entry);
    return fail(std::move(endpoint).error());
  }
  entry.backend->touch(parts_.clock.monotonic());
  entry.backend->set_ready(*std::move(endpoint));
  return {};
}

void Fleet::stop_instance(Entry& entry) {
  std::string sandbox;
  {
    std::lock_guard lock(mutex_);
    sandbox = std::exchange(entry.sandbox, {});
    if (sandbox.empty()) return;
    by_sandbox_.erase(sandbox);
    exits_.erase(sandbox);
    --running_;
  }
  if (Status stopped = parts_.engine.stop(sandbox, parts_.settings.instances.stop_grace); !stopped)
    log_warn("an instance was not stopped cleanly",
             {{"sandbox", sandbox}, {"error", stopped.error().message}});
  if (Status removed = remove_tree(parts_.settings.data / "instances" / sandbox); !removed)
    log_warn("an instance's files were not removed",
             {{"sandbox", sandbox}, {"error", removed.error().message}});
}

Result<SandboxSpec> Fleet::sandbox_spec(const Deployment& deployment,
                                        const std::string& sandbox) const {
  const Artifact& artifact = deployment.artifact;
  SandboxSpec spec;
  spec.id = sandbox;
  spec.cgroup = "previews";
  for (const std::string& layer : artifact.layers) {
    const auto path = parts_.layers.find(layer);
    if (!path)
      return fail(Errc::corrupt, fmt::format("layer {} of {} is gone", layer, deployment.id.str()),
                  fmt::format("build it again: slipway redeploy {}", deployment.id.str()));
    spec.root.lowers.push_back(*path);
  }
  spec.root.upper = parts_.settings.data / "instances" / sandbox / "upper";
  SLIPWAY_TRY(spec.root.binds, parts_.builder.toolchain_binds(artifact));
  spec.argv = {"/bin/sh", "-c", artifact.start};
  spec.workdir = artifact.workdir.empty() ? "/app" : artifact.workdir;
  spec.env = artifact.env;
  spec.env.insert_or_assign("HOST", "0.0.0.0");
  spec.env.insert_or_assign("PORT", std::to_string(artifact.port.value_or(default_port)));
  spec.env.insert_or_assign("SLIPWAY_PROJECT", deployment.project);
  spec.env.insert_or_assign("SLIPWAY_DEPLOYMENT", deployment.id.str());
  spec.env.insert_or_assign("SLIPWAY_ENVIRONMENT", "preview");
  spec.env.insert_or_assign("SLIPWAY_URL",
                            parts_.names.url(parts_.names.deployment_host(deployment)));
  for (const auto& [name, value] : deployment.options.env) spec.env.insert_or_assign(name, value);
  SLIPWAY_TRY(spec.uid_slot,
              parts_.repository.uid_slot(deployment.project + "/" + deployment.alias));
  spec.limits = parts_.settings.instances.limits;
  spec.egress = Egress::internet;
  spec.hostname = deployment.project;
  spec.labels = {{"deployment", deployment.id.str()}, {"project", deployment.project}};
  return spec;
}

Result<Backend::Endpoint> Fleet::wait_until_ready(const std::string& sandbox,
                                                  const Deployment& deployment,
                                                  std::stop_token stop) {
  SLIPWAY_TRY(std::shared_ptr<const Dialer> dialer, parts_.engine.dialer(sandbox));
  const ReadinessQuestion question{.dialer = dialer,
                                   .host = parts_.names.deployment_host(deployment),
                                   .health_path = deployment.artifact.health_path,
                                   .port = expected_port(deployment),
                                   .timeout = parts_.settings.instances.start_timeout};
  auto answer = wait_for_readiness(question, parts_.clock, stop,
                                   [&](Duration wait) { return exit_of(sandbox, wait); });
  if (answer) return *std::move(answer);

  Error error = std::move(answer).error();
  if (error.code == Errc::canceled) return fail(std::move(error));
  const Service service =
      deployment.plan.services.empty() ? Service{} : deployment.plan.services.front();
  if (const auto exit = exit_of(sandbox, Duration::zero())) {
    const std::string log = log_tail(log_directory(deployment.id), 64u << 10);
    error = explain_failure(
        {.phase = "start", .command = deployment.artifact.start, .exit = *exit, .log = log},
        service);
    error.code = Errc::start_failed;
  } else {
    error.command = deployment.artifact.start;
    const std::string log = log_tail(log_directory(deployment.id), 4u << 10);
    for (const std::string_view line : lines(log)) error.excerpt.push_back(sanitize_line(line));
    if (error.excerpt.size() > 12)
      error.excerpt.erase(error.excerpt.begin(), error.excerpt.end() - 12);
  }
  if (error.next.empty())
    error.next.push_back(
        {fmt::format("slipway logs {}", deployment.id.str()), "to read all that the app wrote"});
  return fail(std::move(error));
}

std::optional<SandboxExit> Fleet::exit_of(const std::string& sandbox, Duration wait) {
  std::unique_lock lock(mutex_);
  exited_.wait_for(lock, wait, [&] { return exits_.contains(sandbox); });
  const auto at = exits_.find(sandbox);
  if (at == exits_.end()) return std::nullopt;
  return at->second;
}

Status Fleet::make_room(const Entry& wanted) {
  for (;;) {
    std::shared_ptr<Entry> victim;
    {
      std::lock_guard lock(mutex_);
      if (running_ < parts_.settings.previews.max_running) return {};
      for (const auto& [id, entry] : entries_) {
        if (entry.get() == &wanted || entry->sandbox.empty()) continue;
        if (entry->backend->state() != Backend::State::ready || entry->backend->open_requests() > 0)
          continue;
        if (!victim || entry->backend->last_request() < victim->backend->last_request())
          victim = entry;
      }
    }
    if (!victim)
      return fail(
          Errc::over_budget,
          fmt::format("all {} instances are busy", parts_.settings.previews.max_running),
          "wait for one to fall idle, remove one with `slipway rm`, or raise previews.max_running");
    sleep_now(victim, "evicted");
  }
}

void Fleet::wake(const std::shared_ptr<Backend>& backend) {
  backend->set_waking();
  const std::shared_ptr<Entry> entry = find(backend->deployment());
  if (!entry)
    return backend->set_crashed({.code = Errc::not_found, .message = "the deployment is gone"});
  workers_->post([this, entry] { wake_now(entry); });
}

void Fleet::wake_now(const std::shared_ptr<Entry>& entry) {
  std::lock_guard operation(entry->operation);
  if (entry->backend->state() == Backend::State::ready) return;
  const auto deployment = parts_.repository.get(entry->id);
  if (!deployment) return entry->backend->set_crashed(deployment.error());
  entry->backend->set_waking();
  if (Status started = start_instance(*entry, *deployment, {}); !started) {
    log_warn("a deployment did not wake",
             {{"deployment", entry->id.str()}, {"error", started.error().message}});
    entry->backend->set_crashed(started.error());
    workers_->post(
        [entry] {
          if (entry->backend->state() == Backend::State::crashed) entry->backend->set_asleep();
        },
        wake_retry);
    return;
  }
  {
    std::lock_guard lock(mutex_);
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

void Fleet::sleep_now(const std::shared_ptr<Entry>& entry, std::string_view reason) {
  std::lock_guard operation(entry->operation);
  if (entry->backend->state() != Backend::State::ready || entry->backend->open_requests() > 0)
    return;
  // From here on requests wake it again (and wait for the operation lock). One that came in between
  // has been counted before it looked for the endpoint: then the instance stays.
  const auto endpoint = entry->backend->endpoint();
  entry->backend->set_asleep();
  if (entry->backend->open_requests() > 0 && endpoint) return entry->backend->set_ready(*endpoint);
  stop_instance(*entry);
  {
    std::lock_guard lock(mutex_);
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

Status Fleet::remove(const DeploymentId& id) {
  const std::shared_ptr<Entry> entry = find(id);
  if (!entry) return {};
  {
    std::lock_guard lock(mutex_);
    entry->removed = true;
  }
  exited_.notify_all();
  std::lock_guard operation(entry->operation);
  entry->backend->set_crashed({.code = Errc::not_found, .message = "the deployment was removed"});
  stop_instance(*entry);
  std::lock_guard lock(mutex_);
  entries_.erase(id);
  return {};
}

void Fleet::handle_exit(const std::string& sandbox, const SandboxExit& exit) {
  std::shared_ptr<Entry> entry;
  {
    std::lock_guard lock(mutex_);
    const auto owner = by_sandbox_.find(sandbox);
    if (owner == by_sandbox_.end()) return;  // we stopped it ourselves
    entry = entries_[owner->second];
    exits_[sandbox] = exit;
  }
  exited_.notify_all();
  if (entry->backend->state() == Backend::State::ready)
    workers_->post([this, entry, exit] { handle_crash(entry, exit, Cause::ended); });
}

void Fleet::handle_crash(const std::shared_ptr<Entry>& entry, const SandboxExit& exit,
                         Cause cause) {
  std::lock_guard operation(entry->operation);
  if (entry->backend->state() != Backend::State::ready) return;
  entry->backend->set_waking();
  stop_instance(*entry);
  std::size_t recent = 0;
  {
    std::lock_guard lock(mutex_);
    const Duration now = parts_.clock.monotonic();
    entry->crashes.push_back(now);
    while (entry->crashes.front() < now - crash_window) entry->crashes.pop_front();
    recent = entry->crashes.size();
    ++crashes_;
  }
  log_info("an instance ended by itself",
           {{"deployment", entry->id.str()}, {"code", exit.code}, {"recent", recent}});
  if (recent < crash_limit) {
    const std::string reason =
        cause == Cause::disk_full ? "restarted: its disk was full"
        : exit.out_of_memory      ? "restarted: it ran out of memory"
        : exit.signal > 0         ? fmt::format("restarted: it was ended by signal {}", exit.signal)
                                  : fmt::format("restarted: it exited with {}", exit.code);
    const auto told =
        parts_.repository.update(by_system("fleet"), entry->id, [&](Deployment& change) -> Status {
          change.state_reason = reason;
          return {};
        });
    if (!told) log_warn("a restart was not recorded", {{"error", told.error().message}});
    // 0.25 s, 0.5 s, 1 s, 2 s. Requests wait meanwhile.
    const auto delay = std::chrono::milliseconds{125 << recent};
    workers_->post([this, entry] { wake_now(entry); }, delay);
    return;
  }
  const std::string log = log_tail(log_directory(entry->id), 64u << 10);
  const auto lost =
      parts_.repository.update(by_system("fleet"), entry->id, [&](Deployment& change) -> Status {
        const Service service =
            change.plan.services.empty() ? Service{} : change.plan.services.front();
        Error error = explain_failure({.phase = "run",
                                       .command = change.artifact.start,
                                       .exit = exit,
                                       .disk_limit = cause == Cause::disk_full,
                                       .log = log},
                                      service);
        error.code = Errc::start_failed;
        error.message = fmt::format("crashed {} times within {}: {}", recent,
                                    format_duration(crash_window), error.message);
        if (!exit.out_of_memory && cause == Cause::ended) error.cause = "crash_loop";
        change.state = DeploymentState::failed;
        change.state_reason = "crash loop";
        change.error = std::move(error);
        return {};
      });
  if (!lost) {
    log_error("a crash loop was not recorded", {{"error", lost.error().message}});
    return;
  }
  entry->backend->set_crashed(*lost->error);
  lost_(*lost);
}

Status Fleet::adopt(const std::vector<Deployment>& live) {
  std::unordered_map<DeploymentId, const Deployment*> by_id;
  for (const Deployment& deployment : live)
    if (!deployment.artifact.site) by_id[deployment.id] = &deployment;
  SLIPWAY_TRY(const std::vector<SandboxInfo> sandboxes, parts_.engine.list());
  std::unordered_map<DeploymentId, bool> running;
  for (const SandboxInfo& info : sandboxes) {
    const auto id = DeploymentId::parse(label(info, "deployment"));
    if (!id) continue;
    const auto known = by_id.find(*id);
    const bool wanted = info.running && known != by_id.end() && !running[*id];
    const std::shared_ptr<Entry> entry = wanted ? this->entry(*id) : nullptr;
    if (!wanted) {
      const std::string sandbox = info.id;
      workers_->post([this, sandbox] {
        std::ignore = parts_.engine.stop(sandbox, parts_.settings.instances.stop_grace);
        std::ignore = remove_tree(parts_.settings.data / "instances" / sandbox);
      });
      continue;
    }
    running[*id] = true;
    {
      std::lock_guard lock(mutex_);
      entry->sandbox = info.id;
      entry->started = parts_.clock.monotonic();
      by_sandbox_[info.id] = *id;
      ++running_;
    }
    entry->backend->set_waking();
    workers_->post([this, entry, sandbox = info.id, deployment = *known->second] {
      std::lock_guard operation(entry->operation);
      auto endpoint = wait_until_ready(sandbox, deployment, {});
      entry->backend->touch(parts_.clock.monotonic());
      if (endpoint) return entry->backend->set_ready(*std::move(endpoint));
      log_warn("an instance was not adopted",
               {{"sandbox", sandbox}, {"error", endpoint.error().message}});
      stop_instance(*entry);
      entry->backend->set_asleep();
    });
  }
  for (const auto& [id, deployment] : by_id) {
    std::ignore = entry(id);
    if (deployment->state != DeploymentState::ready || running.contains(id)) continue;
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

void Fleet::check_disk(const std::shared_ptr<Entry>& entry) {
  std::string sandbox;
  {
    std::lock_guard lock(mutex_);
    sandbox = entry->sandbox;
  }
  const std::uint64_t limit = parts_.settings.instances.limits.disk_bytes;
  if (sandbox.empty() || limit == 0) return;
  if (disk_usage(parts_.settings.data / "instances" / sandbox / "upper", limit) <= limit) return;
  log_warn("an instance outgrew its disk", {{"deployment", entry->id.str()}, {"limit", limit}});
  handle_crash(entry, {.code = 137, .signal = 9}, Cause::disk_full);
}

void Fleet::tick() {
  std::vector<std::shared_ptr<Entry>> idle, to_measure;
  const Duration now = parts_.clock.monotonic();
  {
    std::lock_guard lock(mutex_);
    if (running_ == 0) return;
    const bool measure = now - last_disk_check_ >= disk_check_interval;
    if (measure) last_disk_check_ = now;
    for (const auto& [id, entry] : entries_) {
      if (entry->sandbox.empty() || entry->backend->state() != Backend::State::ready) continue;
      if (measure) to_measure.push_back(entry);
      const Duration used = std::max(entry->backend->last_request(), entry->started);
      if (entry->backend->open_requests() == 0 && now - used >= parts_.settings.previews.idle)
        idle.push_back(entry);
    }
  }
  for (const std::shared_ptr<Entry>& entry : to_measure)
    workers_->post([this, entry] { check_disk(entry); });
  for (const std::shared_ptr<Entry>& entry : idle)
    workers_->post([this, entry] { sleep_now(entry, "idle"); });
}

Fleet::Counts Fleet::counts() const {
  std::lock_guard lock(mutex_);
  return {.running = running_,
          .known = entries_.size(),
          .wakes = wakes_,
          .crashes = crashes_,
          .sleeps = sleeps_};
}

Duration Fleet::last_used(const DeploymentId& id) const {
  const std::shared_ptr<Entry> entry = find(id);
  if (!entry) return Duration::zero();
  return std::max(entry->backend->last_request(), entry->known_since);
}

Result<Usage> Fleet::usage(const DeploymentId& id) {
  std::string sandbox;
  if (const std::shared_ptr<Entry> entry = find(id)) {
    std::lock_guard lock(mutex_);
    sandbox = entry->sandbox;
  }
  if (sandbox.empty()) return fail(Errc::not_found, "no instance runs");
  return parts_.engine.usage(sandbox);
}

}  // namespace slipway
