#include <gtest/gtest.h>

#include <algorithm>

#include "db/policy_sql.h"
#include "policy/engine.h"

namespace slipway {
namespace {

TEST(DefaultPolicy, IsAcceptedWithEveryTestAsExpected) {
  const auto evaluator = make_sql_rule_evaluator();
  const PolicyCheck check = check_policy_set(default_policy_text(), *evaluator);
  for (const PolicyProblem& problem : check.problems) ADD_FAILURE() << to_string(problem);
  ASSERT_TRUE(check.set.has_value());
  EXPECT_GE(check.set->rules.size(), 20u);
  EXPECT_GE(check.tests.size(), 2 * check.set->rules.size());
}

TEST(DefaultPolicy, CoversEveryDecisionPoint) {
  const auto set = parse_policy_set(default_policy_text());
  ASSERT_TRUE(set.has_value());
  for (const DecisionPoint point : decision_points()) {
    const bool covered = std::ranges::any_of(set->rules, [&](const PolicyRule& rule) {
      return std::ranges::find(rule.on, point) != rule.on.end();
    });
    EXPECT_TRUE(covered) << to_string(point);
  }
}

}  // namespace
}  // namespace slipway
