#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/task_group.h"
#include "release/environment_routes.h"
#include "release/questions.h"
#include "release/releases.h"
#include "release/rollout_driver.h"

namespace slipway {

// What Releases' files share. Locks: `mutex` guards the drives and is never held while a store, a
// crew or the policies are asked.
struct Releases::State {
  explicit State(Parts wanted) : parts(std::move(wanted)) {}

  // A rollout that a thread drives.
  struct Drive {
    RolloutId id;
    std::string project, environment;
    std::int64_t to = 0;
    std::stop_source stop;
    // Under the mutex.
    RolloutDriver::Ending ending;
    std::optional<std::int64_t> leaving;  // the release that it only lets end yet
  };

  // -- release_threads.cc
  // Drives it on a thread of its own, after those of the same environment have ended.
  void submit(const Rollout& rollout);
  void drive(const std::shared_ptr<Drive>& drive);
  // What a bug of Slipway's own left of it ends as failed; what served before serves on.
  void give_up(const std::shared_ptr<Drive>& drive, const Error& error);
  void forget(const std::shared_ptr<Drive>& drive);
  [[nodiscard]] RolloutDriver driver_of(const std::shared_ptr<Drive>& drive, Rollout rollout);
  // In the background; waited for by shut_down(). Errors: unavailable, and nothing runs.
  [[nodiscard]] Status background(std::function<void()> work, TaskGroup::OnFailure on_failure = {});
  // Asks the drive to end, and waits until it has, or only lets open requests end. False when
  // nobody drives it.
  bool end(const RolloutId& id, const RolloutDriver::Ending& ending);
  // Those that gave way to `next`: their drives end, what was kept warm for them alone stops, their
  // approvals are withdrawn.
  void let_go(const std::vector<Rollout>& replaced, const Rollout& next);
  void notify();

  // -- release_requests.cc
  struct Draft {
    Rollout rollout;
    Release release;
    Deployment deployment;
  };
  [[nodiscard]] Result<Draft> draft(const AuditContext& by, const Promotion& wanted) const;
  [[nodiscard]] Status check_environment(std::string_view project,
                                         std::string_view environment) const;
  [[nodiscard]] Status check_promotable(const Deployment& deployment) const;
  // Decides, records, and starts it unless it waits. `next`: whether the draft's release is new.
  enum class Next { made, known };
  [[nodiscard]] Result<Rollout> begin(const AuditContext& by, Draft draft, Next next,
                                      const Asked& asked);

  // -- release_approvals.cc: goes on with what waited for people, or ends it.
  [[nodiscard]] Status reconsider(const ApprovalRequest& request);
  [[nodiscard]] Result<Ruling> decide_again(const Rollout& waiting, const AuditContext& by);
  // What of the configuration that people were asked about is otherwise by now, and how to ask
  // again;
  // "" when what would run is the same.
  [[nodiscard]] Result<std::string> other_configuration(const Rollout& waiting);
  // What was approved while another rollout was under way, and what found no thread.
  void try_again();

  // -- release_recovery.cc
  [[nodiscard]] Status adopt_crews() const;
  [[nodiscard]] Status stop_left_overs() const;

  Parts parts;
  EnvironmentRoutes routes{parts};
  Ticker ticker;
  mutable Mutex mutex;
  mutable CondVar changed;  // a record changed, a drive ended
  bool stopping SLIPWAY_GUARDED_BY(mutex) = false;
  std::map<RolloutId, std::shared_ptr<Drive>> drives SLIPWAY_GUARDED_BY(mutex);
  std::set<RolloutId> unstarted SLIPWAY_GUARDED_BY(mutex);  // there was no thread for them
  std::uint64_t revision SLIPWAY_GUARDED_BY(mutex) = 0;
  std::set<std::string> approved
      SLIPWAY_GUARDED_BY(mutex);  // ids of approvals whose rollouts must wait for another
  TaskGroup tasks{"releases", 1024, parts.threads};  // last: they use the others
};

}  // namespace slipway
