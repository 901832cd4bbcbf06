#include "policy/policy_set.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <tuple>

#include "policy/guarded_toml.h"

namespace slipway {
namespace {

constexpr std::string_view good = R"(name = "ours"

[[rule]]
id = "prod-no-critical"
why = "Ümläute – and 'quotes' — stay"
on = ["promote", "canary_step"]
enforce = "soft"
violations = """
SELECT subject, detail FROM finding
WHERE severity >= sev('critical') AND subject != 'é'
"""
message = "{subject} → {detail}"
approvals = { need = 2, roles = ["admin"], valid_for = "24h" }
[[rule.test]]
name = "one"
expect = "deny"
at = "canary_step"
request = { actor_kind = "agent", now = 1_800_003_600 }
finding = [{ subject = "ä", severity = "critical" }, { subject = "b", severity = 1, is_new = true }]
[[rule.test]]
expect = "pass"
)";

std::string with(std::string_view from, std::string_view to) {
  std::string text(good);
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  return text;
}

std::string problems_of(std::string_view text) {
  const auto set = parse_policy_set(text);
  if (set) return "accepted";
  std::string out;
  for (const PolicyProblem& problem : set.error()) out += to_string(problem) + "\n";
  return out;
}

TEST(PolicySet, IsReadAsWritten) {
  const auto set = parse_policy_set(good);
  ASSERT_TRUE(set.has_value()) << problems_of(good);
  EXPECT_EQ(set->name, "ours");
  EXPECT_EQ(set->digest, sha256(good));
  ASSERT_EQ(set->rules.size(), 1u);
  const PolicyRule& rule = set->rules[0];
  EXPECT_EQ(rule.id, "prod-no-critical");
  EXPECT_EQ(rule.why, "Ümläute – and 'quotes' — stay");
  EXPECT_EQ(rule.on, (std::vector{DecisionPoint::promote, DecisionPoint::canary_step}));
  EXPECT_EQ(rule.enforce, Enforcement::soft);
  EXPECT_TRUE(rule.violations.contains("'é'"));
  EXPECT_EQ(rule.message, "{subject} → {detail}");
  EXPECT_EQ(rule.approvals->need, 2);
  EXPECT_EQ(rule.approvals->valid_for, std::chrono::hours(24));
  EXPECT_EQ(rule.line, 3);
  EXPECT_TRUE(rule.is_scanning());
  ASSERT_EQ(rule.tests.size(), 2u);
  const RuleTest& test = rule.tests[0];
  EXPECT_EQ(test.point, DecisionPoint::canary_step);
  EXPECT_EQ(test.facts.text("request", "point"), "canary_step");
  EXPECT_EQ(test.facts.text("request", "actor_kind"), "agent");
  EXPECT_EQ(test.facts.text("request", "environment"), "production");
  EXPECT_EQ(test.facts.number("request", "hour"), 9);
  EXPECT_EQ(test.facts.text("finding", "subject"), "ä");
  EXPECT_EQ(test.facts.number("finding", "severity"), 4);
  EXPECT_TRUE(test.facts.is_known("budget"));
  EXPECT_EQ(rule.tests[1].expect, RuleTest::Expect::pass);
}

TEST(PolicySet, ARuleNeedsOneDenyingAndOnePassingTest) {
  EXPECT_TRUE(
      problems_of(with("[[rule.test]]\nexpect = \"pass\"\n", "")).contains("one that passes"));
  EXPECT_TRUE(
      problems_of(with("expect = \"deny\"", "expect = \"pass\"")).contains("one test that denies"));
}

TEST(PolicySet, TellsWhatIsWrongAndWhere) {
  const std::tuple<std::string_view, std::string_view, std::string_view> rows[] = {
      {"id = \"prod-no-critical\"", "id = \"Prod No\"", "an id is"},
      {"id = \"prod-no-critical\"", "id = \"no-matching-rule\"", "Slipway's own"},
      {"\"promote\",", "\"promotion\",",
       "line 6: rule prod-no-critical: there is no decision point"},
      {"enforce = \"soft\"", "enforce = \"very\"", "advisory, soft or hard"},
      {"enforce = \"soft\"", "", "enforce is missing"},
      {"enforce = \"soft\"", "enforce = 3", "is a text"},
      {"enforce = \"soft\"", "enforce = \"advisory\"", "blocks nothing that could be approved"},
      {"sev('critical')", "'critical'", "line 10: rule prod-no-critical: severity is an integer"},
      {"{detail}", "{details}", "does not answer"},
      {"{detail}", "{detail", "does not close"},
      {"need = 2", "need = 0", "need is 1 to 20"},
      {"roles = [\"admin\"]", "roles = [\"viewer\"]", "cannot approve"},
      {"roles = [\"admin\"]", "people = [\"alice\"]", "more approvals"},
      {"valid_for = \"24h\"", "valid_for = \"31d\"", "30 days"},
      {"at = \"canary_step\"", "at = \"build\"", "one of the rule's points"},
      {"actor_kind = \"agent\"", "actor_kind = \"robot\"", "never 'robot'"},
      {"subject = \"b\"", "subjekt = \"b\"", "no column 'subjekt'"},
      {"severity = 1", "severity = 1.5", "integer"},
      {"finding = [", "findings = [", "no fact table 'findings'"},
      {"name = \"ours\"", "title = \"ours\"", "no setting 'title'"},
      {"why =", "reason =", "has no 'reason'"}};
  for (const auto& [from, to, part] : rows) {
    const std::string told = problems_of(with(from, to));
    EXPECT_TRUE(told.contains(part)) << to << "\n" << told;
  }
  EXPECT_TRUE(problems_of(std::string(good) + std::string(good).substr(good.find("[[rule]]")))
                  .contains("two rules are called"));
}

TEST(PolicySet, AHardRuleDoesNotReadWaivers) {
  std::string text = with("enforce = \"soft\"", "enforce = \"hard\"");
  EXPECT_EQ(problems_of(text), "accepted");
  text.replace(text.find("subject != 'é'"), 15, "waived = 0");
  EXPECT_TRUE(problems_of(text).contains("cannot be waived"));
}

TEST(PolicySet, HostileBytesGiveProblems) {
  std::string deep = "a = ";
  for (int i = 0; i < 5000; ++i) deep += '[';
  std::string dotted = "a";
  for (int i = 0; i < 5000; ++i) dotted += ".a";
  for (const std::string& text :
       {std::string("\xff"), std::string("a\0b", 3), std::string("[[.a]"),
        std::string("[[\xC3\xA9"), std::string("\xE2\x80\xA8 = 1"), std::string("é = 1"),
        std::string("a = é"), std::string("[[rule]]\né"), deep, dotted + " = 1", "[" + dotted + "]",
        std::string(300 << 10, '#'), std::string("rule = 3"), std::string("rule = [3]")})
    EXPECT_NE(problems_of(text), "accepted") << text.substr(0, 20);
  EXPECT_EQ(problems_of(""), "accepted") << "no rules: everything of production is denied";
}

TEST(GuardedToml, KeepsTextsThatLookLikeItsMark) {
  const auto toml = parse_guarded_toml("a = 'é %u0xc3a9. %u1x' # ü\nb = \"\"\"\nzwei\nß\"\"\"");
  ASSERT_TRUE(toml.has_value());
  EXPECT_EQ(toml->text(toml->table["a"].value_or(std::string_view())), "é %u0xc3a9. %u1x");
  EXPECT_EQ(toml->text(toml->table["b"].value_or(std::string_view())), "zwei\nß");
}

}  // namespace
}  // namespace slipway
