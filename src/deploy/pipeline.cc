#include "deploy/pipeline.h"

#include "base/at_end.h"
#include "base/log.h"
#include "base/text.h"
#include "deploy/learning.h"
#include "deploy/made_record.h"

namespace slipway {

namespace {

constexpr Duration record_again = std::chrono::seconds{1};

bool is_disk_trouble(const Error& error) {
  return error.code == Errc::disk_full || error.code == Errc::io;
}

bool has_log_command(const Error& error) {
  return std::ranges::any_of(
      error.next, [](const NextStep& step) { return step.command.starts_with("slipway logs"); });
}

}  // namespace

// Of those that end, some have not left the group yet.
Pipeline::Pipeline(Parts parts)
    : parts_(std::move(parts)), tasks_("deployment", 2 * max_active, parts_.threads) {}

Pipeline::~Pipeline() { shut_down(); }

void Pipeline::submit(const Deployment& deployment) {
  auto job = std::make_shared<Job>();
  job->id = deployment.id;
  job->project = deployment.project;
  job->alias = deployment.alias;
  job->created_at = deployment.created_at;
  std::vector<std::shared_ptr<Job>> unstarted;
  {
    const MutexLock lock(mutex_);
    if (stopping_) return;  // taken up at the next start
    // The newest wins, whoever is first here: of two that were recorded at once, or one that had to
    // wait for people.
    for (const auto& [id, other] : jobs_) {
      if (other->project != job->project || other->alias != job->alias) continue;
      const bool older = job->created_at < other->created_at;
      Job& superseded = older ? *job : *other;
      if (superseded.cancel_reason.empty())
        superseded.cancel_reason = "superseded by " + (older ? other->id : job->id).str();
      superseded.stop.request_stop();
    }
    std::ignore = parts_.events.open(deployment.id);
    jobs_[deployment.id] = job;
    queue_.push_back(job);
    unstarted = start_jobs();
  }
  for (const auto& each : unstarted) {
    const AtEnd end([&] { finish(each); });
    give_up(*each, {.code = Errc::unavailable, .message = "the server has no thread for it"});
  }
}

std::vector<std::shared_ptr<Pipeline::Job>> Pipeline::start_jobs() {
  std::vector<std::shared_ptr<Job>> unstarted;
  while (!stopping_ && !queue_.empty() && active_ < max_active) {
    const std::shared_ptr<Job> job = queue_.front();
    ++active_;
    const Status started = tasks_.start(
        [this, job](const std::stop_token&) {
          make(*job);
          finish(job);
        },
        [this, job](const Error& error) {
          const AtEnd end([&] { finish(job); });
          give_up(*job, error);
        });
    if (!started) {
      log_error("a deployment waits for a thread",
                {{"deployment", job->id.str()}, {"error", started.error().message}});
      if (--active_ > 0) break;
      ++active_;  // until finish()
      unstarted.push_back(job);
    }
    queue_.pop_front();
  }
  return unstarted;
}

void Pipeline::finish(const std::shared_ptr<Job>& job) {
  std::vector<std::shared_ptr<Job>> unstarted;
  {
    const MutexLock lock(mutex_);
    // It may be under way again already, after an approval.
    if (const auto at = jobs_.find(job->id); at != jobs_.end() && at->second == job)
      jobs_.erase(at);
    --active_;
    unstarted = start_jobs();
    settled_.notify_all();
  }
  for (const auto& each : unstarted) {
    const AtEnd end([&] { finish(each); });
    give_up(*each, {.code = Errc::unavailable, .message = "the server has no thread for it"});
  }
}

void Pipeline::give_up(Job& job, const Error& error) {
  const AtEnd end([&] { parts_.events.close(job.id); });
  parts_.fleet.remove(job.id);
  auto settled = parts_.repository.update(
      by_system("pipeline"), job.id, [&](Deployment& deployment) -> Status {
        if (is_settled(deployment.state))
          return fail(Errc::conflict,
                      "the deployment is " + std::string(to_string(deployment.state)));
        if (job.journey) {
          if (!job.journey->current().empty()) job.journey->end("failed");
          deployment.steps = job.journey->steps();
        }
        deployment.state = DeploymentState::failed;
        deployment.error = error;
        deployment.error->message = "Slipway failed to make this deployment: " + error.message;
        deployment.error->hint = "deploy it again; if it fails in the same way, report it";
        deployment.error->cause = "internal";
        if (job.journey) deployment.error->phase = job.journey->current();
        return {};
      });
  {
    const MutexLock lock(mutex_);
    ++totals_.failed;
  }
  Status published = settled ? parts_.routes.publish(*settled) : Status(fail(settled.error()));
  if (!published)
    log_error("a deployment was not settled",
              {{"deployment", job.id.str()}, {"error", published.error().message}});
  if (settled) parts_.events.open(job.id)->add(settled->state);
}

void Pipeline::cancel(const DeploymentId& id, std::string_view reason) {
  const MutexLock lock(mutex_);
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return;
  if (at->second->cancel_reason.empty()) at->second->cancel_reason = reason;
  at->second->stop.request_stop();
}

bool Pipeline::wait_until_settled(const DeploymentId& id, Duration most) {
  MutexLock lock(mutex_);
  return settled_.wait_for(mutex_, most,
                           [&]() SLIPWAY_REQUIRES(mutex_) { return !jobs_.contains(id); });
}

void Pipeline::shut_down() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    for (const auto& job : queue_) jobs_.erase(job->id);
    queue_.clear();
    for (const auto& [id, job] : jobs_) job->stop.request_stop();
  }
  settled_.notify_all();
  tasks_.join();
}

bool Pipeline::stops_within(Duration wait) {
  MutexLock lock(mutex_);
  return settled_.wait_for(mutex_, wait, [&]() SLIPWAY_REQUIRES(mutex_) { return stopping_; });
}

Pipeline::Counts Pipeline::counts() const {
  const MutexLock lock(mutex_);
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
  Journey& journey = job.journey.emplace(parts_.clock, feed, deployment.created_at);
  journey.state(deployment.state);

  const auto log = BuildLog::create(parts_.settings.data / "logs" / job.id.str() / "build",
                                    parts_.clock, parts_.settings.builds.limits.output_bytes);
  std::vector<LayerStore::Pin> pins;  // until the record names the layers
  Status outcome = log ? Status() : Status(fail(log.error()));
  std::optional<Ruling> ruling;
  if (log) {
    Making making{
        .deployment = deployment, .journey = journey, .log = **log, .pins = pins, .stop = stop};
    outcome = make_steps(making);
    ruling = std::move(making.ruling);
  }
  // Whatever step it comes from: nothing of what is recorded, shown or logged tells a secret.
  if (!outcome) outcome = fail(without_secrets(deployment, outcome.error()));
  if (const auto values = parts_.environments.values_for(deployment))
    for (Warning& finding : deployment.findings)
      finding.message = mask_secrets(finding.message, values->secrets);
  if (!outcome && !journey.current().empty())
    journey.end(outcome.error().code == Errc::canceled ? "canceled" : "failed");
  if (ruling && ruling->waits()) return hold(deployment, journey, *ruling);
  settle(deployment, journey, outcome, job, ruling);
}

Error Pipeline::without_secrets(const Deployment& deployment, const Error& error) const {
  const auto values = parts_.environments.values_for(deployment);
  if (values) return mask_secrets(error, values->secrets);
  // What cannot be hidden is not quoted.
  Error bare = error;
  bare.excerpt.clear();
  return bare;
}

void Pipeline::settle(Deployment& deployment, Journey& journey, const Status& outcome,
                      const Job& job, const std::optional<Ruling>& ruling) {
  const Timestamp now = parts_.clock.now();
  {
    const MutexLock lock(mutex_);
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
  for (const std::string_view step : {"detect", "scan", "install", "build", "release", "start"})
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
    learn_from_failure(deployment, *deployment.error);
    const bool started = journey.current() == "start" || deployment.error->phase == "start" ||
                         deployment.error->phase == "run";
    if (!has_log_command(*deployment.error))
      deployment.error->next.push_back(
          {fmt::format("slipway logs {}{}", deployment.id.str(), started ? "" : " --build"),
           started ? "to read all that the app wrote" : "to read the whole build log"});
  }
  if (!outcome) parts_.fleet.remove(deployment.id);

  AuditContext by = by_system("pipeline");
  if (ruling) {
    by.decision = ruling->by.decision;
    by.waiver = ruling->by.waiver;
    by.policy_set = ruling->by.policy_set;
    by.facts = ruling->by.facts;
  }
  // Recorded first: a route never shows what a restart would not know.
  const auto record = [&] {
    return parts_.repository.update(
        by, deployment.id, [&](Deployment& change) { return take_made(change, deployment); },
        ruling && ruling->allows() ? GovernanceService::keep(*ruling) : Beside());
  };
  auto recorded = record();
  while (!recorded && is_disk_trouble(recorded.error()) && !stops_within(record_again)) {
    log_error("what became of a deployment cannot be recorded yet",
              {{"deployment", deployment.id.str()}, {"error", recorded.error().message}});
    recorded = record();
  }
  if (!recorded) parts_.fleet.remove(deployment.id);
  if (recorded) deployment = *recorded;
  const bool live = recorded && is_live(deployment.state);
  Status published;
  if (!recorded) {
    // It was removed meanwhile, or could not be written: its host shows what is recorded.
    const auto left = parts_.repository.get(deployment.id);
    published = left ? parts_.routes.publish(*left) : Status(fail(left.error()));
    if (recorded.error().code != Errc::conflict)
      log_error("what became of a deployment was not recorded",
                {{"deployment", deployment.id.str()}, {"error", recorded.error().message}});
  } else {
    published = live ? parts_.routes.publish_with_alias(by_system("pipeline"), deployment)
                     : parts_.routes.publish(deployment);
  }
  if (live) parts_.schedules.watch(deployment);
  if (live && ready_) ready_(deployment);
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
