// Whether a set may be used, and what using it would change.
#include <fmt/format.h>

#include <algorithm>

#include "policy/engine.h"
#include "policy/rule_lint.h"

namespace slipway {
namespace {

RuleTestResult run_test(const PolicyRule& rule, const RuleTest& test,
                        const RuleEvaluator& evaluator, const RuleLimits& limits) {
  RuleTestResult out{
      .rule = rule.id, .test = test.name, .line = test.line, .expected = test.expect};
  PolicySet alone;
  alone.rules.push_back(rule);
  const Decision decision = evaluate(alone, test.facts, evaluator, ManualClock(), limits);
  const auto error = std::ranges::find(decision.violations, true, &Violation::is_error);
  if (error != decision.violations.end()) {
    out.detail = error->message;
    return out;
  }
  const auto standing = std::ranges::find_if(decision.violations, [](const Violation& one) {
    return one.state == ViolationState::blocks || one.state == ViolationState::pending ||
           one.state == ViolationState::advises;
  });
  const bool denies = standing != decision.violations.end();
  out.passed = denies == (test.expect == RuleTest::Expect::deny);
  if (denies)
    out.detail = standing->message;
  else
    out.detail = decision.violations.empty() ? "no violating row" : "every violating row is lifted";
  return out;
}

void check_queries(const PolicySet& set, const RuleEvaluator& evaluator,
                   std::vector<PolicyProblem>& problems) {
  Facts none;
  none.know_all();
  std::set<std::string, std::less<>> tables;
  for (const FactTable& table : fact_tables()) tables.emplace(table.name);
  const auto session = evaluator.open(none, tables, {});
  for (const PolicyRule& rule : set.rules) {
    const auto rows = session ? (*session)->run(rule.violations)
                              : Result<RuleRows>(std::unexpected(session.error()));
    if (!rows)
      problems.push_back({.line = rule.line, .rule = rule.id, .message = rows.error().message});
  }
}

}  // namespace

std::vector<RuleTestResult> run_tests(const PolicySet& set, const RuleEvaluator& evaluator,
                                      const RuleLimits& limits) {
  std::vector<RuleTestResult> out;
  for (const PolicyRule& rule : set.rules)
    for (const RuleTest& test : rule.tests) out.push_back(run_test(rule, test, evaluator, limits));
  return out;
}

PolicyCheck check_policy_set(std::string_view text, const RuleEvaluator& evaluator) {
  PolicyCheck out;
  auto set = parse_policy_set(text);
  if (!set) {
    out.problems = std::move(set).error();
    return out;
  }
  if (set->rules.empty())
    out.problems.push_back(
        {.message = "the file has no rule, and so would lift all that hold",
         .hint = "one that only advises is a rule, too: enforce = \"advisory\""});
  check_queries(*set, evaluator, out.problems);
  if (out.problems.empty()) {
    out.tests = run_tests(*set, evaluator);
    for (const RuleTestResult& test : out.tests)
      if (!test.passed)
        out.problems.push_back(
            {.line = test.line,
             .rule = test.rule,
             .message = fmt::format("test '{}' expects {}: {}", test.test,
                                    test.expected == RuleTest::Expect::deny ? "deny" : "pass",
                                    test.detail)});
  }
  if (out.problems.empty()) out.set = *std::move(set);
  if (out.set)
    for (PolicyProblem& warning : warnings_for(*out.set))
      out.problems.push_back(std::move(warning));
  return out;
}

std::vector<Flip> replay(const PolicySet& set, std::span<const PastDecision> past,
                         const RuleEvaluator& evaluator, const Clock& clock) {
  std::vector<Flip> out;
  for (const PastDecision& one : past) {
    Decision now = evaluate(set, one.facts, evaluator, clock);
    if (now.verdict != one.verdict)
      out.push_back({.id = one.id, .was = one.verdict, .now = std::move(now)});
  }
  return out;
}

namespace {

bool is_subset(const std::vector<std::string>& part, const std::vector<std::string>& whole) {
  return std::ranges::all_of(
      part, [&](const std::string& one) { return std::ranges::find(whole, one) != whole.end(); });
}

bool are_easier(const std::optional<ApprovalTerms>& before,
                const std::optional<ApprovalTerms>& after) {
  if (!after) return false;  // approvals no longer help
  if (!before) return true;  // approvals lift what they did not
  const bool more_people = !before->people.empty() &&
                           (after->people.empty() || !is_subset(after->people, before->people));
  return after->need < before->need || after->valid_for > before->valid_for ||
         !is_subset(after->roles, before->roles) || more_people;
}

bool is_weaker(const PolicyRule& before, const PolicyRule& after) {
  const bool fewer_points = std::ranges::any_of(before.on, [&](DecisionPoint point) {
    return std::ranges::find(after.on, point) == after.on.end();
  });
  // Nothing tells whether another query finds less: somebody else looks at it.
  return fewer_points || after.enforce < before.enforce || after.violations != before.violations ||
         are_easier(before.approvals, after.approvals);
}

bool is_same(const PolicyRule& a, const PolicyRule& b) {
  return a.on == b.on && a.enforce == b.enforce && a.violations == b.violations &&
         a.message == b.message && a.approvals == b.approvals;
}

}  // namespace

PolicySetDiff compare(const PolicySet& before, const PolicySet& after) {
  PolicySetDiff out;
  for (const PolicyRule& rule : after.rules)
    if (std::ranges::find(before.rules, rule.id, &PolicyRule::id) == before.rules.end())
      out.added.push_back(rule.id);
  for (const PolicyRule& rule : before.rules) {
    const auto same = std::ranges::find(after.rules, rule.id, &PolicyRule::id);
    if (same == after.rules.end()) {
      out.removed.push_back(rule.id);
      out.weakened.push_back(rule.id);
    } else if (!is_same(rule, *same)) {
      out.changed.push_back(rule.id);
      if (is_weaker(rule, *same)) out.weakened.push_back(rule.id);
    }
  }
  return out;
}

}  // namespace slipway
