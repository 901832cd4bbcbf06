// What must hold for any facts and any rules.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "db/policy_functions.h"
#include "db/policy_sql.h"
#include "policy/engine.h"

namespace slipway {
namespace {

// Rules that read one table each; which rows they deny differs.
constexpr std::string_view queries[] = {
    "SELECT subject FROM finding WHERE severity >= sev('high')",
    "SELECT subject FROM finding WHERE is_new = 1 AND waived = 0",
    "SELECT path AS subject FROM file WHERE bytes > 50",
    "SELECT subject FROM env_var WHERE required = 1 AND is_set = 0",
    "SELECT count(*) AS n FROM file HAVING count(*) > 3",
    "SELECT f.path FROM file f LEFT JOIN finding g ON g.file = f.path WHERE g.id IS NULL",
    "SELECT project AS subject FROM request WHERE hour < 4",
    "SELECT project AS subject FROM request WHERE weekday = 9"};

PolicyRule rule_of(int query, Enforcement level, int number) {
  PolicyRule rule{.id = fmt::format("rule-{}", number),
                  .on = {DecisionPoint::promote},
                  .enforce = level,
                  .violations = std::string(queries[query])};
  rule.message = "it is so";
  for (const FactTable& table : fact_tables())
    if (rule.violations.contains(fmt::format(" {}", table.name))) rule.tables.emplace(table.name);
  return rule;
}

PolicyRule any_rule(int number) {
  const int query = *rc::gen::inRange(0, static_cast<int>(std::size(queries)));
  const auto level = *rc::gen::element(Enforcement::advisory, Enforcement::soft, Enforcement::hard);
  return rule_of(query, level, number);
}

PolicySet any_set() {
  PolicySet set;
  const int count = *rc::gen::inRange(1, 8);
  for (int i = 0; i < count; ++i) set.rules.push_back(any_rule(i));
  return set;
}

std::string any_word() { return *rc::gen::element<std::string>("a", "b", "src/a.ts", "é", ""); }
int any_bit() { return *rc::gen::inRange(0, 2); }

Facts any_facts() {
  const std::int64_t now = *rc::gen::inRange<std::int64_t>(0, 4'000'000'000);
  const RequestTime time = request_time(now);
  Facts facts;
  facts.know_all();
  facts.add("request", {{"point", "promote"},
                        {"team", "t"},
                        {"project", "p"},
                        {"environment", any_bit() == 1 ? "production" : "preview"},
                        {"actor_kind", any_bit() == 1 ? "human" : "agent"},
                        {"actor_name", "alice"},
                        {"on_behalf_of", ""},
                        {"role", "deployer"},
                        {"session", ""},
                        {"now", now},
                        {"weekday", time.weekday},
                        {"hour", time.hour},
                        {"minute", time.minute},
                        {"automatic", 0}});
  for (int i = *rc::gen::inRange(0, 6); i > 0; --i)
    facts.add("finding", {{"id", any_word()},
                          {"scanner", any_word()},
                          {"rule", ""},
                          {"subject", any_word()},
                          {"severity", *rc::gen::inRange(0, 5)},
                          {"detail", ""},
                          {"file", any_word()},
                          {"fix", ""},
                          {"waived", any_bit()},
                          {"is_new", any_bit()}});
  for (int i = *rc::gen::inRange(0, 6); i > 0; --i)
    facts.add("file", {{"path", any_word()},
                       {"subject", any_word()},
                       {"change", "added"},
                       {"kind", "source"},
                       {"bytes", *rc::gen::inRange(0, 100)}});
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i)
    facts.add("env_var", {{"name", any_word()},
                          {"subject", any_word()},
                          {"required", any_bit()},
                          {"is_set", any_bit()},
                          {"secret", any_bit()}});
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i)
    facts.add("waiver", {{"id", "w"},
                         {"rule", fmt::format("rule-{}", *rc::gen::inRange(0, 8))},
                         {"subject", any_word()},
                         {"author", any_word()},
                         {"approver", any_word()},
                         {"approver_kind", any_bit() == 1 ? "human" : "agent"},
                         {"created_at", now - *rc::gen::inRange(-5, 90)},
                         {"expires_at", now + *rc::gen::inRange(-5, 90)},
                         {"reason", ""}});
  RC_ASSERT(facts.problem().empty());
  return facts;
}

const RuleEvaluator& evaluator() {
  static const std::unique_ptr<RuleEvaluator> one = make_sql_rule_evaluator();
  return *one;
}

Decision decide(const PolicySet& set, const Facts& facts, const RuleLimits& limits = {}) {
  return evaluate(set, facts, evaluator(), ManualClock(), limits);
}

RC_GTEST_PROP(PolicyProperty, AnyBlockingRuleDeniesWhateverTheOthersSay, ()) {
  const PolicySet set = any_set();
  const Facts facts = any_facts();
  bool one_denies = false;
  for (const PolicyRule& rule : set.rules) {
    PolicySet alone;
    alone.rules.push_back(rule);
    one_denies = one_denies || decide(alone, facts).verdict == Verdict::deny;
  }
  RC_ASSERT((decide(set, facts).verdict == Verdict::deny) == one_denies);
}

RC_GTEST_PROP(PolicyProperty, TheOrderOfRulesDoesNotMatter, ()) {
  PolicySet set = any_set();
  const Facts facts = any_facts();
  const Decision before = decide(set, facts);
  std::ranges::reverse(set.rules);
  const Decision after = decide(set, facts);
  RC_ASSERT(after.verdict == before.verdict);
  RC_ASSERT(after.violations.size() == before.violations.size());
  for (const Violation& one : before.violations)
    RC_ASSERT(std::ranges::find(after.violations, one) != after.violations.end());
}

RC_GTEST_PROP(PolicyProperty, AnAdvisoryRuleMoreChangesNoVerdict, ()) {
  PolicySet set = any_set();
  const Facts facts = any_facts();
  const Verdict before = decide(set, facts).verdict;
  set.rules.push_back(rule_of(*rc::gen::inRange(0, static_cast<int>(std::size(queries))),
                              Enforcement::advisory, 99));
  RC_ASSERT(decide(set, facts).verdict == before);
}

RC_GTEST_PROP(PolicyProperty, ARuleThatCannotBeEvaluatedDenies, ()) {
  PolicySet set = any_set();
  const Facts facts = any_facts();
  const auto broken = *rc::gen::element<std::string>(
      "SELECT", "SELECT nothing FROM file", "SELECT random() AS r", "DROP TABLE file",
      "SELECT 1 / 0 AS x, abs(-9223372036854775807 - 1) AS y", "SELECT sev('x') AS y", "");
  PolicyRule rule = any_rule(99);
  rule.violations = broken;
  const auto at = *rc::gen::inRange<std::size_t>(0, set.rules.size() + 1);
  set.rules.insert(set.rules.begin() + static_cast<std::ptrdiff_t>(at), rule);
  RC_ASSERT(decide(set, facts).verdict == Verdict::deny);
}

RC_GTEST_PROP(PolicyProperty, AnUnknownFactDenies, ()) {
  PolicySet set = any_set();
  Facts facts = any_facts();
  const PolicyRule& rule = set.rules[*rc::gen::inRange<std::size_t>(0, set.rules.size())];
  facts.unknown(*rule.tables.begin(), "for the test");
  RC_ASSERT(decide(set, facts).verdict == Verdict::deny);
}

RC_GTEST_PROP(PolicyProperty, NoStepsLeftDenies, ()) {
  PolicySet set = any_set();
  Facts facts = any_facts();
  for (int i = 0; i < 200; ++i)
    facts.add(
        "file",
        {{"path", "p"}, {"subject", "p"}, {"change", "added"}, {"kind", "source"}, {"bytes", 1}});
  set.rules.push_back(rule_of(2, Enforcement::advisory, 99));  // reads all of them
  RC_ASSERT(decide(set, facts, {.steps = 10}).verdict == Verdict::deny);
}

RC_GTEST_PROP(PolicyProperty, RemediesThatAreTakenPass, ()) {
  const PolicySet set = any_set();
  const Facts facts = any_facts();
  Decision decision = decide(set, facts);
  find_remedies(decision, set, facts, evaluator());
  if (decision.verdict == Verdict::allow) {
    RC_ASSERT(decision.remedies.empty());
    return;
  }
  // The variables that a fix sets are the ones that can be set here by hand.
  Facts changed = facts;
  bool by_hand = !decision.remedies.empty();
  for (const Remedy& remedy : decision.remedies)
    by_hand = by_hand && remedy.command.starts_with("slipway env set");
  for (std::size_t i = 0; i < changed.rows("env_var").size(); ++i)
    changed.set("env_var", i, "is_set", std::int64_t{1});
  if (by_hand) RC_ASSERT(decide(set, changed).verdict == Verdict::allow);
}

RC_GTEST_PROP(PolicyProperty, ASnapshotFromItsTextDecidesTheSame, ()) {
  const PolicySet set = any_set();
  const Facts facts = any_facts();
  const auto back = Facts::parse(facts.canonical_json());
  RC_ASSERT(back.has_value());
  const Decision before = decide(set, facts), after = decide(set, *back);
  RC_ASSERT(after.verdict == before.verdict);
  RC_ASSERT(after.facts_digest == before.facts_digest);
}

// The plain definition, exponential.
bool slow_like(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '%')
    return slow_like(pattern.substr(1), text) ||
           (!text.empty() && slow_like(pattern, text.substr(1)));
  if (text.empty()) return false;
  return (pattern[0] == '_' || pattern[0] == text[0]) &&
         slow_like(pattern.substr(1), text.substr(1));
}

RC_GTEST_PROP(PolicyProperty, LikeIsThePlainDefinition, ()) {
  const auto pattern = *rc::gen::container<std::string>(rc::gen::element('a', 'b', '%', '_'));
  const auto text = *rc::gen::container<std::string>(rc::gen::element('a', 'b'));
  RC_PRE(std::ranges::count(pattern, '%') < 8);
  RC_ASSERT(sql_like(pattern, text, 0) == slow_like(pattern, text));
}

}  // namespace
}  // namespace slipway
