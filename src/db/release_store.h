#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "db/audit_store.h"
#include "db/beside.h"
#include "db/database.h"
#include "db/repository.h"
#include "model/release.h"

namespace slipway {

// Releases, rollouts and where each environment stands. Every change is one transaction together
// with its audit record and, when given, what belongs beside it. Thread-safe. What it is given must
// outlive it.
//
// At any time: an environment's releases are numbered from 1 without gaps; it has one current
// release or none; at most one rollout that is neither over nor waiting, which is its `active` one;
// a rollout that is over is never changed again.
class ReleaseStore {
 public:
  ReleaseStore(Database& database, AuditStore& audit) : database_(database), audit_(audit) {}

  // -- environments
  // Never an error for one that has no release: then all is zero.
  [[nodiscard]] Result<EnvironmentState> environment(std::string_view project,
                                                     std::string_view environment);
  // "" for all projects'.
  [[nodiscard]] Result<std::vector<EnvironmentState>> environments(std::string_view project = {});

  // -- releases
  // Errors: not_found.
  [[nodiscard]] Result<Release> release(std::string_view project, std::string_view environment,
                                        std::int64_t number);
  // Newest first.
  [[nodiscard]] Result<std::vector<Release>> releases(std::string_view project,
                                                      std::string_view environment,
                                                      std::size_t limit, std::int64_t before = 0);
  // Every release that is kept, of all environments: their deployments' artifacts are not garbage.
  [[nodiscard]] Result<std::vector<Release>> kept();
  // Of one deployment, in any environment.
  [[nodiscard]] Result<std::vector<Release>> releases_of(const DeploymentId& deployment);
  // Of those, the ones that serve now, all or a canary's share, or are kept warm beside what does.
  [[nodiscard]] Result<std::vector<Release>> serving(const DeploymentId& deployment);
  // The newest before `number` that has served and is kept: what a rollback goes to.
  [[nodiscard]] Result<std::optional<Release>> live_before(std::string_view project,
                                                           std::string_view environment,
                                                           std::int64_t number);
  // Those beyond the newest `keep` that have served are not kept any more, nor are those that never
  // did; what is current, previous, part of an open rollout, or the newest that was ever live
  // before the current one, stays. Returns how many went.
  [[nodiscard]] Result<std::size_t> retire(const AuditContext& by, std::string_view project,
                                           std::string_view environment, std::size_t keep);

  // -- rollouts
  // Records the rollout, from the release that is current now, and, unless it waits for people,
  // makes it the environment's active one; with a new release, which gets its number here
  // (rollout.to follows). A promotion or rollback ends promotions that still wait, as canceled,
  // when whoever asks may take them back (giving_way.h). One that is only watched any more gives
  // way: to a rollback as rolled_back, to others as done. Errors: conflict when another one is
  // active, its id is in the hint; or when one waits that does not give way.
  struct Begun {
    Rollout rollout;
    Release release;
    std::vector<Rollout> replaced;  // as they ended
  };
  [[nodiscard]] Result<Begun> begin(const AuditContext& by, const Rollout& rollout,
                                    const std::optional<Release>& next, const Beside& beside = {});
  // Errors: not_found.
  [[nodiscard]] Result<Rollout> rollout(const RolloutId& id);
  // Newest first; `before`: a sequence number to continue below. "" for any project or environment.
  [[nodiscard]] Result<std::vector<Rollout>> rollouts(std::string_view project,
                                                      std::string_view environment,
                                                      std::size_t limit, std::int64_t before = 0);
  // The newest that was made for the deployment. Nothing when there is none.
  [[nodiscard]] Result<std::optional<Rollout>> rollout_of(const DeploymentId& deployment);
  // That are not over, of all environments, oldest first: for recovery.
  [[nodiscard]] Result<std::vector<Rollout>> open_rollouts();
  // Reads, lets `change` edit, writes; `change` may be called again, as Repository::update() says,
  // here and below. Audited as "rollout.<state>" when the state changes. One
  // that goes on after waiting becomes the active one, from what is current then, as in begin();
  // `replaced`, when given, is what gave way. One that is over lets go of the environment. Errors:
  // failed_precondition when it is over already.
  [[nodiscard]] Result<Rollout> update(const AuditContext& by, const RolloutId& id,
                                       const std::function<Status(Rollout&)>& change,
                                       const Beside& beside = {},
                                       std::vector<Rollout>* replaced = nullptr);
  [[nodiscard]] Result<Release> update_release(const AuditContext& by, std::string_view project,
                                               std::string_view environment, std::int64_t number,
                                               const std::function<Status(Release&)>& change);
  // The switch: `to` becomes current, what was current becomes previous, the rollout is updated.
  // Audited as "release.current". Errors: conflict when the rollout is not the active one.
  [[nodiscard]] Result<Rollout> make_current(const AuditContext& by, const RolloutId& id,
                                             const std::function<Status(Rollout&)>& change,
                                             const Beside& beside = {});
  // The switch undone: `from` becomes current again, `to` previous until it has been stopped.
  // Errors: conflict when the rollout is not the active one, or `to` is not current.
  [[nodiscard]] Result<Rollout> make_previous_current(const AuditContext& by, const RolloutId& id,
                                                      const std::function<Status(Rollout&)>& change,
                                                      const Beside& beside = {});
  // Edits paused, instances, frozen_until, previous. Audited as "environment.changed".
  [[nodiscard]] Result<EnvironmentState> update_environment(
      const AuditContext& by, std::string_view project, std::string_view environment,
      const std::function<Status(EnvironmentState&)>& change);

  // How often something happened since; for facts. Releases that served, and rollbacks, those by
  // Slipway itself included.
  struct History {
    std::int64_t releases = 0, rollbacks = 0, automatic_rollbacks = 0;
    std::optional<Timestamp> last_rollback;  // ever
  };
  [[nodiscard]] Result<History> history(std::string_view project, std::string_view environment,
                                        Timestamp since);

 private:
  enum class Direction { forward, back };
  [[nodiscard]] Result<Rollout> make_current(Direction direction, const AuditContext& by,
                                             const RolloutId& id,
                                             const std::function<Status(Rollout&)>& change,
                                             const Beside& beside);
  // Reads, lets `change` edit with nothing held, and lets `write` write if nobody else did.
  using WriteRollout =
      std::function<Status(Database::Transaction&, const Rollout& before, Rollout& after)>;
  [[nodiscard]] Result<Rollout> edit(const RolloutId& id,
                                     const std::function<Status(Rollout&)>& change,
                                     const WriteRollout& write);
  [[nodiscard]] Status write_change(Database::Transaction& session, const AuditContext& by,
                                    const Rollout& before, Rollout& after, const Beside& beside,
                                    std::vector<Rollout>& gone);
  [[nodiscard]] Status write_switch(Database::Transaction& session, Direction direction,
                                    const AuditContext& by, const Rollout& before,
                                    const Rollout& after, const Beside& beside);
  [[nodiscard]] Status take_over(Database::Transaction& session, const AuditContext& by,
                                 EnvironmentState& state, const Rollout& next,
                                 std::vector<Rollout>& replaced);
  [[nodiscard]] Status write(Database::Transaction& session, const AuditContext& by,
                             const std::optional<Rollout>& before, const Rollout& after);

  Database& database_;
  AuditStore& audit_;
};

}  // namespace slipway
