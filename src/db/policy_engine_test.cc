// Decisions, end to end: a set in TOML, facts, SQLite.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "db/policy_sql.h"
#include "policy/engine.h"
#include "policy/second_opinion.h"

namespace slipway {
namespace {

constexpr std::int64_t now = 1'800'000'000;

// What a rule needs beside its query, so that tests show what matters.
std::string rule(std::string_view id, std::string_view enforce, std::string_view violations,
                 std::string_view more = "", std::string_view on = "promote") {
  return fmt::format(
      "[[rule]]\nid = \"{}\"\non = [\"{}\"]\nenforce = \"{}\"\nviolations = \"{}\"\nmessage = "
      "\"{{subject}} is wrong\"\n{}\n"
      "[[rule.test]]\nexpect = \"deny\"\n[[rule.test]]\nexpect = \"pass\"\n",
      id, on, enforce, violations, more);
}

constexpr std::string_view critical =
    "SELECT subject FROM finding WHERE severity >= sev('critical') AND waived = 0";
constexpr std::string_view always = "SELECT project AS subject FROM request";

PolicySet read(std::string_view text) {
  auto set = parse_policy_set(text);
  if (!set) {
    for (const PolicyProblem& problem : set.error()) ADD_FAILURE() << to_string(problem);
    return {};
  }
  return *std::move(set);
}

struct World {
  std::unique_ptr<RuleEvaluator> evaluator = make_sql_rule_evaluator();
  ManualClock clock;
  Facts facts = request();

  static Facts request(std::string_view point = "promote", std::string_view actor = "alice",
                       std::string_view kind = "human",
                       std::string_view environment = "production") {
    const RequestTime time = request_time(now);
    Facts facts;
    facts.know_all().add("request", {{"point", point},
                                     {"team", "t"},
                                     {"project", "shop"},
                                     {"environment", environment},
                                     {"actor_kind", kind},
                                     {"actor_name", actor},
                                     {"on_behalf_of", ""},
                                     {"role", "deployer"},
                                     {"session", ""},
                                     {"now", now},
                                     {"weekday", time.weekday},
                                     {"hour", time.hour},
                                     {"minute", time.minute},
                                     {"automatic", 0}});
    return facts;
  }
  World& finding(std::string_view subject, int severity) {
    facts.add("finding", {{"id", subject},
                          {"scanner", "dependency"},
                          {"rule", ""},
                          {"subject", subject},
                          {"severity", severity},
                          {"detail", ""},
                          {"file", ""},
                          {"fix", "upgrade it"},
                          {"waived", 0},
                          {"is_new", 1}});
    return *this;
  }
  World& approval(std::string_view by, std::string_view kind = "human",
                  std::string_view role = "approver", std::int64_t at = now - 60,
                  std::string_view of = "") {
    facts.add("approval", {{"id", "apr"},
                           {"rule", of},
                           {"approver", by},
                           {"approver_kind", kind},
                           {"role", role},
                           {"at", at},
                           {"expires_at", now + 60}});
    return *this;
  }
  World& waiver(std::string_view of, std::string_view subject, std::int64_t from = now - 60,
                std::int64_t until = now + 60, std::string_view author = "alice",
                std::string_view approver = "bob", std::string_view kind = "human") {
    facts.add("waiver", {{"id", "wvr"},
                         {"rule", of},
                         {"subject", subject},
                         {"author", author},
                         {"approver", approver},
                         {"approver_kind", kind},
                         {"created_at", from},
                         {"expires_at", until},
                         {"reason", ""}});
    return *this;
  }
  World& break_glass(std::string_view second = "bob", std::string_view kind = "human",
                     std::int64_t from = now - 60) {
    facts.add("break_glass", {{"id", "brk"},
                              {"first", "alice"},
                              {"first_kind", "human"},
                              {"second", second},
                              {"second_kind", kind},
                              {"started_at", from},
                              {"expires_at", from + 3600},
                              {"reason", "outage"}});
    return *this;
  }
  [[nodiscard]] Decision decide(std::string_view text) const {
    return evaluate(read(text), facts, *evaluator, clock);
  }
  [[nodiscard]] Decision with_remedies(std::string_view text) const {
    const PolicySet set = read(text);
    Decision decision = evaluate(set, facts, *evaluator, clock);
    find_remedies(decision, set, facts, *evaluator);
    return decision;
  }
};

TEST(Engine, TellsRowsRuleAndDigests) {
  World w;
  w.finding("left-pad", 4).finding("qs", 2);
  const std::string text = rule("no-critical", "soft", critical);
  const Decision decision = w.decide(text);
  EXPECT_EQ(decision.verdict, Verdict::deny);
  ASSERT_EQ(decision.violations.size(), 1u);
  EXPECT_EQ(decision.violations[0].subject, "left-pad");
  EXPECT_EQ(decision.violations[0].message, "left-pad is wrong");
  EXPECT_EQ(decision.policy_digest, sha256(text));
  EXPECT_EQ(decision.facts_digest, w.facts.digest());
  EXPECT_EQ(decision.summary(), "denied by no-critical: left-pad is wrong");
}

TEST(Engine, AdvisoryTellsAndDoesNotBlock) {
  const Decision decision = World().decide(rule("note", "advisory", always));
  EXPECT_EQ(decision.verdict, Verdict::allow);
  ASSERT_EQ(decision.violations.size(), 1u);
  EXPECT_EQ(decision.violations[0].state, ViolationState::advises);
}

TEST(Engine, ForProductionNoMatchingRuleMeansDeny) {
  World w;
  w.facts = World::request("rollback");
  const Decision decision = w.decide(rule("other", "soft", critical));
  EXPECT_EQ(decision.verdict, Verdict::deny);
  EXPECT_EQ(decision.violations.at(0).rule, no_matching_rule);
  w.facts = World::request("preview", "alice", "human", "preview");
  EXPECT_EQ(w.decide(rule("other", "soft", critical)).verdict, Verdict::allow);
}

TEST(Engine, ErrorsAndUnknownFactsDenyWhateverTheLevel) {
  for (const std::string_view level : {"advisory", "soft", "hard"}) {
    World w;
    w.facts.unknown("finding", "the scanner crashed");
    w.waiver("no-critical", "").approval("bob");
    const Decision decision = w.decide(rule("no-critical", level, "SELECT subject FROM finding"));
    EXPECT_EQ(decision.verdict, Verdict::deny) << level;
    EXPECT_TRUE(decision.violations.at(0).is_error);
    EXPECT_TRUE(decision.violations[0].message.contains("the scanner crashed"));
  }
  World poisoned;
  poisoned.facts.add("finding", {{"severity", "high"}});
  EXPECT_EQ(poisoned.decide(rule("note", "advisory", always)).verdict, Verdict::deny);
  EXPECT_EQ(
      evaluate(read(rule("note", "advisory", always)), Facts(), *poisoned.evaluator, poisoned.clock)
          .verdict,
      Verdict::deny);
}

TEST(Engine, ALimitDenies) {
  World w;
  for (int i = 0; i < 400; ++i) w.finding(fmt::format("f{}", i), 1);
  const Decision decision =
      w.decide(rule("join", "advisory",
                    "SELECT a.subject FROM finding a, finding b, finding c WHERE a.id = 'none'"));
  EXPECT_EQ(decision.verdict, Verdict::deny);
  EXPECT_TRUE(decision.violations.at(0).message.contains("steps"));
}

TEST(Waivers, LiftRowsOfSoftRulesOnly) {
  const auto verdict = [](World& w, std::string_view level) {
    return w
        .decide(rule("no-critical", level,
                     "SELECT subject FROM finding WHERE severity >= sev('critical')"))
        .verdict;
  };
  World named, all, two, hard, foreign;
  EXPECT_EQ(verdict(named.finding("a", 4).waiver("no-critical", "a"), "soft"), Verdict::allow);
  EXPECT_EQ(verdict(all.finding("a", 4).waiver("no-critical", ""), "soft"), Verdict::allow);
  EXPECT_EQ(verdict(two.finding("a", 4).finding("b", 4).waiver("no-critical", "a"), "soft"),
            Verdict::deny);
  EXPECT_EQ(verdict(hard.finding("a", 4).waiver("no-critical", "a"), "hard"), Verdict::deny);
  EXPECT_EQ(verdict(foreign.finding("a", 4).waiver("other", "a"), "soft"), Verdict::deny);
}

TEST(Waivers, EndAndNeedASecondHuman) {
  const auto denied = [](World& w) {
    w.finding("a", 4);
    return w.decide(rule("no-critical", "soft", critical)).verdict == Verdict::deny;
  };
  World expired, future, long_lived, own, agent;
  EXPECT_TRUE(denied(expired.waiver("no-critical", "a", now - 100, now)));
  EXPECT_TRUE(denied(future.waiver("no-critical", "a", now + 1, now + 100)));
  EXPECT_TRUE(denied(long_lived.waiver("no-critical", "a", now - 1, now + 30 * 86'400)));
  EXPECT_TRUE(denied(own.waiver("no-critical", "a", now - 60, now + 60, "bob", "bob")));
  EXPECT_TRUE(
      denied(agent.waiver("no-critical", "a", now - 60, now + 60, "alice", "claude", "agent")));
}

TEST(Approvals, AreCountedByDistinctIndependentPeople) {
  const std::string text = rule("two-people", "hard", always,
                                "approvals = { need = 2, roles = ['approver'], valid_for = '1h' }");
  World none, one, two, same, agent, self, old, role, author;
  EXPECT_EQ(none.decide(text).verdict, Verdict::pending);
  EXPECT_EQ(one.approval("bob").decide(text).verdict, Verdict::pending);
  const Decision met = two.approval("bob").approval("carol").decide(text);
  EXPECT_EQ(met.verdict, Verdict::allow);
  EXPECT_EQ(met.approvals.at(0).given_by, (std::vector<std::string>{"bob", "carol"}));
  EXPECT_EQ(met.violations.at(0).state, ViolationState::approved);
  EXPECT_EQ(same.approval("bob").approval("bob").decide(text).verdict, Verdict::pending);
  EXPECT_EQ(agent.approval("bob").approval("claude", "agent").decide(text).verdict,
            Verdict::pending);
  EXPECT_EQ(self.approval("bob").approval("alice").decide(text).verdict, Verdict::pending);
  EXPECT_EQ(
      old.approval("bob").approval("carol", "human", "approver", now - 3601).decide(text).verdict,
      Verdict::pending);
  EXPECT_EQ(role.approval("bob").approval("carol", "human", "deployer").decide(text).verdict,
            Verdict::pending);
  author.facts.add("deployment", {{"id", "dpl_a"},
                                  {"alias", ""},
                                  {"state", "ready"},
                                  {"author", "claude"},
                                  {"author_kind", "agent"},
                                  {"author_for", "carol"},
                                  {"message", ""},
                                  {"created_at", now},
                                  {"age", 0},
                                  {"source_digest", ""},
                                  {"source_files", 1},
                                  {"source_bytes", 1},
                                  {"previewed", 1},
                                  {"has_sbom", 0},
                                  {"has_provenance", 0}});
  EXPECT_EQ(author.approval("bob").approval("carol").decide(text).verdict, Verdict::pending);
}

TEST(Approvals, DoNotHideADenialBesideThem) {
  World w;
  w.finding("a", 4);
  const std::string text = rule("ask", "soft", always, "approvals = { need = 1 }") +
                           rule("no-critical", "hard", "SELECT subject FROM finding");
  EXPECT_EQ(w.decide(text).verdict, Verdict::deny);
}

TEST(BreakGlass, IsForTwoHumansAndAnHour) {
  const std::string text = rule("closed", "hard", always);
  World good, alone, agent, old;
  const Decision decision = good.break_glass().decide(text);
  EXPECT_EQ(decision.verdict, Verdict::allow);
  EXPECT_EQ(decision.break_glass, "brk");
  EXPECT_EQ(decision.violations.at(0).state, ViolationState::broken);
  EXPECT_EQ(alone.break_glass("alice").decide(text).verdict, Verdict::deny);
  EXPECT_EQ(agent.break_glass("claude", "agent").decide(text).verdict, Verdict::deny);
  EXPECT_EQ(old.break_glass("bob", "human", now - 3600).decide(text).verdict, Verdict::deny);
  World by_agent;
  by_agent.facts = World::request("promote", "claude", "agent");
  EXPECT_EQ(by_agent.break_glass().decide(text).verdict, Verdict::deny);
}

TEST(Rollback, ToAnApprovedReleaseSkipsScanningRules) {
  const std::string text = rule("no-critical", "soft", critical, "", "rollback");
  World w;
  w.facts = World::request("rollback");
  w.finding("a", 4);
  EXPECT_EQ(w.decide(text).verdict, Verdict::deny);
  w.facts.add("release", {{"number", 3},
                          {"deployment", "dpl_a"},
                          {"once_approved", 1},
                          {"once_live", 1},
                          {"age", 100},
                          {"config_changed", 0},
                          {"canary_first", 100},
                          {"previous", 1},
                          {"restores", 0}});
  const Decision decision = w.decide(text);
  EXPECT_EQ(decision.verdict, Verdict::allow);
  EXPECT_EQ(decision.skipped, std::vector<std::string>{"no-critical"});
}

TEST(Remedies, AreTheSmallestSetThatPasses) {
  World w;
  w.finding("left-pad", 4);
  w.facts.add("env_var",
              {{"name", "KEY"}, {"subject", "KEY"}, {"required", 1}, {"is_set", 0}, {"secret", 1}});
  const Decision decision =
      w.with_remedies(rule("no-critical", "soft", critical) +
                      rule("env", "hard", "SELECT subject FROM env_var WHERE is_set = 0"));
  ASSERT_EQ(decision.remedies.size(), 2u);
  std::vector<std::string> commands;
  for (const Remedy& one : decision.remedies) {
    EXPECT_EQ(one.kind, RemedyKind::fix);
    EXPECT_TRUE(one.actor_may);
    commands.push_back(one.command);
  }
  EXPECT_TRUE(
      std::ranges::find(commands, "slipway env set KEY=VALUE --project shop --env production") !=
      commands.end());
  ASSERT_EQ(decision.alternatives.size(), 1u);
  EXPECT_EQ(decision.alternatives[0].kind, RemedyKind::waive);
  EXPECT_EQ(decision.alternatives[0].command,
            "slipway waive no-critical --project shop --subject left-pad --for 7d --reason WHY");
}

TEST(Remedies, CarryNothingThatATerminalWouldObey) {
  World w;
  w.finding("a\x1b]0;x\n'; rm -rf b", 4);
  const Decision decision = w.with_remedies(rule("no-critical", "soft", critical));
  ASSERT_EQ(decision.alternatives.size(), 1u);
  for (const std::string& text :
       {decision.violations.at(0).message, decision.remedies.at(0).command,
        decision.remedies[0].description, decision.alternatives[0].command,
        decision.alternatives[0].description})
    EXPECT_EQ(text.find_first_of("\x1b\n"), std::string::npos) << text;
}

TEST(Remedies, PreferOneApprovalToManyFixes) {
  World w;
  for (int i = 0; i < 5; ++i) w.finding(fmt::format("f{}", i), 4);
  Decision decision =
      w.with_remedies(rule("no-critical", "soft", critical, "approvals = { need = 1 }"));
  ASSERT_EQ(decision.remedies.size(), 1u);
  EXPECT_EQ(decision.remedies[0].kind, RemedyKind::approve);
  EXPECT_FALSE(decision.remedies[0].actor_may) << "who asks does not approve";
  name_approval(decision, "apr_abc");
  EXPECT_EQ(decision.remedies[0].command, "slipway approve apr_abc");
}

TEST(Remedies, KnowHowLongToWait) {
  World w;
  w.facts.add("freeze", {{"name", "launch"},
                         {"subject", "launch"},
                         {"starts_at", now - 10},
                         {"ends_at", now + 5000},
                         {"reason", ""}});
  const Decision decision = w.with_remedies(
      rule("freeze", "hard",
           "SELECT f.subject FROM freeze f JOIN request r WHERE f.starts_at <= r.now AND r.now < "
           "f.ends_at"));
  ASSERT_EQ(decision.remedies.size(), 1u);
  EXPECT_EQ(decision.remedies[0].kind, RemedyKind::wait);
  EXPECT_EQ(decision.remedies[0].until, now + 5000);
  EXPECT_EQ(decision.remedies[0].command, "");
}

TEST(Remedies, FindTheHourAtWhichATimeRulePasses) {
  const Decision decision = World().with_remedies(
      rule("office-hours", "hard", "SELECT point AS subject FROM request WHERE hour < 12"));
  ASSERT_EQ(decision.remedies.size(), 1u);
  EXPECT_EQ(decision.remedies[0].until, now + 4 * 3600);  // 08:00, noon
}

TEST(Remedies, SayHowMuchMoneyWouldDo) {
  World w;
  w.facts.add("budget", {{"scope", "project"},
                         {"name", "shop"},
                         {"subject", "project:shop/day"},
                         {"period", "day"},
                         {"limit_amount", 10'000'000},
                         {"spent", 9'000'000},
                         {"reserved", 500'000},
                         {"needed", 1'000'000},
                         {"available", 500'000},
                         {"resets_at", now + 60}});
  const Decision decision =
      w.with_remedies(rule("money", "hard", "SELECT subject FROM budget WHERE needed > available"));
  ASSERT_EQ(decision.remedies.size(), 1u);
  EXPECT_EQ(decision.remedies[0].command,
            "slipway budget set --project shop --period day --hard 10.50");
  EXPECT_FALSE(decision.remedies[0].actor_may) << "a deployer does not raise budgets";
}

TEST(Remedies, OfARuleThatNothingLiftsAreAChangeOfPolicy) {
  const Decision decision = World().with_remedies(rule("closed", "hard", always));
  EXPECT_TRUE(decision.remedies.empty());
  ASSERT_EQ(decision.alternatives.size(), 1u);
  EXPECT_EQ(decision.alternatives[0].kind, RemedyKind::change_policy);
}

TEST(Remedies, AnAgentNeverWaivesOrApproves) {
  World w;
  w.facts = World::request("promote", "claude", "agent");
  w.finding("a", 4);
  const Decision decision =
      w.with_remedies(rule("no-critical", "soft", critical, "approvals = { need = 1 }"));
  auto all = decision.remedies;
  all.insert(all.end(), decision.alternatives.begin(), decision.alternatives.end());
  EXPECT_EQ(all.size(), 3u);
  for (const Remedy& one : all)
    EXPECT_EQ(one.actor_may, one.kind == RemedyKind::fix) << to_string(one.kind);
}

TEST(PolicyCheck, RefusesASetWhoseTestsDoNotHold) {
  const auto evaluator = make_sql_rule_evaluator();
  const std::string wrong = rule("no-critical", "soft", critical);  // its denying test has no facts
  const PolicyCheck check = check_policy_set(wrong, *evaluator);
  EXPECT_FALSE(check.set.has_value());
  ASSERT_EQ(check.problems.size(), 1u);
  EXPECT_TRUE(check.problems[0].message.contains("expects deny")) << check.problems[0].message;
  EXPECT_GT(check.problems[0].line, 0);
}

TEST(Replay, NamesTheDecisionsThatFlip) {
  World clean, dirty;
  dirty.finding("a", 3);
  const std::vector<PastDecision> past = {{"dec_1", Verdict::allow, clean.facts},
                                          {"dec_2", Verdict::allow, dirty.facts}};
  const PolicySet stricter =
      read(rule("no-high", "soft", "SELECT subject FROM finding WHERE severity >= sev('high')"));
  const std::vector<Flip> flips = replay(stricter, past, *clean.evaluator, clean.clock);
  ASSERT_EQ(flips.size(), 1u);
  EXPECT_EQ(flips[0].id, "dec_2");
  EXPECT_EQ(flips[0].now.verdict, Verdict::deny);
}

TEST(Compare, SeesWhatBecomesWeaker) {
  const PolicySet before = read(rule("a", "hard", always) + rule("b", "soft", always) +
                                rule("c", "hard", always, "approvals = { need = 2 }"));
  const PolicySet after = read(rule("a", "soft", always) + rule("d", "soft", always) +
                               rule("c", "hard", always, "approvals = { need = 1 }"));
  const PolicySetDiff diff = compare(before, after);
  EXPECT_EQ(diff.added, std::vector<std::string>{"d"});
  EXPECT_EQ(diff.removed, std::vector<std::string>{"b"});
  EXPECT_EQ(diff.changed, (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(diff.weakened, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(compare(before, before).changed.empty());
}

class FixedOpinion final : public SecondOpinion {
 public:
  explicit FixedOpinion(Result<Opinion> answer) : answer_(std::move(answer)) {}
  Result<Opinion> ask(const std::string& document, Duration) override {
    asked = document;
    return answer_;
  }
  std::string asked;

 private:
  Result<Opinion> answer_;
};

TEST(SecondOpinion, IsAndedAndFailsClosed) {
  World w;
  const Decision ours = w.decide(rule("note", "advisory", always));
  FixedOpinion yes(Opinion{.allows = true}), no(Opinion{.reasons = {"not on Mondays"}}),
      none(fail(Errc::deadline_exceeded, "no answer within 250 ms"));
  Decision agreed = ours, denied = ours, silent = ours;
  ask_second_opinion(agreed, w.facts, yes);
  ask_second_opinion(denied, w.facts, no);
  ask_second_opinion(silent, w.facts, none);
  EXPECT_EQ(agreed.verdict, Verdict::allow);
  EXPECT_EQ(denied.verdict, Verdict::deny);
  EXPECT_EQ(denied.violations.back().message, "not on Mondays");
  EXPECT_EQ(silent.verdict, Verdict::deny);
  EXPECT_TRUE(silent.violations.back().is_error);
  EXPECT_TRUE(yes.asked.starts_with("{\"input\":{\"facts\":{\"tables\":"));
  EXPECT_TRUE(yes.asked.contains(ours.facts_digest.str()));
}

TEST(SecondOpinion, ReadsOpasAnswers) {
  EXPECT_TRUE(parse_opa_answer(R"({"result":true})")->allows);
  EXPECT_FALSE(parse_opa_answer(R"({"result":false})")->allows);
  const auto told = parse_opa_answer(R"({"result":{"allow":false,"deny":["a\u001b[31m","b"]}})");
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->reasons, (std::vector<std::string>{"a", "b"}));
  for (const std::string_view bad : {"", "true", "{}", R"({"result":{}})", R"({"result":"yes"})",
                                     R"({"result":{"allow":1}})", R"({"decision_id":"x"})"})
    EXPECT_FALSE(parse_opa_answer(bad).has_value()) << bad;
}

}  // namespace
}  // namespace slipway
