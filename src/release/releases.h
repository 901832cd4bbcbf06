#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/task_group.h"
#include "db/release_store.h"
#include "db/repository.h"
#include "db/volume_store.h"
#include "deploy/environments.h"
#include "deploy/governance.h"
#include "deploy/names.h"
#include "deploy/settings.h"
#include "deploy/sites.h"
#include "deploy/volumes.h"
#include "engine/engine.h"
#include "release/crews.h"
#include "router/route_table.h"
#include "store/blob_store.h"

namespace slipway {

// What an automatic rollback, a frozen environment or a failed rollout tells the outside world.
struct ReleaseAlert {
  std::string
      event;  // release.rolled_back | release.frozen | rollout.failed | rollout.switched ...
  Rollout rollout;
  std::string url;  // of the environment
};

// Promotion, canary, rollback: moves environments from release to release. Each move is a Rollout,
// driven by a thread of its own from asking to its end; every step is recorded before it takes
// effect, so that after a crash exactly one release is current, it serves, and the rollout goes on
// or is taken back. Thread-safe. Everything given must outlive it.
class Releases {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    ReleaseStore& store;
    Repository& repository;
    Crews& crews;
    RouteTable& table;
    Sites& sites;
    const Names& names;
    const Environments& environments;
    const Volumes& volumes;
    VolumeStore& volume_store;  // of what happens to them
    GovernanceService& governance;
    StepRunner& runner;  // of release commands
    LayerStore& layers;
    const Builder& builder;
    const BlobStore& blobs;
    std::function<void(const ReleaseAlert&)> alert;  // must not block; may be empty
    // Host names, beside the platform's own, that lead to an environment.
    std::function<std::vector<std::string>(std::string_view project, std::string_view environment)>
        domains;
    TaskGroup::Gate threads{};  // for tests
  };
  explicit Releases(Parts parts);
  ~Releases();

  struct Promotion {
    DeploymentId deployment;
    std::string environment{production_environment};
    std::string message;
    std::vector<int> canary;  // percent, rising, each 1..99
    std::optional<Duration> canary_step;
    std::vector<SmokeRequest> smoke;
    bool automatic = false;  // by `deploy --prod`: held back while the environment is paused
  };
  // Asks the policies, records the rollout, starts driving it and returns it as it is then:
  // running, or waiting for people. Errors: denied_by_policy; failed_precondition (the deployment
  // is not ready, the environment is paused); conflict (another rollout is under way there: its id
  // is in the hint); invalid_argument.
  [[nodiscard]] Result<Rollout> promote(const AuditContext& by, const Promotion& wanted);

  // What promote() would do and change; nothing is done.
  struct Preview {
    StoredDecision decision;
    Rollout rollout;                 // as it would be recorded
    std::optional<Release> current;  // what serves now
    Deployment candidate;
    std::optional<Deployment> serving;  // of `current`
    ManifestDiff files;                 // candidate against serving
    std::vector<std::string> env_added, env_removed,
        env_missing;                        // names; missing: required, unset
    std::vector<std::string> plan_changes;  // one line each
    std::uint32_t instances = 0;            // that would run meanwhile, beside those that do
    std::uint64_t memory_bytes = 0;         // their limits together
  };
  [[nodiscard]] Result<Preview> preview(const AuditContext& by, const Promotion& wanted);

  // Makes an earlier release current: to `to`, or to the newest before the current one that has
  // been live. Route flip first when it is still warm. While a rollout is under way, that one is
  // taken back first. `restore`: a snapshot of the volumes to go back to, too. Errors: not_found
  // (no such release, or none to go back to), failed_precondition (its artifact is gone),
  // denied_by_policy.
  [[nodiscard]] Result<Rollout> roll_back(const AuditContext& by, std::string_view project,
                                          std::string_view environment,
                                          std::optional<std::int64_t> to, std::string message,
                                          std::optional<std::string> restore = {});
  // The current deployment with another version of the configuration. Nothing to do without a
  // current release.
  [[nodiscard]] Result<std::optional<Rollout>> reconfigure(const AuditContext& by,
                                                           std::string_view project,
                                                           std::string_view environment,
                                                           std::int64_t config_version);
  // For a deployment that became ready and is to go on by itself (DeployOptions::promote_to):
  // promotes it as whoever deployed it, and records the rollout, or why there is none, with it.
  // Does nothing for others, and for one that has been tried.
  void promote_ready(const Deployment& deployment);
  // Whether rules let `by` cancel it. Once everybody is given the new release that is a rollback,
  // and asked as one; before, nothing is asked. Errors: denied_by_policy, also when people would
  // have to approve it: `slipway rollback` waits for them.
  [[nodiscard]] Result<AuditContext> may_take_back(const AuditContext& by, const Rollout& rollout);
  // Ends a rollout that is not over: before the switch nothing has happened; after it, it is rolled
  // back. Asks no rule, so that the kill switch always works.
  [[nodiscard]] Result<Rollout> cancel(const AuditContext& by, const RolloutId& id,
                                       std::string reason);
  // Deploys promote by themselves again.
  [[nodiscard]] Result<EnvironmentState> resume(const AuditContext& by, std::string_view project,
                                                std::string_view environment);

  // -- looking
  [[nodiscard]] Result<Rollout> rollout(const RolloutId& id) const;
  // Waits until the rollout is no longer as `seen` (its JSON's revision), or is over, or the time
  // is up.
  [[nodiscard]] Result<Rollout> wait(const RolloutId& id, const Rollout& seen, Duration most) const;
  struct EnvironmentView {
    EnvironmentState state;
    std::optional<Release> current;
    std::string url;
    std::vector<std::string> domains;
    std::vector<Crews::Instance> instances;
  };
  [[nodiscard]] Result<std::vector<EnvironmentView>> environments(std::string_view project) const;
  [[nodiscard]] std::string url(std::string_view project, std::string_view environment) const;

  // -- for the server
  // Once, before the router listens: routes of all environments, instances adopted, rollouts taken
  // up again or taken back.
  [[nodiscard]] Status recover();
  // Once a second: watches, drains, retention.
  void tick();
  void shut_down();
  // Of the domains of an environment, after they changed.
  [[nodiscard]] Status publish(std::string_view project, std::string_view environment);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway
