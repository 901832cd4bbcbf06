#include "deploy/schedules.h"

#include "base/log.h"
#include "base/text.h"
#include "build/step.h"
#include "deploy/logs.h"
#include "http/probe.h"
#include "sys/files.h"

namespace slipway {

using namespace std::chrono_literals;

namespace {

// Production's have threads of their own, and nobody's leave none to the others.
constexpr Limiter::Limits at_once{.units = 16, .per_key = 4, .kept = {8}};
constexpr Duration longest_request = 5min;

// Puts the output of a run into its log.
class RunObserver final : public BuildObserver {
 public:
  explicit RunObserver(BuildLog& log) : log_(log) {}
  void step_started(std::string_view, std::string_view) override {}
  void step_ended(std::string_view, std::string_view, Duration) override {}
  void output(std::string_view bytes) override { log_.append(bytes, ignore_); }
  [[nodiscard]] std::string quotable(std::string_view output) const override {
    return log_.hidden(output);
  }
  void note(std::string_view text) {
    log_.flush(ignore_);
    log_.append(fmt::format("slipway: {}\n", text), ignore_);
  }

 private:
  BuildLog& log_;
  std::function<void(std::string_view)> ignore_ = [](std::string_view) {};
};

}  // namespace

Schedules::Schedules(Parts parts) : parts_(parts), workers_("scheduled runs", at_once) {}

Status Schedules::start() {
  return worker_.start([this](const std::stop_token&) -> std::optional<Duration> {
    tick();
    const MutexLock lock(mutex_);
    if (due_.empty()) return std::nullopt;  // watch() wakes it
    return 1s;
  });
}

void Schedules::stop() {
  stop_.request_stop();
  worker_.stop();
  workers_.stop();
}

void Schedules::add(const std::string& owner, const Deployment& deployment, const Unit& unit,
                    Workers::Share share) {
  const auto schedule = CronSchedule::parse(unit.service->schedule);
  if (!schedule) {
    log_warn("a schedule was not understood",
             {{"deployment", deployment.id.str()}, {"error", schedule.error().message}});
    return;
  }
  if (const auto next = schedule->next_after(parts_.clock.now()))
    due_.insert_or_assign(Job{owner, unit.label}, Due{*schedule, *next, std::move(share)});
}

void Schedules::watch(const Deployment& deployment) {
  const MutexLock lock(mutex_);
  for (const Unit& unit : units_of(deployment))
    if (unit.runs && unit.kind() == "cron")
      add(deployment.id.str(), deployment, unit, {WorkClass::preview, deployment.project});
  worker_.wake();
}

void Schedules::watch(ServingRelease release) {
  const MutexLock lock(mutex_);
  if (releases_.contains(release.name)) return;
  const auto kept = std::make_shared<const ServingRelease>(std::move(release));
  releases_.emplace(kept->name, kept);
  for (const Unit& unit : units_of(*kept->deployment))
    if (unit.kind() == "cron")
      add(kept->name, *kept->deployment, unit,
          {class_of(kept->environment), kept->deployment->project});
  worker_.wake();
}

void Schedules::unwatch(const std::string& name) {
  const MutexLock lock(mutex_);
  if (releases_.erase(name) == 0) return;
  std::erase_if(due_, [&](const auto& each) { return each.first.first == name; });
}

void Schedules::tick() {
  const Timestamp now = parts_.clock.now();
  std::vector<std::pair<Job, Workers::Share>> due;
  {
    const MutexLock lock(mutex_);
    for (auto at = due_.begin(); at != due_.end();) {
      if (at->second.next > now) {
        ++at;
        continue;
      }
      const auto next = at->second.schedule.next_after(now);
      if (running_.insert(at->first).second) due.push_back({at->first, at->second.share});
      if (next) at->second.next = *next;
      at = next ? std::next(at) : due_.erase(at);
    }
  }
  for (auto& [job, share] : due) workers_.post(std::move(share), [this, job] { run(job); });
}

void Schedules::run(const Job& job) {
  ReleasePtr release;
  {
    const MutexLock lock(mutex_);
    if (const auto at = releases_.find(job.first); at != releases_.end()) release = at->second;
  }
  const auto id = DeploymentId::parse(job.first);
  const auto deployment = release ? Result<Deployment>(*release->deployment)
                          : id    ? parts_.repository.get(*id)
                                  : Result<Deployment>(fail(Errc::not_found, "it is over"));
  const auto unit = deployment ? find_unit(*deployment, job.second) : std::nullopt;
  const bool live = unit && (release || is_live(deployment->state));
  Status outcome;
  if (live) {
    outcome = fail(Errc::internal, "it ended in a bug");
    run_guarded("scheduled run", [&] { outcome = run_unit(*deployment, *unit, release); });
  }
  if (!outcome && outcome.error().code != Errc::canceled)
    log_warn("a scheduled run failed",
             {{"of", job.first}, {"service", job.second}, {"error", outcome.error().message}});
  const MutexLock lock(mutex_);
  running_.erase(job);
  if (live)
    ++(outcome ? succeeded_ : failed_);
  else
    due_.erase(job);
}

Status Schedules::run_unit(const Deployment& deployment, const Unit& unit,
                           const ReleasePtr& release) {
  return unit.artifact->start.empty() ? request(deployment, unit, release)
                                      : run_command(deployment, unit, release);
}

Status Schedules::run_command(const Deployment& deployment, const Unit& unit,
                              const ReleasePtr& release) {
  const auto directory = release ? release->log_directory(unit.label)
                                 : parts_.fleet.log_directory(deployment.id, unit.label);
  std::error_code ignored;  // the run before stays readable
  std::filesystem::rename(directory / "current.log", directory / "1.log", ignored);
  SLIPWAY_TRY(const std::unique_ptr<BuildLog> log,
              BuildLog::create(directory, parts_.clock, parts_.settings.instances.log_bytes));
  Placement placement;
  if (release) {
    SLIPWAY_TRY(placement, release->placement(unit));
  }
  SLIPWAY_TRY(const Environments::Values configured,
              release ? parts_.environments.values_for(deployment.project, placement.environment,
                                                       placement.config_version.value_or(0))
                      : parts_.environments.values_for(deployment));
  log->hide(configured.secrets);
  RunObserver observer(*log);
  observer.note(fmt::format("run of {} ({})", sanitize_line(unit.name()), unit.service->schedule));
  const std::string sandbox =
      fmt::format("{}-run-{}", deployment.id.tail(), random_id().substr(0, 6));
  SLIPWAY_TRY(SandboxSpec spec, instance_spec({.settings = parts_.settings,
                                               .repository = parts_.repository,
                                               .layers = parts_.layers,
                                               .builder = parts_.builder,
                                               .names = parts_.names,
                                               .environments = parts_.environments,
                                               .previews = parts_.volumes},
                                              deployment, unit, sandbox, {}, placement));
  const Status ran = run_step({.name = "run",
                               .command = unit.artifact->start,
                               .spec = std::move(spec),
                               .service = unit.service,
                               .limits = parts_.settings.builds.limits},
                              parts_.runner, observer, stop_.get_token());
  observer.note(ran ? "it ended well" : ran.error().message);
  std::ignore = remove_tree(parts_.settings.data / "instances" / sandbox);
  if (!ran) return fail(mask_secrets(ran.error(), configured.secrets));
  return {};
}

std::shared_ptr<const Backend::Endpoint> Schedules::preview_endpoint(const Deployment& deployment,
                                                                     std::string_view label) {
  const std::shared_ptr<Backend> backend = parts_.fleet.backend(deployment, label);
  if (!backend->endpoint()) {
    struct Settled {
      Mutex mutex;
      CondVar changed;
      bool done = false;
    };
    const auto settled = std::make_shared<Settled>();
    if (backend->claim_wake()) parts_.fleet.wake(backend);
    backend->when_settled([settled] {
      const MutexLock lock(settled->mutex);
      settled->done = true;
      settled->changed.notify_all();
    });
    MutexLock lock(settled->mutex);
    settled->changed.wait_for(settled->mutex, stop_.get_token(),
                              parts_.settings.instances.start_timeout,
                              [&]() SLIPWAY_REQUIRES(settled->mutex) { return settled->done; });
  }
  backend->touch(parts_.clock.monotonic());
  return backend->endpoint();
}

Status Schedules::request(const Deployment& deployment, const Unit& unit,
                          const ReleasePtr& release) {
  const std::string& path = unit.service->cron_path;
  if (path.empty()) return fail(Errc::failed_precondition, "it has neither a command nor a path");
  const std::vector<Unit> units = units_of(deployment);
  const auto target = std::ranges::find_if(units, [&](const Unit& other) {
    return other.has_instance() && other.is_routed() &&
           (unit.service->needs.empty() || other.name() == unit.service->needs.front());
  });
  if (target == units.end())
    return fail(Errc::failed_precondition, "there is no service that could answer its request");
  const auto endpoint =
      release ? release->endpoint(target->label) : preview_endpoint(deployment, target->label);
  if (!endpoint) return fail(Errc::unavailable, "the service does not answer");
  std::string host = parts_.names.unit_host(deployment, target->label);
  if (release) {
    SLIPWAY_TRY(const Placement placement, release->placement(*target));
    if (placement.host) host = placement.host(target->label);
  }
  SLIPWAY_TRY(Fd socket, endpoint->dialer->dial(endpoint->port, endpoint->ipv6));
  SLIPWAY_TRY(const int status, probe_http(std::move(socket), host, path, longest_request));
  if (status >= 400)
    return fail(Errc::start_failed, fmt::format("{} answered with status {}", path, status));
  return {};
}

Schedules::Counts Schedules::counts() const {
  const MutexLock lock(mutex_);
  return {.watched = due_.size(),
          .running = running_.size(),
          .succeeded = succeeded_,
          .failed = failed_};
}

}  // namespace slipway
