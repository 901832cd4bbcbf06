// Versions of the policy: tried, then activated.
#include <algorithm>

#include "base/mutex.h"
#include "base/text.h"
#include "deploy/governance.h"
#include "policy/bounded_evaluator.h"

namespace slipway {
namespace {

// Of a processor, for all that is tried with a set: its tests and the past, or its analysis.
constexpr std::chrono::seconds trial_time{5};
constexpr std::size_t rules_named = 50;  // of each kind of change, to those who approve it

Error unusable(const PolicyCheck& check) {
  Error error{.code = Errc::invalid_argument,
              .message = "the policy set was not activated: it is not right",
              .hint = "try it without activating it: slipway policy check FILE",
              .phase = "policy"};
  std::size_t problems = 0;
  for (const PolicyProblem& problem : check.problems)
    if (problem.level == PolicyProblem::Level::error) {
      ++problems;
      if (!error.line && problem.line > 0) error.line = problem.line;
      error.excerpt.push_back(to_string(problem));
    }
  for (const RuleTestResult& test : check.tests)
    if (!test.passed) {
      ++problems;
      error.excerpt.push_back(fmt::format(
          "{}rule {}: test \"{}\" does not {}: {}",
          test.line > 0 ? fmt::format("line {}: ", test.line) : "", test.rule, test.test,
          test.expected == RuleTest::Expect::deny ? "deny" : "pass", test.detail));
    }
  error.message = fmt::format(
      "the policy set was not activated: {} in it",
      problems == 1 ? "one thing is wrong" : fmt::format("{} things are wrong", problems));
  return error;
}

std::vector<std::string> newcomers(const PolicySetDiff& diff, const PolicySet& set) {
  std::vector<std::string> out;
  for (const std::string& id : diff.added) {
    const auto rule = std::ranges::find(set.rules, id, &PolicyRule::id);
    if (rule != set.rules.end() && rule->enforce != Enforcement::advisory) out.push_back(id);
  }
  return out;
}

// Which rules become others, for those who approve it. `slipway policy show` has the set of now.
json::object rules_shown(const GovernanceService::PolicyTrial& trial, const std::string& reason) {
  const auto some = [](const std::vector<std::string>& ids) {
    json::array out;
    for (const std::string& id : ids) {
      if (out.size() == rules_named) break;
      out.push_back(json::string(id));
    }
    return out;
  };
  const PolicySetDiff& diff = trial.diff;
  std::size_t left_out = 0;
  for (const auto* ids : {&diff.added, &diff.removed, &diff.changed})
    left_out += ids->size() - std::min(ids->size(), rules_named);
  return {{"rules", json::object{{"added", some(diff.added)},
                                 {"removed", some(diff.removed)},
                                 {"changed", some(diff.changed)},
                                 {"weakened", some(diff.weakened)},
                                 {"advisory", some(trial.advisory)},
                                 {"left_out", left_out}}},
          {"reason", reason}};
}

}  // namespace

Result<GovernanceService::PolicyTrial> GovernanceService::try_policy(const NewPolicy& wanted) {
  PolicyTrial trial;
  const BoundedEvaluator evaluator(*parts_.evaluator, trial_time);
  trial.check = check_policy_set(wanted.text, evaluator);
  SLIPWAY_CHECK(evaluator.spent());
  if (!trial.check.set) return trial;
  const std::shared_ptr<const PolicySet> now = active();
  trial.diff = compare(*now, *trial.check.set);
  PolicySet set = *trial.check.set;
  if (wanted.newcomers == NewPolicy::Newcomers::advisory_first) {
    trial.advisory = newcomers(trial.diff, set);
    for (PolicyRule& rule : set.rules)
      if (among(trial.advisory, rule.id)) rule.enforce = Enforcement::advisory;
  }
  SLIPWAY_TRY(const std::vector<PastDecision> past, parts_.store.past(wanted.replay));
  trial.replayed = past.size();
  trial.flips = replay(set, past, evaluator, parts_.clock);
  SLIPWAY_CHECK(evaluator.spent());
  return trial;
}

Result<GovernanceService::PolicyTrial> GovernanceService::check_policy(const NewPolicy& wanted) {
  if (!trying_.try_lock())
    return fail(Errc::rate_limited, "another set of rules is being tried", "try again in a moment");
  const MutexLock one_at_a_time(trying_, std::adopt_lock);
  SLIPWAY_TRY(PolicyTrial trial, try_policy(wanted));
  if (!trial.check.set) return trial;
  const BoundedEvaluator evaluator(*parts_.evaluator, trial_time);
  trial.analysis = analyse(*trial.check.set, evaluator);
  SLIPWAY_CHECK(evaluator.spent());
  return trial;
}

Result<GovernanceService::PolicyChanged> GovernanceService::set_policy(const AuditContext& by,
                                                                       const NewPolicy& wanted) {
  const MutexLock one_at_a_time(changing_);
  SLIPWAY_TRY(PolicyTrial trial, try_policy(wanted));
  if (!trial.usable()) return fail(unusable(trial.check));
  const auto flips_to = [&](Verdict verdict) {
    return std::ranges::count(trial.flips, verdict,
                              [](const Flip& flip) { return flip.now.verdict; });
  };
  // Asked of the rules as they are: the new ones have no say in their own coming.
  const std::string digest = trial.check.set->digest.str();
  ChangeDigest change(by.actor, "policy");
  change.add("digest", digest)
      .add("advisory", join(trial.advisory, ","))
      .add("base", active()->digest.str());  // an approval is of this step, not of any later one
  SLIPWAY_TRY(const AuditContext allowed,
              require({.point = DecisionPoint::policy,
                       .by = by,
                       .resource = "policy/" + digest,
                       .action = "policy",
                       .about = rules_shown(trial, wanted.reason),
                       .more =
                           [&](Facts& facts) {
                             facts.add("policy_change",
                                       {{"author", by.actor.name},
                                        {"author_kind", by.actor.kind},
                                        {"signed", parts_.key && by.role == "admin" ? 1 : 0},
                                        {"tests_pass", 1},
                                        {"rules_added", trial.diff.added.size()},
                                        {"rules_removed", trial.diff.removed.size()},
                                        {"rules_changed", trial.diff.changed.size()},
                                        {"rules_weakened", trial.diff.weakened.size()},
                                        {"flips_to_allow", flips_to(Verdict::allow)},
                                        {"flips_to_deny", flips_to(Verdict::deny)}});
                           }},
                      change));
  SLIPWAY_TRY(const std::optional<StoredPolicySet> last, parts_.store.active_set());
  StoredPolicySet stored{.version = last ? last->version + 1 : 1,
                         .name = trial.check.set->name,
                         .text = wanted.text,
                         .digest = trial.check.set->digest,
                         .advisory = trial.advisory,
                         .created_at = parts_.clock.now(),
                         .author = by.actor,
                         .reason = wanted.reason};
  if (parts_.key) {
    SLIPWAY_TRY(stored.signature, parts_.key->sign(policy_statement(stored)));
    stored.key = parts_.key->public_key();
  }
  SLIPWAY_CHECK(parts_.store.activate(allowed, stored));
  activate(*trial.check.set, stored);
  return PolicyChanged{.set = std::move(stored), .trial = std::move(trial)};
}

}  // namespace slipway
