#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "db/audit_store.h"
#include "db/database.h"
#include "db/repository.h"
#include "model/release.h"

namespace slipway {

// Releases, rollouts and where each environment stands. Every change is one transaction together
// with its audit record and, when given, what belongs beside it. Thread-safe. What it is given must
// outlive it.
class ReleaseStore {
 public:
  ReleaseStore(Database& database, AuditStore& audit) : database_(database), audit_(audit) {}
  using Beside = Repository::Beside;

  // -- environments
  // Never an error for one that has no release: then all is zero.
  [[nodiscard]] Result<EnvironmentState> environment(std::string_view project,
                                                     std::string_view environment);
  // "" for all projects'.
  [[nodiscard]] Result<std::vector<EnvironmentState>> environments(std::string_view project = {});

  // -- releases
  [[nodiscard]] Result<Release> release(std::string_view project, std::string_view environment,
                                        std::int64_t number);
  // Newest first.
  [[nodiscard]] Result<std::vector<Release>> releases(std::string_view project,
                                                      std::string_view environment,
                                                      std::size_t limit, std::int64_t before = 0);
  // Every release that is kept, of all environments: their deployments' artifacts are not garbage.
  [[nodiscard]] Result<std::vector<Release>> kept();
  // Those beyond the newest `keep` are not kept any more; what is current, previous, part of an
  // open rollout, or the newest that was ever live before the current one, stays. Returns how many
  // went.
  [[nodiscard]] Result<std::size_t> retire(const AuditContext& by, std::string_view project,
                                           std::string_view environment, std::size_t keep);

  // -- rollouts
  // Makes the rollout the environment's active one; with a new release, which gets its number here
  // (rollout.to follows). Errors: conflict when another one is active, unless it is over or waits.
  struct Begun {
    Rollout rollout;
    Release release;
  };
  [[nodiscard]] Result<Begun> begin(const AuditContext& by, const Rollout& rollout,
                                    const std::optional<Release>& next, const Beside& beside = {});
  [[nodiscard]] Result<Rollout> rollout(const RolloutId& id);
  [[nodiscard]] Result<std::vector<Rollout>> rollouts(std::string_view project,
                                                      std::string_view environment,
                                                      std::size_t limit, std::int64_t before = 0);
  // That are not over, of all environments: for recovery.
  [[nodiscard]] Result<std::vector<Rollout>> open_rollouts();
  // Reads, lets `change` edit, writes. Audited as "rollout.<state>" when the state changes. One
  // that is over lets go of the environment.
  [[nodiscard]] Result<Rollout> update(const AuditContext& by, const RolloutId& id,
                                       const std::function<Status(Rollout&)>& change,
                                       const Beside& beside = {});
  [[nodiscard]] Result<Release> update_release(const AuditContext& by, std::string_view project,
                                               std::string_view environment, std::int64_t number,
                                               const std::function<Status(Release&)>& change);
  // The switch: `to` becomes current, what was current becomes previous, the rollout is updated.
  // Errors: conflict when the rollout is not the active one.
  [[nodiscard]] Result<Rollout> make_current(const AuditContext& by, const RolloutId& id,
                                             const std::function<Status(Rollout&)>& change,
                                             const Beside& beside = {});
  // Edits paused, frozen_until, previous.
  [[nodiscard]] Result<EnvironmentState> update_environment(
      const AuditContext& by, std::string_view project, std::string_view environment,
      const std::function<Status(EnvironmentState&)>& change);

  // How often something happened since; for facts.
  struct History {
    std::int64_t releases = 0, rollbacks = 0, automatic_rollbacks = 0;
    std::optional<Timestamp> last_rollback;
  };
  [[nodiscard]] Result<History> history(std::string_view project, std::string_view environment,
                                        Timestamp since);

 private:
  Database& database_;
  AuditStore& audit_;
};

}  // namespace slipway
