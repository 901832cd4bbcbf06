#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "policy/decision.h"
#include "policy/evaluator.h"
#include "policy/policy_set.h"

// What the policies say. Pure functions of their arguments; safe from any thread.
//
// - Deny overrides: one blocking violation is enough, in whatever order rules stand.
// - An error, a limit or an unknown fact denies, whatever the rule's level.
// - For production (request.environment = 'production') no matching rule means deny.
// - A waiver lifts rows of soft rules: by rule and subject, not expired, 30 days at the most,
//   approved by a human who is not its author.
// - Approvals lift the whole rule that asks for them: enough distinct humans with the role, neither
//   the deployment's author nor the requester, young enough.
// - Break-glass lifts everything but a broken snapshot: two humans, 60 minutes, never for an agent.
namespace slipway {

// Decides. `facts` must have exactly one row of `request`; its column `point` says which rules
// match. `took` is measured on `clock`. Does not search for remedies.
[[nodiscard]] Decision evaluate(const PolicySet& set, const Facts& facts,
                                const RuleEvaluator& evaluator, const Clock& clock,
                                const RuleLimits& limits = {});
// The same for whoever has the digest of the facts already (it costs as much as a dozen rules).
[[nodiscard]] Decision evaluate(const PolicySet& set, const Facts& facts,
                                const Digest& facts_digest, const RuleEvaluator& evaluator,
                                const Clock& clock, const RuleLimits& limits = {});
// Only whether it would be allowed; nothing is digested.
[[nodiscard]] Verdict verdict_on(const PolicySet& set, const Facts& facts,
                                 const RuleEvaluator& evaluator, const RuleLimits& limits = {});

// Fills decision.remedies and .alternatives for a decision of evaluate() on the same arguments
// that is not `allow`. Re-evaluates at most a few hundred times, so not on the path of an allow.
void find_remedies(Decision& decision, const PolicySet& set, const Facts& facts,
                   const RuleEvaluator& evaluator, const RuleLimits& limits = {});

struct RuleTestResult {
  std::string rule, test;
  int line = 0;
  RuleTest::Expect expected = RuleTest::Expect::deny;
  bool passed = false;
  std::string detail;  // what happened instead; the rows
};
// Runs every test of every rule, each rule alone.
[[nodiscard]] std::vector<RuleTestResult> run_tests(const PolicySet& set,
                                                    const RuleEvaluator& evaluator,
                                                    const RuleLimits& limits = {});

// Everything that must be right before a set may be used: parse_policy_set(), each query compiled
// by the evaluator, each test as expected.
struct PolicyCheck {
  std::optional<PolicySet> set;         // when it may be used
  std::vector<PolicyProblem> problems;  // errors and warnings
  std::vector<RuleTestResult> tests;
};
[[nodiscard]] PolicyCheck check_policy_set(std::string_view text, const RuleEvaluator& evaluator);

// A decision of the past, as it was stored.
struct PastDecision {
  std::string id;
  Verdict verdict = Verdict::deny;
  Facts facts;
};
struct Flip {
  std::string id;
  Verdict was = Verdict::deny;
  Decision now;
};
// The past decisions whose verdict another set changes.
[[nodiscard]] std::vector<Flip> replay(const PolicySet& set, std::span<const PastDecision> past,
                                       const RuleEvaluator& evaluator, const Clock& clock);

// What a change of the set does to its rules, for the facts of `policy_change`.
struct PolicySetDiff {
  std::vector<std::string> added, removed, changed;
  std::vector<std::string> weakened;  // Removed, a lower level, fewer points, another query, or
                                      // easier approvals.
};
[[nodiscard]] PolicySetDiff compare(const PolicySet& before, const PolicySet& after);

}  // namespace slipway
