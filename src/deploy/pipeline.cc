#include "deploy/pipeline.h"

#include "base/log.h"
#include "base/text.h"
#include "detect/detect.h"
#include "store/workspace.h"
#include "sys/files.h"

namespace slipway {

namespace {

bool has_log_command(const Error& error) {
  return std::ranges::any_of(
      error.next, [](const NextStep& step) { return step.command.starts_with("slipway logs"); });
}

}  // namespace

// Carries what the builder tells into the journey and the build's log.
class Pipeline::Observer final : public BuildObserver {
 public:
  Observer(Journey& journey, BuildLog& log) : journey_(journey), log_(log) {}
  void step_started(std::string_view name, std::string_view detail) override {
    journey_.begin(name, detail);
  }
  void step_ended(std::string_view, std::string_view state, Duration) override {
    log_.flush(on_line_);
    journey_.end(state);
  }
  void output(std::string_view bytes) override { log_.append(bytes, on_line_); }

 private:
  Journey& journey_;
  BuildLog& log_;
  std::function<void(std::string_view)> on_line_ = [this](std::string_view line) {
    journey_.log(line);
  };
};

Pipeline::~Pipeline() { shut_down(); }

void Pipeline::submit(const Deployment& deployment) {
  auto job = std::make_shared<Job>();
  job->id = deployment.id;
  job->project = deployment.project;
  job->alias = deployment.alias;
  std::vector<std::shared_ptr<Job>> superseded;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;  // taken up at the next start
    for (const auto& [id, other] : jobs_)
      if (other->project == job->project && other->alias == job->alias) superseded.push_back(other);
    for (const auto& other : superseded) {
      if (other->cancel_reason.empty())
        other->cancel_reason = "superseded by " + deployment.id.str();
      other->stop.request_stop();
    }
    std::ignore = parts_.events.open(deployment.id);
    jobs_[deployment.id] = job;
    queue_.push_back(job);
    start_jobs();
  }
}

void Pipeline::start_jobs() {
  while (!stopping_ && !queue_.empty() && active_ < max_active) {
    const std::shared_ptr<Job> job = queue_.front();
    queue_.pop_front();
    ++active_;
    std::thread([this, job] { run(job); }).detach();  // counted in active_, joined by shut_down()
  }
}

void Pipeline::run(const std::shared_ptr<Job>& job) {
  try {
    make(*job);
  } catch (const std::exception& error) {
    log_error("a deployment ended in a bug",
              {{"deployment", job->id.str()}, {"error", error.what()}});
  }
  // notify under the lock: after it, the pipeline may be gone.
  std::lock_guard lock(mutex_);
  jobs_.erase(job->id);
  --active_;
  start_jobs();
  settled_.notify_all();
}

void Pipeline::cancel(const DeploymentId& id, std::string_view reason) {
  std::unique_lock lock(mutex_);
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return;
  const std::shared_ptr<Job> job = at->second;
  if (job->cancel_reason.empty()) job->cancel_reason = reason;
  job->stop.request_stop();
  settled_.wait(lock, [&] { return !jobs_.contains(id); });
}

void Pipeline::shut_down() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (const auto& job : queue_) jobs_.erase(job->id);
  queue_.clear();
  for (const auto& [id, job] : jobs_) job->stop.request_stop();
  settled_.wait(lock, [&] { return active_ == 0; });
}

Pipeline::Counts Pipeline::counts() const {
  std::lock_guard lock(mutex_);
  Counts counts = totals_;
  counts.active = active_;
  counts.queued = queue_.size();
  return counts;
}

void Pipeline::make(Job& job) {
  const std::stop_token stop = job.stop.get_token();
  const std::shared_ptr<EventFeed> feed = parts_.events.open(job.id);
  auto loaded =
      parts_.repository.update(by_system("pipeline"), job.id, [](Deployment& deployment) -> Status {
        if (is_settled(deployment.state))
          return fail(Errc::conflict,
                      "the deployment is " + std::string(to_string(deployment.state)));
        deployment.state = DeploymentState::building;
        return {};
      });
  if (!loaded) {
    log_info("a deployment was not taken up",
             {{"deployment", job.id.str()}, {"error", loaded.error().message}});
    return parts_.events.close(job.id);
  }
  Deployment deployment = *std::move(loaded);
  Journey journey(parts_.clock, feed, deployment.created_at);
  journey.state(deployment.state);

  const auto log = BuildLog::create(parts_.settings.data / "logs" / job.id.str() / "build",
                                    parts_.clock, parts_.settings.builds.limits.output_bytes);
  std::vector<LayerStore::Pin> pins;  // until the record names the layers
  Status outcome =
      log ? make_steps(deployment, journey, **log, pins, stop) : Status(fail(log.error()));
  if (!outcome && !journey.current().empty())
    journey.end(outcome.error().code == Errc::canceled ? "canceled" : "failed");
  settle(deployment, journey, outcome, job);
}

Result<Manifest> Pipeline::read_source(const Digest& digest) const {
  SLIPWAY_TRY(const std::shared_ptr<const Manifest> manifest, parts_.blobs.read_manifest(digest));
  return *manifest;
}

Result<std::vector<std::string>> Pipeline::source_layers(const Deployment& deployment,
                                                         const Manifest& source) {
  std::optional<Manifest> base;
  SLIPWAY_TRY(const std::optional<Digest> base_digest,
              parts_.repository.base_manifest(deployment.project));
  if (base_digest && *base_digest != deployment.source) {
    if (auto read = read_source(*base_digest)) base = *std::move(read);
  }
  SLIPWAY_TRY(std::vector<std::string> layers,
              parts_.layers.materialize(source, "app", parts_.blobs, base ? &*base : nullptr));
  // One layer means that it was made in full: the next trees are compared with this one.
  if (layers.size() == 1 && base_digest != deployment.source)
    SLIPWAY_CHECK(parts_.repository.set_base_manifest(deployment.project, deployment.source));
  return layers;
}

Status Pipeline::make_steps(Deployment& deployment, Journey& journey, BuildLog& log,
                            std::vector<LayerStore::Pin>& pins, std::stop_token stop) {
  SLIPWAY_CHECK(parts_.routes.publish(deployment, "queued"));

  journey.begin("detect");
  SLIPWAY_TRY(const Manifest source, read_source(deployment.source));
  const DeployOptions& options = deployment.options;
  deployment.plan = detect(ManifestTree(source, parts_.blobs), {.service = options.service,
                                                                .root = options.root,
                                                                .install = options.install,
                                                                .build = options.build,
                                                                .start = options.start,
                                                                .framework = options.framework,
                                                                .runtime = options.runtime});
  if (deployment.plan.services.empty()) {
    Error error{.code = Errc::build_failed,
                .message = "nothing in this folder says how to run it",
                .phase = "detect"};
    error.cause = "nothing_to_run";
    error.hint =
        "add an index.html, a package.json with a start script, an app.py …, or say it: --start "
        "COMMAND";
    if (!deployment.plan.warnings.empty()) {
      error.message = deployment.plan.warnings.front().message;
      if (!deployment.plan.warnings.front().fix.empty())
        error.hint = deployment.plan.warnings.front().fix;
    }
    error.next.push_back({"slipway detect", "to see what was found"});
    return fail(std::move(error));
  }
  const Service service = deployment.plan.services.front();
  journey.end("done", service.framework.empty() ? service.provider : service.framework);
  if (stop.stop_requested()) return fail(Errc::canceled, "canceled");

  BuildRequest request{.project = deployment.project, .service = &service, .source = &source};
  const bool needs_sandbox = service.start || service.install || service.build;
  if (needs_sandbox) {
    SLIPWAY_TRY(const std::uint64_t free, free_bytes(parts_.settings.data));
    if (free < parts_.settings.gc.min_free_disk)
      return fail(Errc::disk_full,
                  fmt::format("{} are free, a build needs {}", format_bytes(free),
                              format_bytes(parts_.settings.gc.min_free_disk)),
                  "free some disk space (`slipway rm` old deployments), or lower gc.min_free_disk");
    journey.begin("source");
    SLIPWAY_TRY(request.source_layers, source_layers(deployment, source));
    pins.push_back(parts_.layers.pin(request.source_layers));
    journey.end("done");
    SLIPWAY_TRY(request.uid_slot, parts_.repository.uid_slot(deployment.project + "/build"));
  }
  request.build_env = options.build_env;
  request.limits = parts_.settings.builds.limits;
  Observer observer(journey, log);
  SLIPWAY_TRY(BuildOutcome built, parts_.builder.build(request, observer, stop));
  deployment.artifact = std::move(built.artifact);
  pins.push_back(parts_.layers.pin(deployment.artifact.layers));
  deployment.cache_install = built.cache_install;
  deployment.cache_build = built.cache_build;
  if (stop.stop_requested()) return fail(Errc::canceled, "canceled");

  if (!deployment.artifact.site) {
    deployment.state = DeploymentState::starting;
    journey.state(deployment.state);
    journey.begin("start", deployment.artifact.start);
    SLIPWAY_CHECK(parts_.fleet.start(deployment, stop));
    journey.end("done");
  }
  return {};
}

void Pipeline::settle(Deployment& deployment, Journey& journey, const Status& outcome,
                      const Job& job) {
  const Timestamp now = parts_.clock.now();
  {
    std::lock_guard lock(mutex_);
    // The server stops: the deployment stays as it is and is taken up again.
    if (stopping_ && !outcome && outcome.error().code == Errc::canceled &&
        job.cancel_reason.empty()) {
      parts_.events.close(job.id);
      return;
    }
    ++(outcome                                  ? totals_.succeeded
       : outcome.error().code == Errc::canceled ? totals_.canceled
                                                : totals_.failed);
  }
  deployment.steps = journey.steps();
  for (const std::string_view step : {"detect", "scan", "install", "build", "start"})
    deployment.timings_ms[std::string(step)] = journey.took_ms(step);
  // As the one who waits counts: the client's own work included.
  deployment.timings_ms["total"] =
      journey.elapsed_ms() + deployment.timings_ms["hash"] + deployment.timings_ms["upload"];
  if (outcome) {
    deployment.state = DeploymentState::ready;
    deployment.ready_at = now;
    deployment.expires_at = now + deployment.options.ttl.value_or(parts_.settings.previews.ttl);
  } else if (outcome.error().code == Errc::canceled) {
    deployment.state = DeploymentState::canceled;
    deployment.state_reason = job.cancel_reason;
  } else {
    deployment.state = DeploymentState::failed;
    deployment.error = outcome.error();
    if (deployment.error->phase.empty()) deployment.error->phase = journey.current();
    const bool started = journey.current() == "start";
    if (!has_log_command(*deployment.error))
      deployment.error->next.push_back(
          {fmt::format("slipway logs {}{}", deployment.id.str(), started ? "" : " --build"),
           started ? "to read all that the app wrote" : "to read the whole build log"});
  }
  if (!outcome) std::ignore = parts_.fleet.remove(deployment.id);

  // Recorded first: a route never shows what a restart would not know.
  const auto recorded = parts_.repository.update(
      by_system("pipeline"), deployment.id, [&](Deployment& change) -> Status {
        const DeploymentState before = change.state;
        change = deployment;
        if (before == DeploymentState::deleted)
          return fail(Errc::conflict, "the deployment was removed");
        return {};
      });
  if (!recorded) std::ignore = parts_.fleet.remove(deployment.id);
  Status published = recorded ? Status() : Status(fail(recorded.error()));
  if (recorded)
    published = outcome ? parts_.routes.publish_with_alias(by_system("pipeline"), deployment)
                        : parts_.routes.publish(deployment);
  if (!published)
    log_error("a deployment was not settled",
              {{"deployment", deployment.id.str()}, {"error", published.error().message}});
  log_info("deployment settled", {{"deployment", deployment.id.str()},
                                  {"project", deployment.project},
                                  {"state", to_string(deployment.state)},
                                  {"ms", deployment.timings_ms["total"]}});
  journey.state(deployment.state);
  parts_.events.close(deployment.id);
}

}  // namespace slipway
