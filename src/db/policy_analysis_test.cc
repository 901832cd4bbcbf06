// What the analysis says of rules that were written to be told about, and of the default set.
#include <gtest/gtest.h>

#include "db/policy_sql.h"
#include "policy/analysis.h"
#include "policy/engine.h"

namespace slipway {
namespace {

using What = RuleFinding::What;

std::string rule(std::string_view id, std::string_view on, std::string_view enforce,
                 std::string_view query, std::string_view deny, std::string_view more = {}) {
  return "[[rule]]\nid = \"" + std::string(id) + "\"\non = [" + std::string(on) +
         "]\nenforce = \"" + std::string(enforce) + "\"\nmessage = \"no\"\nviolations = \"" +
         std::string(query) + "\"\n" + std::string(more) + "[[rule.test]]\nexpect = \"deny\"\n" +
         std::string(deny) +
         "\n[[rule.test]]\nexpect = \"pass\"\nrequest = { actor_kind = \"system\", hour = 3 }\n";
}

std::vector<RuleFinding> analyse_text(const std::string& text) {
  const auto set = parse_policy_set("name = \"t\"\n" + text);
  EXPECT_TRUE(set.has_value()) << (set ? "" : to_string(set.error().front()));
  return analyse(*set, *make_sql_rule_evaluator());
}

bool says(const std::vector<RuleFinding>& found, What what, std::string_view rule_id,
          std::string_view words = {}) {
  return std::ranges::any_of(found, [&](const RuleFinding& each) {
    return each.what == what && each.rule == rule_id && each.detail.contains(words);
  });
}

constexpr std::string_view by_agents =
    "SELECT actor_name AS subject FROM request WHERE actor_kind = 'agent' AND environment = "
    "'production'";

TEST(Analysis, SaysWhichRulesNeverFire) {
  const auto found =
      analyse_text(rule("files-of-variables", R"("config", "promote")", "hard",
                        "SELECT path AS subject FROM file WHERE bytes > 1000",
                        "file = [{ path = \"a\", bytes = 2000 }]") +
                   rule("findings", R"("promote")", "hard", "SELECT subject FROM finding",
                        "finding = [{ subject = \"a\" }]"));
  EXPECT_TRUE(says(found, What::never_fires, "files-of-variables", "at config: file has no rows"));
  EXPECT_FALSE(says(found, What::never_fires, "files-of-variables", "promote"));
  EXPECT_TRUE(says(found, What::never_fires, "findings", "no scanner yet"));
}

TEST(Analysis, SaysWhichRulesAlwaysDeny) {
  const auto found = analyse_text(rule("always", R"("config")", "hard",
                                       "SELECT 'it' AS subject FROM request WHERE hour >= 0",
                                       "request = { hour = 5 }"));
  EXPECT_TRUE(says(found, What::always_denies, "always", "config"));
}

TEST(Analysis, SaysWhichRulesAnotherSaysAlready) {
  const auto found = analyse_text(
      rule("large", R"("promote")", "hard", "SELECT 'c' AS subject FROM change WHERE files > 10",
           "change = { files = 50 }") +
      rule("huge", R"("promote")", "soft", "SELECT 'c' AS subject FROM change WHERE files > 100",
           "change = { files = 500 }"));
  EXPECT_TRUE(says(found, What::shadowed, "huge", "large"));
  EXPECT_FALSE(says(found, What::shadowed, "large"));
}

TEST(Analysis, SaysWhichRulesAreWalkedAround) {
  const std::string promotes = rule("agents-promote", R"("promote")", "hard", by_agents,
                                    "request = { actor_kind = \"agent\" }");
  const auto open = analyse_text(promotes);
  EXPECT_FALSE(says(open, What::avoidable, "agents-promote"));  // no rule there: production denies
  const std::string others =
      rule("on-config", R"("config", "secret")", "hard",
           "SELECT 'x' AS subject FROM request WHERE hour = 25", "request = { hour = 25 }");
  const auto walked = analyse_text(promotes + others);
  EXPECT_TRUE(says(walked, What::avoidable, "agents-promote", "by config"));
  EXPECT_TRUE(says(walked, What::avoidable, "agents-promote", "by secret"));
  const auto closed = analyse_text(rule("agents", R"("promote", "config", "secret")", "hard",
                                        by_agents, "request = { actor_kind = \"agent\" }") +
                                   others);
  EXPECT_FALSE(says(closed, What::avoidable, "agents"));
  const auto frozen = analyse_text(
      rule("plain-only", R"("config")", "hard",
           "SELECT subject FROM config_change WHERE change = 'added'",
           "config_change = [{ name = \"A\", subject = \"env:A\", change = \"added\" }]") +
      others);
  EXPECT_TRUE(says(frozen, What::avoidable, "plain-only", "by secret"));
}

TEST(Analysis, OfTheDefaultSetFindsOnlyRulesThatWaitForTheirFacts) {
  const auto set = parse_policy_set(default_policy_text());
  ASSERT_TRUE(set.has_value());
  std::vector<std::string> never;
  for (const RuleFinding& each : analyse(*set, *make_sql_rule_evaluator())) {
    EXPECT_EQ(each.what, What::never_fires) << each.rule << " " << each.detail;
    EXPECT_TRUE(each.detail.contains(" yet")) << each.rule << " " << each.detail;
    never.push_back(each.rule);
  }
  EXPECT_EQ(never,
            (std::vector<std::string>{"prod-no-critical", "prod-no-new-high", "no-secrets-in-code",
                                      "no-unknown-packages", "young-packages", "freeze-window",
                                      "preview-egress", "within-budget"}));
}

}  // namespace
}  // namespace slipway
