#pragma once

#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <utility>

#include "base/task_group.h"
#include "deploy/cron.h"
#include "deploy/fleet.h"
#include "deploy/instance_spec.h"
#include "deploy/workers.h"

namespace slipway {

// Runs what live deployments schedule (units of kind cron that run there), each at its times in
// UTC: its command in a sandbox of its own, with the limits, variables and log of any service, or a
// request to the service that it names. A run that is still under way when the next is due is not
// joined by a second one; times that passed while no server ran are not made up for. Thread-safe;
// start() and stop() once each. Everything given must outlive it.
class Schedules {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    Repository& repository;
    LayerStore& layers;
    const Builder& builder;
    const Names& names;
    const Environments& environments;
    const PreviewVolumes* volumes = nullptr;  // none: runs keep nothing
    StepRunner& runner;
    Fleet& fleet;
  };
  explicit Schedules(Parts parts);
  ~Schedules() { stop(); }

  // Looks at the clock once a second from now on.
  [[nodiscard]] Status start();
  // Ends what runs, and waits.
  void stop();

  // Takes up what a deployment that became ready schedules. Those that are no longer live are
  // forgotten by themselves.
  void watch(const Deployment& deployment);

  // A release that serves: all its schedules run, whatever its preview was asked for, in its
  // environment's place.
  struct ServingRelease {
    std::string name;  // of one release only, such as "shop/production/7"
    std::string environment;
    std::shared_ptr<const Deployment> deployment;
    std::function<Result<Placement>(const Unit& unit)> placement;
    std::function<std::filesystem::path(std::string_view label)> log_directory;
    // Where a service answers now; null when it does not.
    std::function<std::shared_ptr<const Backend::Endpoint>(std::string_view label)> endpoint;
  };
  // Until unwatch(). One that is watched already is left as it is.
  void watch(ServingRelease release);
  // A run that is under way goes on. Unknown names are fine.
  void unwatch(const std::string& name);
  // Begins what is due now; callable alone.
  void tick();

  struct Counts {
    std::size_t watched = 0, running = 0;
    std::uint64_t succeeded = 0, failed = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  using Job = std::pair<std::string, std::string>;  // deployment or release, and the unit's label
  struct Due {
    CronSchedule schedule;
    Timestamp next;
    Workers::Share share;
  };
  using ReleasePtr = std::shared_ptr<const ServingRelease>;
  // With the mutex held.
  void add(const std::string& owner, const Deployment& deployment, const Unit& unit,
           Workers::Share share) SLIPWAY_REQUIRES(mutex_);
  void run(const Job& job);
  // `release` null: a preview's.
  [[nodiscard]] Status run_unit(const Deployment& deployment, const Unit& unit,
                                const ReleasePtr& release);
  [[nodiscard]] Status run_command(const Deployment& deployment, const Unit& unit,
                                   const ReleasePtr& release);
  [[nodiscard]] Status request(const Deployment& deployment, const Unit& unit,
                               const ReleasePtr& release);
  // Wakes it when it sleeps.
  [[nodiscard]] std::shared_ptr<const Backend::Endpoint> preview_endpoint(
      const Deployment& deployment, std::string_view label);

  Parts parts_;
  mutable Mutex mutex_;
  std::map<Job, Due> due_ SLIPWAY_GUARDED_BY(mutex_);
  std::map<std::string, ReleasePtr> releases_ SLIPWAY_GUARDED_BY(mutex_);  // by name
  std::set<Job> running_ SLIPWAY_GUARDED_BY(mutex_);
  std::uint64_t succeeded_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  std::uint64_t failed_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  std::stop_source stop_;
  Worker worker_{"schedules"};
  Workers workers_;  // last: its tasks use the rest
};

}  // namespace slipway
