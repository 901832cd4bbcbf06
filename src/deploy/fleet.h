#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "build/builder.h"
#include "db/repository.h"
#include "deploy/names.h"
#include "deploy/settings.h"
#include "deploy/workers.h"
#include "engine/engine.h"
#include "router/route_table.h"
#include "store/layer_store.h"

namespace slipway {

// The instances of all live deployments: starts and probes them, puts idle ones to sleep, wakes
// them on a request, restarts what crashes and gives up on what crashes in a loop, keeps the caps.
// A deployment has one Backend for its whole life, which the router's routes share. State changes
// are recorded in the repository.
//
// Thread-safe. Starting and stopping one deployment's instance is serialized; different ones run at
// once. Everything given must outlive it.
class Fleet {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    Engine& engine;
    Repository& repository;
    LayerStore& layers;
    const Builder& builder;
    const Names& names;
  };
  // Told of a deployment that stopped being live by itself (crash loop), after it was recorded.
  using LostHandler = std::function<void(const Deployment&)>;

  Fleet(Parts parts, LostHandler lost);
  ~Fleet();  // stops its threads; the instances go on

  // Where the logs of a deployment's instances lie.
  [[nodiscard]] std::filesystem::path log_directory(const DeploymentId& id) const;

  // The backend of a deployment, made asleep at the first call.
  [[nodiscard]] std::shared_ptr<Backend> backend(const DeploymentId& id);

  // Starts a deployment's first instance and waits until it is ready. Errors: start_failed with
  // cause and excerpt; canceled; over_budget when every running instance is busy and the cap is
  // reached.
  [[nodiscard]] Status start(const Deployment& deployment, std::stop_token stop);
  // A start is likely soon. Never blocks. A hint.
  void expect_start() { parts_.engine.expect_start(); }
  // Starts it in the background; for the router. Never blocks.
  void wake(const std::shared_ptr<Backend>& backend);
  // Stops its instance and forgets it. Absent is fine.
  [[nodiscard]] Status remove(const DeploymentId& id);

  // Once, before the router starts: goes on with instances that outlived the server and stops those
  // that belong to nothing live.
  [[nodiscard]] Status adopt(const std::vector<Deployment>& live);

  // Once a second: put to sleep what is idle; now and then, end what outgrew its disk.
  void tick();

  struct Counts {
    std::size_t running = 0, known = 0;
    std::uint64_t wakes = 0, crashes = 0, sleeps = 0;
  };
  [[nodiscard]] Counts counts() const;
  // When the deployment was last asked for (monotonic); the time it became known when never.
  [[nodiscard]] Duration last_used(const DeploymentId& id) const;
  [[nodiscard]] Result<Usage> usage(const DeploymentId& id);

 private:
  struct Entry;

  [[nodiscard]] std::shared_ptr<Entry> entry(const DeploymentId& id);
  [[nodiscard]] std::shared_ptr<Entry> find(const DeploymentId& id) const;
  // With the entry's operation lock held.
  [[nodiscard]] Status start_instance(Entry& entry, const Deployment& deployment,
                                      std::stop_token stop);
  void stop_instance(Entry& entry);
  [[nodiscard]] Status make_room(const Entry& wanted);
  void wake_now(const std::shared_ptr<Entry>& entry);
  void sleep_now(const std::shared_ptr<Entry>& entry, std::string_view reason);
  void handle_exit(const std::string& sandbox, const SandboxExit& exit);
  enum class Cause { ended, disk_full };
  void handle_crash(const std::shared_ptr<Entry>& entry, const SandboxExit& exit, Cause cause);
  void check_disk(const std::shared_ptr<Entry>& entry);
  [[nodiscard]] Result<SandboxSpec> sandbox_spec(const Deployment& deployment,
                                                 const std::string& sandbox) const;
  [[nodiscard]] Result<Backend::Endpoint> wait_until_ready(const std::string& sandbox,
                                                           const Deployment& deployment,
                                                           std::stop_token stop);
  [[nodiscard]] std::optional<SandboxExit> exit_of(const std::string& sandbox, Duration wait);

  Parts parts_;
  LostHandler lost_;
  mutable std::mutex mutex_;
  std::condition_variable exited_;
  std::unordered_map<DeploymentId, std::shared_ptr<Entry>> entries_;
  std::unordered_map<std::string, DeploymentId> by_sandbox_;
  std::unordered_map<std::string, SandboxExit> exits_;  // of sandboxes that are being started
  std::uint64_t wakes_ = 0, crashes_ = 0, sleeps_ = 0;
  std::size_t running_ = 0;
  Duration last_disk_check_{};
  std::unique_ptr<Workers> workers_;
};

}  // namespace slipway
