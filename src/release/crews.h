#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "build/builder.h"
#include "canary/judge.h"
#include "db/repository.h"
#include "deploy/environments.h"
#include "deploy/instance_spec.h"
#include "deploy/names.h"
#include "deploy/settings.h"
#include "deploy/volumes.h"
#include "engine/engine.h"
#include "router/traffic.h"
#include "store/layer_store.h"

namespace slipway {

// The instances of releases: several of each web service of one, one of each worker; in the
// environment's own range of uids, control group, variables and volumes. They never sleep. What
// ends by itself is started again, at growing intervals and without end once the release has
// served; what fails its health check three times in a row is taken out of service, put back when
// it answers, and replaced when it does not for a minute.
//
// Thread-safe. Starting and stopping one release's crew is serialized. Everything given must
// outlive it.
class Crews {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    Engine& engine;
    Repository& repository;
    LayerStore& layers;
    const Builder& builder;
    const Names& names;
    const Environments& environments;
    const Volumes& volumes;
    // How many of each web service an environment is to have, when it has been said; 0: the
    // setting. May be empty.
    std::function<std::uint32_t(std::string_view project, std::string_view environment)> wanted{};
    std::uint64_t machine_memory_bytes = 0;  // 0: not known
  };
  explicit Crews(Parts parts);
  ~Crews();  // stops its threads; the instances go on

  struct Key {
    std::string project, environment;
    std::int64_t number = 0;
    auto operator<=>(const Key&) const = default;
  };
  [[nodiscard]] static Key key_of(const Release& release) {
    return {release.project, release.environment, release.number};
  }

  // Starts what is missing of the crew and waits until all of it is ready. Errors as
  // Fleet::start(); then what this call started is stopped again. One that runs already is done at
  // once. Workers run whatever the preview was asked for; schedules are Schedules'.
  [[nodiscard]] Status start(const Release& release, const Deployment& deployment,
                             std::stop_token stop);
  // For the release that serves, when it has to come back: as start(), and what does not start now
  // is tried again at growing intervals until it runs or stop() is called. The error tells of the
  // first attempt.
  [[nodiscard]] Status start_for_good(const Release& release, const Deployment& deployment);
  // The instances of a routed unit; made empty at the first call. The same one for as long as the
  // server runs, also over stop() and start().
  [[nodiscard]] std::shared_ptr<BackendPool> pool(const Key& key, std::string_view label);
  // Lets open requests end for `drain` at the most (WebSockets too), then stops all. Ends a start()
  // of it that is under way. Unknown: fine. Routes must not lead to it any more.
  [[nodiscard]] Status stop(const Key& key, Duration drain);
  // For a release that is only kept warm: its workers are stopped, so that none runs beside those
  // of the release that serves; its web services go on. start() starts them again.
  [[nodiscard]] Status stop_workers(const Key& key);
  // Starts as many of each web service as `instances` says, or stops what is too many.
  [[nodiscard]] Status scale(const Release& release, const Deployment& deployment,
                             std::uint32_t instances, std::stop_token stop);
  // Whether so many of each web service, with the memory that each may take, fit into the machine.
  // Errors: failed_precondition, which says how many would.
  [[nodiscard]] Status check_fits(const Deployment& deployment, std::uint32_t instances) const;
  // New instances first, then the old ones drain, one by one; for `slipway restart`. A worker is
  // stopped before its successor starts.
  [[nodiscard]] Status replace(const Release& release, const Deployment& deployment,
                               std::stop_token stop);

  // The server ends: nobody waits any longer for open requests to end; what was draining goes on
  // and is stopped at the next start.
  void leave();

  // Once, before the router starts: goes on with instances of these that outlived the server, and
  // stops those of any other release. Those that had been ready are in service when it returns;
  // what is missing is started in the background.
  struct Kept {
    Release release;
    Deployment deployment;
  };
  [[nodiscard]] Status adopt(const std::vector<Kept>& kept);

  // For judging: without the traffic, which the routes' statistics have.
  [[nodiscard]] ReleaseSample sample(const Key& key) const;
  [[nodiscard]] Result<Usage> usage(const Key& key) const;
  // What each instance does, for `inspect` and the dashboard.
  struct Instance {
    std::string sandbox, label, state;  // starting | ready | unhealthy | restarting | draining
    std::uint64_t restarts = 0;
    int open_requests = 0;
    std::string detail;  // of its last failed check or its last end
  };
  [[nodiscard]] std::vector<Instance> instances(const Key& key) const;
  // Where the logs of a unit lie: those of its first instance, and of all that have been, the first
  // one first. Each of them is a directory for LogReader.
  [[nodiscard]] std::filesystem::path log_directory(const Key& key, std::string_view label) const;
  [[nodiscard]] std::vector<std::filesystem::path> log_directories(const Key& key,
                                                                   std::string_view label) const;

  // How a release's unit runs: Placement with its volumes and release layer. Also for its
  // schedules.
  [[nodiscard]] Result<Placement> placement(const Release& release, const Unit& unit) const;

  // Once a second: health checks that are due, restarts, disks.
  void tick();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway
