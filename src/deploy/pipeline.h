#pragma once

#include <deque>
#include <memory>
#include <stop_token>
#include <unordered_map>

#include "base/clock.h"
#include "base/task_group.h"
#include "build/builder.h"
#include "db/repository.h"
#include "deploy/events.h"
#include "deploy/fleet.h"
#include "deploy/governance.h"
#include "deploy/journey.h"
#include "deploy/logs.h"
#include "deploy/routes.h"
#include "deploy/schedules.h"
#include "deploy/settings.h"
#include "store/blob_store.h"
#include "store/layer_store.h"

namespace slipway {

// Makes deployments: detect, build, start, probe, route; each on a thread of its own, up to a
// limit, the others queued. A newer deployment of an alias cancels an older one that is still being
// made. Every way out, a bug of Slipway's own among them, leaves the deployment settled and
// recorded, except a stop of the server: then it is taken up again at the next start. Thread-safe.
// Everything given must outlive it.
class Pipeline {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    Repository& repository;
    const BlobStore& blobs;
    LayerStore& layers;
    Builder& builder;
    Fleet& fleet;
    Routes& routes;
    EventHub& events;
    StepRunner& runner;  // of release commands
    const Names& names;
    GovernanceService& governance;
    const Environments& environments;
    const PreviewVolumes* volumes = nullptr;  // none: release commands keep nothing
    Schedules& schedules;
    TaskGroup::Gate threads{};  // for tests
  };
  explicit Pipeline(Parts parts);
  ~Pipeline();

  // Takes up a recorded deployment in state queued.
  void submit(const Deployment& deployment);
  // Called with each deployment that became ready, recorded and routed, on its own thread, before
  // whoever follows it is told. Set once, before use.
  void on_ready(std::function<void(const Deployment&)> ready) { ready_ = std::move(ready); }
  // Stops making it, in the background; its whole process tree dies. Unknown ids are fine.
  void cancel(const DeploymentId& id, std::string_view reason);
  // Whether nothing of it is being made any more; waits for that up to `most`.
  [[nodiscard]] bool wait_until_settled(const DeploymentId& id, Duration most);
  // Cancels all work without settling it, and waits. Called once.
  void shut_down();

  struct Counts {
    std::size_t active = 0, queued = 0;
    std::uint64_t succeeded = 0, failed = 0, canceled = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct Job {
    DeploymentId id;
    std::string project, alias;
    Timestamp created_at{};
    std::string cancel_reason;
    std::stop_source stop;
    std::optional<Journey> journey;  // of the thread that makes it
  };
  // What is under way for one deployment.
  struct Making {
    Deployment& deployment;
    Journey& journey;
    BuildLog& log;
    std::vector<LayerStore::Pin>& pins;  // until the record names the layers
    std::stop_token stop;
    Manifest source{};
    std::optional<Ruling> ruling{};       // on showing it, once it is built
    std::optional<Error> failed_start{};  // of what an earlier build made
    std::string failed_unit{};            // whose start that was
    std::vector<Warning> told{};          // findings from before the build
  };

  // Starts what may start. Those for which there is no thread, nor anybody at work whose end would
  // start them, are given back, to be given up without the lock.
  [[nodiscard]] std::vector<std::shared_ptr<Job>> start_jobs() SLIPWAY_REQUIRES(mutex_);
  void make(Job& job);
  // Settles it as failed by a fault of Slipway's own.
  void give_up(Job& job, const Error& error);
  void finish(const std::shared_ptr<Job>& job);
  [[nodiscard]] Status make_steps(Making& making);
  // The error without the values that nobody may see.
  [[nodiscard]] Error without_secrets(const Deployment& deployment, const Error& error) const;
  [[nodiscard]] Status detect_units(Making& making);
  [[nodiscard]] Status build_units(Making& making);
  // From a build to running instances; once more, when the start's failure can be repaired.
  [[nodiscard]] Status make_running(Making& making);
  [[nodiscard]] Status start_units(Making& making);
  // Variables that the code reads and nobody set, as findings.
  void find_unset(Making& making);
  // What people would see at its URL, as findings.
  void look_at(Making& making);
  // Runs each folder's release command once; what it writes becomes a layer of the units there.
  [[nodiscard]] Status release_units(Making& making);
  [[nodiscard]] Result<std::string> release(Making& making, const Unit& unit,
                                            const std::string& command);
  [[nodiscard]] Result<Manifest> read_source(const Digest& digest) const;
  [[nodiscard]] Result<std::vector<std::string>> source_layers(const Deployment& deployment,
                                                               const Manifest& source);
  void settle(Deployment& deployment, Journey& journey, const Status& outcome, const Job& job,
              const std::optional<Ruling>& ruling);
  // Waits so long, unless the server ends meanwhile.
  [[nodiscard]] bool stops_within(Duration wait);
  // -- pipeline_policy.cc
  // Whether what was built may be shown. Errors: denied_by_policy; failed_precondition when it
  // waits for people, as making.ruling says.
  [[nodiscard]] Status ask_policies(Making& making);
  // Puts it back into the queue until people agree.
  void hold(const Deployment& deployment, Journey& journey, Ruling& ruling);

  static constexpr std::size_t max_active = 128;
  Parts parts_;
  mutable Mutex mutex_;
  CondVar settled_;
  bool stopping_ SLIPWAY_GUARDED_BY(mutex_) = false;
  std::deque<std::shared_ptr<Job>> queue_ SLIPWAY_GUARDED_BY(mutex_);
  std::unordered_map<DeploymentId, std::shared_ptr<Job>> jobs_
      SLIPWAY_GUARDED_BY(mutex_);  // queued and running
  std::size_t active_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  Counts totals_ SLIPWAY_GUARDED_BY(mutex_);
  std::function<void(const Deployment&)> ready_;
  TaskGroup tasks_;  // last: they use the others
};

}  // namespace slipway
