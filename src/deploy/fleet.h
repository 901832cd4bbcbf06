#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "build/builder.h"
#include "db/repository.h"
#include "deploy/environments.h"
#include "deploy/instance_launcher.h"
#include "deploy/names.h"
#include "deploy/settings.h"
#include "deploy/workers.h"
#include "engine/engine.h"
#include "router/route_table.h"
#include "store/layer_store.h"

namespace slipway {

// The instances of all live deployments: starts and probes them, puts idle ones to sleep, wakes
// them on a request, restarts what crashes and gives up on what crashes in a loop, keeps the caps.
// A deployment's instances (one for each of its units that has one) start, sleep and wake together
// and reach each other by Links. Each has one Backend for its whole life, which the router's routes
// share; a worker's is in no route. State changes are recorded in the repository. Instances of
// releases (with a label "release") are not its business.
//
// Thread-safe. Starting and stopping one deployment's instances is serialized; different ones run
// at once. Everything given must outlive it.
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
    const Environments& environments;
    const PreviewVolumes* volumes = nullptr;  // none: instances keep nothing
  };
  // Told of a deployment that stopped being live by itself (crash loop), after it was recorded.
  // Asked again, at growing intervals, for as long as it fails.
  using LostHandler = std::function<Status(const Deployment&)>;

  Fleet(Parts parts, LostHandler lost);
  ~Fleet();  // stops its threads; the instances go on

  // Where the logs of a unit's instances lie.
  [[nodiscard]] std::filesystem::path log_directory(const DeploymentId& id,
                                                    std::string_view label = {}) const;

  // The backend of a unit, made asleep at the first call.
  [[nodiscard]] std::shared_ptr<Backend> backend(const Deployment& deployment,
                                                 std::string_view label = {});

  // Starts a deployment's first instances and waits until all are ready: a web service when it
  // answers, a worker when it still runs after a moment. Errors: start_failed with cause and
  // excerpt, naming the service when there are several; canceled; over_budget when every running
  // instance is busy and the cap is reached.
  [[nodiscard]] Status start(const Deployment& deployment, std::stop_token stop);
  // A start is likely soon. Never blocks. A hint.
  void expect_start() { parts_.engine.expect_start(); }
  // Starts them in the background; for the router. Never blocks.
  void wake(const std::shared_ptr<Backend>& backend);
  // Forgets it; its instances are stopped in the background, one that starts too. A start of the
  // same deployment waits for that. Absent is fine. Never blocks.
  void remove(const DeploymentId& id);
  // Whether nothing runs any more of what was removed under this id; waits for it up to `most`.
  [[nodiscard]] bool wait_until_ended(const DeploymentId& id, Duration most);

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
  // Of all its instances together. Errors: not_found when none runs.
  [[nodiscard]] Result<Usage> usage(const DeploymentId& id);

 private:
  struct Member;  // one unit's instance
  struct Entry;   // a deployment
  using EntryPtr = std::shared_ptr<Entry>;
  using MemberPtr = std::shared_ptr<Member>;
  struct Owner {
    EntryPtr entry;
    MemberPtr member;
  };

  [[nodiscard]] EntryPtr entry(const Deployment& deployment);
  [[nodiscard]] EntryPtr find(const DeploymentId& id) const;
  [[nodiscard]] MemberPtr member(Entry& entry, std::string_view label);
  [[nodiscard]] std::vector<MemberPtr> members(const Entry& entry) const;

  // With the entry's operation lock held.
  [[nodiscard]] Status start_members(const EntryPtr& entry, const Deployment& deployment,
                                     std::stop_token stop);
  [[nodiscard]] Status launch(const EntryPtr& entry, const MemberPtr& member,
                              const Deployment& deployment, const Unit& unit);
  void join_siblings(Entry& entry, const InstanceLauncher::Subject& subject);
  void stop_instance(Member& member);
  void set_unready(const Entry& entry, const std::function<void(Backend&)>& change) const;

  [[nodiscard]] Status make_room(const Entry& wanted);
  // Whether requests woke it, none is open now, and (so) it may sleep; with the lock held.
  [[nodiscard]] static bool may_sleep(const Entry& entry);
  void wake_now(const EntryPtr& entry);
  // Whether it has a worker that does not run, and that no request would start: beside a service
  // that does, or alone.
  [[nodiscard]] bool must_run(const Entry& entry, const Deployment& deployment) const;
  void wake_failed(const EntryPtr& entry, const Deployment* deployment, const Error& why);
  // False when somebody else starts or stops it: it is never waited for, since two that wake might
  // want each other's place.
  bool sleep_now(const EntryPtr& entry, std::string_view reason);
  void end_removed(const EntryPtr& entry);
  void handle_exit(const std::string& sandbox, const SandboxExit& exit);
  enum class Cause { ended, disk_full, volumes_full };
  // `sandbox`: the one that ended; another one by now is left alone.
  void handle_crash(const EntryPtr& entry, const MemberPtr& member, const std::string& sandbox,
                    const SandboxExit& exit, Cause cause);
  // On a thread of the share of its project.
  void post(const EntryPtr& entry, std::function<void()> task,
            std::chrono::milliseconds delay = {});
  [[nodiscard]] Error crash_loop_of(const Entry& entry, const Member& member,
                                    const SandboxExit& exit, Cause cause, std::size_t crashes);
  // Records it as failed, stops it and tells; tries again for as long as the record cannot be
  // written. With the entry's operation lock held.
  void give_up(const EntryPtr& entry, const Error& error, std::size_t attempts);
  void tell_lost(const Deployment& lost, std::size_t attempts);
  void adopt_instance(const EntryPtr& entry, const MemberPtr& member, const std::string& sandbox,
                      const Deployment& deployment);
  // What runs no more though its record says ready: the record says that it sleeps.
  [[nodiscard]] Status record_end_while_away(const DeploymentId& id);
  // What ended after it had been listed and before its end could be heard.
  [[nodiscard]] Status end_unheard();
  void check_port(const EntryPtr& entry, const MemberPtr& member);
  void check_disk(const EntryPtr& entry, const MemberPtr& member);

  Parts parts_;
  LostHandler lost_;
  mutable Mutex mutex_;
  std::unordered_map<DeploymentId, EntryPtr> entries_ SLIPWAY_GUARDED_BY(mutex_);
  std::unordered_map<std::string, Owner> by_sandbox_ SLIPWAY_GUARDED_BY(mutex_);
  // Removed, and not stopped yet.
  std::unordered_map<DeploymentId, std::size_t> ending_ SLIPWAY_GUARDED_BY(mutex_);
  CondVar changed_;                                     // of ending_, freed_
  std::uint64_t freed_ SLIPWAY_GUARDED_BY(mutex_) = 0;  // places, so far
  std::uint64_t wakes_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  std::uint64_t crashes_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  std::uint64_t sleeps_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  std::size_t running_ SLIPWAY_GUARDED_BY(mutex_) = 0;
  Duration last_disk_check_ SLIPWAY_GUARDED_BY(mutex_){};
  // An app that never answers keeps a thread for as long as it may take to start. What only ends
  // instances, and what only looks, never waits behind such.
  Workers workers_{"wakes", {.units = 64, .per_key = 12}};
  Workers ends_{"ends of instances", {.units = 16, .per_key = 4}};
  Workers looks_{"looks at instances", {.units = 4, .per_key = 1}};
  InstanceLauncher launcher_;  // last: the ends that it tells of use the rest
};

}  // namespace slipway
