#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deploy/governance.h"
#include "model/release.h"
#include "release/releases.h"

namespace slipway {

// What the policies are asked about a move of an environment, with all facts that there are. Each
// makes one question, which refers to it and must not outlive it. Reads the stores; changes
// nothing.
class MoveQuestion {
 public:
  // `next`: the release to go to; number 0 when it does not exist yet. `candidate` is its
  // deployment.
  [[nodiscard]] static Result<MoveQuestion> about(const Releases::Parts& parts, const Release& next,
                                                  const Deployment& candidate);

  // As `wanted` would do it: its canary and its smoke requests are part of what people agree to.
  [[nodiscard]] Asked promotion(const AuditContext& by, const Rollout& wanted) const;
  // `restore`: the snapshot that the volumes go back to; "" for none.
  [[nodiscard]] Asked rollback(const AuditContext& by, std::string_view restore) const;
  // The next step of a canary; `verdict` is what the statistics said of the one that ends.
  struct Step {
    int number = 1;  // from 1
    int percent = 0, next_percent = 0;
    Duration age{};
    ReleaseSample canary, baseline;
    std::string evidence;  // ok | worse | no_data
  };
  [[nodiscard]] Asked canary_step(const AuditContext& by, const Step& step) const;

  // What serves now, for previews; nothing when nothing does.
  [[nodiscard]] const std::optional<Release>& current() const { return current_; }
  [[nodiscard]] const std::optional<Deployment>& serving() const { return serving_; }
  // The candidate's files against what serves.
  [[nodiscard]] const ManifestDiff& files() const { return asked_about_.changed; }
  // Names of the variables that the environment sets, now and in the current release.
  [[nodiscard]] const std::vector<std::string>& variables() const { return variables_; }
  [[nodiscard]] const std::vector<std::string>& current_variables() const {
    return current_variables_;
  }

 private:
  explicit MoveQuestion(const Releases::Parts& parts) : parts_(&parts) {}
  [[nodiscard]] Asked ask(const AuditContext& by, DecisionPoint point, std::string action) const;
  struct Way {
    int canary_first = 100;  // percent
    std::string restore;     // a snapshot of the volumes; "" for none
  };
  void add_facts(Facts& facts, const Way& way) const;

  const Releases::Parts* parts_;
  Release next_;
  Deployment asked_about_;  // the candidate, compared with what serves, with this environment's
                            // variables
  std::shared_ptr<const Manifest> source_;
  std::optional<Release> current_;
  std::optional<Deployment> serving_;
  std::vector<std::string> variables_, current_variables_;
  ReleaseStore::History hour_, day_;
  bool once_live_ = false, is_previous_ = false;
};

// Where a rollback from release `number` goes to when nobody says; nothing when there is none.
[[nodiscard]] Result<std::optional<Release>> release_before(ReleaseStore& store,
                                                            std::string_view project,
                                                            std::string_view environment,
                                                            std::int64_t number);
// What approvals of a move are given for: "promote" or "rollback" to production; those to another
// environment name it, so that one given for staging does not count for production.
[[nodiscard]] std::string move_action(RolloutKind kind, std::string_view environment);
// How the candidate's plan differs from what serves; a line each.
[[nodiscard]] std::vector<std::string> plan_changes(const Deployment& serving,
                                                    const Deployment& candidate);
// Instances that a release of the deployment takes.
[[nodiscard]] std::uint32_t instances_of(const Deployment& deployment, const Settings& settings);

}  // namespace slipway
