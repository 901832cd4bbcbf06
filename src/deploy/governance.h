#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "db/governance_store.h"
#include "db/repository.h"
#include "deploy/change_digest.h"
#include "deploy/governance_facts.h"
#include "deploy/governance_key.h"
#include "deploy/settings.h"
#include "policy/analysis.h"
#include "policy/second_opinion.h"

namespace slipway {

// A decision that was made, with the facts it was made on; not kept yet.
struct Ruling {
  StoredDecision stored;
  std::string facts;                      // canonical JSON
  AuditContext by;                        // of the one who asked, with the decision filled in
  std::string change;                     // as asked
  std::optional<std::int64_t> approvers;  // people who could approve; nothing when not counted
  json::object about;                     // of what waits: ApprovalRequest::about
  std::vector<ApprovalId> uses;           // approvals that it rests on, and that keep() uses up
  std::string approval;                   // id of the request that it waits for; "" for none yet

  [[nodiscard]] bool allows() const { return stored.decision.verdict == Verdict::allow; }
  [[nodiscard]] bool waits() const { return stored.decision.verdict == Verdict::pending; }
};

// Makes the policies' decisions and governs what they are made by: versioned sets, approvals,
// waivers, emergencies. Asked before a change; whoever asks keeps the ruling in the transaction of
// the change (keep()), so that deciding costs no disk write of its own. Thread-safe; what it is
// given must outlive it.
class GovernanceService {
 public:
  struct Parts {
    const Settings& settings;
    const Clock& clock;
    GovernanceStore& store;
    Repository& repository;
    const Names& names;
    std::shared_ptr<const RuleEvaluator> evaluator;
    std::shared_ptr<SecondOpinion> second_opinion;  // null: nobody else is asked
    std::shared_ptr<const GovernanceKey> key;       // null: sets are not signed (tests)
    // Names of the humans who could approve something of a team; null: they are not counted.
    std::function<std::vector<std::string>(const std::string& team)> approvers;
    const BlobStore* blobs = nullptr;  // to look into files whose names do not tell; may be null
    Standing standing;                 // may be null
  };
  // Loads the active policy set; at the first start the default one becomes version 1.
  [[nodiscard]] static Result<std::unique_ptr<GovernanceService>> open(Parts parts);

  // -- deciding (governance.cc)
  // Never fails for what the policies say; errors are the database's. A refusal comes with the
  // cheapest ways to make it pass.
  [[nodiscard]] Result<Ruling> decide(const Asked& asked);
  // For the transaction of the change that was allowed: the decision is kept, and the approvals
  // that it rests on are used up. `ruling` must outlive what is returned.
  [[nodiscard]] static Beside keep(const Ruling& ruling);
  // Keeps a refusal, durably and audited, and makes it an error: denied_by_policy (exit code 6)
  // with the decision as data.
  [[nodiscard]] Error refuse(const Ruling& ruling);
  // Decide, keep, and go on or not: for changes that have no transaction to share. What waits for
  // approval is an error too; once approved, exactly this change by the same requester passes,
  // once.
  [[nodiscard]] Result<AuditContext> require(Asked asked, const ChangeDigest& change);
  // The same for a change that has several sides, each with a point of its own: all must allow, or
  // nothing is kept. Not empty.
  [[nodiscard]] Result<AuditContext> require_all(std::vector<Asked> asked,
                                                 const ChangeDigest& change);
  // What would be said if the assumptions held (Facts: assume()). Nothing is kept.
  [[nodiscard]] Result<StoredDecision> what_if(const Asked& asked,
                                               const std::vector<std::string>& assumptions);
  // The same for the facts of a decision of the past.
  [[nodiscard]] Result<StoredDecision> what_if(const DecisionId& past,
                                               const std::vector<std::string>& assumptions);
  [[nodiscard]] GovernanceStore& store() { return parts_.store; }
  // Whether deciding may wait for somebody else's answer.
  [[nodiscard]] bool asks_others() const { return parts_.second_opinion != nullptr; }

  // -- policy sets (governance_sets.cc)
  [[nodiscard]] std::shared_ptr<const PolicySet> active() const;
  struct NewPolicy {
    std::string text, reason;
    enum class Newcomers { enforced, advisory_first } newcomers = Newcomers::enforced;
    std::size_t replay = 100;  // over so many past decisions
  };
  struct PolicyTrial {
    PolicyCheck check;
    PolicySetDiff diff;                 // from the active set
    std::vector<std::string> advisory;  // new rules that only advise at first
    std::vector<Flip> flips;
    std::size_t replayed = 0;
    std::vector<RuleFinding> analysis;  // of check_policy()
    [[nodiscard]] bool usable() const { return check.set.has_value(); }
  };
  // Parses, lints, runs the rules' own tests, replays the past. Changes nothing. Errors: too_large
  // when that takes more than a few seconds of a processor.
  [[nodiscard]] Result<PolicyTrial> try_policy(const NewPolicy& wanted);
  // The same, and what can be said of the rules beforehand. One set at a time: rate_limited.
  [[nodiscard]] Result<PolicyTrial> check_policy(const NewPolicy& wanted);
  // The same, then makes it the next version, when it is usable and the policies allow the change.
  // Errors: invalid_argument (what is wrong with it, line by line), denied_by_policy, conflict.
  struct PolicyChanged {
    StoredPolicySet set;
    PolicyTrial trial;
  };
  [[nodiscard]] Result<PolicyChanged> set_policy(const AuditContext& by, const NewPolicy& wanted);

  // -- people (governance_people.cc). Errors: permission_denied for agents, authors and roles that
  // do not count; failed_precondition for what is closed already.
  // On whose word a request goes on after it was approved: on that of whoever made it, with the
  // role that they have now. Errors: permission_denied when they left, were killed or may less by
  // now; then the request ends.
  [[nodiscard]] Result<AuditContext> requester_of(const ApprovalRequest& request);
  // The role that whoever asked as `then` has now. Errors: as above.
  [[nodiscard]] Result<std::string> role_now(const Actor& actor, const std::string& team,
                                             const std::string& then) const;
  // Whether whoever asks may have one more request waiting; before request_approval(). Errors:
  // over_budget, so that what agents of one person wait for hides nobody else's requests.
  [[nodiscard]] Status check_open_requests(const Actor& actor, const std::string& project) const;
  // A request that waits for people, for a ruling that says so; the ruling's remedies then name it.
  [[nodiscard]] ApprovalRequest request_approval(Ruling& ruling, std::string_view action) const;
  [[nodiscard]] Result<ApprovalRequest> vote(const AuditContext& by, const ApprovalId& id,
                                             Vote::Choice choice, std::string reason);
  // What happens when the votes of a request for `action` change: it goes on, or ends. An action
  // that is for something ("promote to staging") is that of its first word. Requests for others are
  // closed as approved once enough people agree: whoever asked asks again. Set before use.
  using Reconsider = std::function<Status(const ApprovalRequest& request)>;
  void on_vote(std::string action, Reconsider reconsider) {
    reconsider_.insert_or_assign(std::move(action), std::move(reconsider));
  }
  // Ends an open request: approved, rejected, expired or withdrawn.
  [[nodiscard]] Status close(const AuditContext& by, const ApprovalId& id, std::string_view state,
                             std::string reason);
  // The open requests to do this with a resource end: none of what they ask for can be done any
  // more. What fails is logged; the votes would find out as well.
  void withdraw_others(std::string_view resource, std::string_view action,
                       const std::string& reason);

  [[nodiscard]] Result<Waiver> ask_waiver(const AuditContext& by, Waiver wanted, Duration life);
  [[nodiscard]] Result<Waiver> answer_waiver(const AuditContext& by, const WaiverId& id,
                                             Vote::Choice choice);
  [[nodiscard]] Result<Waiver> revoke_waiver(const AuditContext& by, const WaiverId& id);
  [[nodiscard]] Result<BreakGlass> declare(const AuditContext& by, std::string project,
                                           std::string reason);
  [[nodiscard]] Result<BreakGlass> answer_emergency(const AuditContext& by, const BreakGlassId& id,
                                                    Vote::Choice choice);
  [[nodiscard]] Result<BreakGlass> end_emergency(const AuditContext& by, const BreakGlassId& id);

  // Ends what has expired, goes on with what was approved while nobody looked, forgets old
  // decisions. For housekeeping and for the start.
  [[nodiscard]] Status tick();

 private:
  explicit GovernanceService(Parts parts) : parts_(std::move(parts)) {}
  // `snapshot`: the facts' canonical text.
  [[nodiscard]] Decision judge(const PolicySet& set, const Facts& facts,
                               const std::string& snapshot);
  [[nodiscard]] Ruling ruling_of(const Asked& asked, Decision decision, std::string facts) const;
  // That agents do not fill the list of what waits for people. Errors: over_budget.
  // An open request for the same change, or a new one that is not stored yet; in the ruling's
  // words.
  [[nodiscard]] Result<std::optional<ApprovalRequest>> new_request(const Asked& asked,
                                                                   Ruling& ruling);
  [[nodiscard]] Status tell_rejection(const Asked& asked, Error& error) const;
  void activate(PolicySet set, const StoredPolicySet& stored);
  [[nodiscard]] Status reconsider(const ApprovalRequest& request);
  // Errors: failed_precondition when whoever asked may no longer; the request is withdrawn then.
  [[nodiscard]] Status check_requester(const ApprovalId& id);
  // Whether enough people agreed who still may.
  [[nodiscard]] Result<bool> is_complete(const ApprovalRequest& request) const;
  // Whether somebody who asked for a waiver or an emergency, or agreed to one, still may.
  [[nodiscard]] Status still_agrees(const Actor& actor, const std::string& project) const;
  [[nodiscard]] Status end_waivers(const AuditContext& by, Timestamp now);
  [[nodiscard]] Status end_emergencies(const AuditContext& by, Timestamp now);

  Parts parts_;
  std::map<std::string, Reconsider, std::less<>> reconsider_;
  mutable Mutex mutex_ SLIPWAY_ACQUIRED_AFTER(changing_);
  std::shared_ptr<const PolicySet> active_ SLIPWAY_GUARDED_BY(mutex_);
  Mutex changing_;  // one change of the policy at a time
  Mutex trying_;    // one check of a set at a time
};

// What is said of that which waits for this approval.
[[nodiscard]] std::string waiting_reason(const ApprovalId& id);

}  // namespace slipway
