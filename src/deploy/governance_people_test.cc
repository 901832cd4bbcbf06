// Waivers, emergencies and policy sets.
#include <gtest/gtest.h>

#include "deploy/governance.h"
#include "deploy/testing/governed.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::add_rules;
using testing::agent;
using testing::Governed;
using testing::human;
using testing::World;

TEST(Waiving, EndsWithWhoeverGaveItAndIsNotGivenToWhoeverLeft) {
  Governed g;
  const Deployment d = g.deployment({"bad.txt"});
  const AuditContext ann = human("ann", "admin"), bob = human("bob", "approver");
  const auto ask = [&] {
    return g.governance
        ->ask_waiver(ann, {.rule = "no-bad-file", .project = "shop", .reason = "x"}, 48h)
        ->id;
  };
  const auto state = [&](const WaiverId& id) { return g.governance->store().waiver(id)->state; };
  const WaiverId given = ask();
  ASSERT_TRUE(g.governance->answer_waiver(bob, given, Vote::Choice::approve));
  EXPECT_TRUE(g.decide(d, ann).allows());
  g.roles["bob"] = "deployer";
  EXPECT_FALSE(g.decide(d, ann).allows());
  ASSERT_TRUE(g.governance->tick());
  EXPECT_EQ(state(given), "revoked");
  g.roles.clear();
  EXPECT_FALSE(g.decide(d, ann).allows()) << "it has ended for good";

  const WaiverId asked = ask();
  g.roles["ann"] = "";
  EXPECT_EQ(g.governance->answer_waiver(bob, asked, Vote::Choice::approve).error().code,
            Errc::failed_precondition);
  EXPECT_EQ(state(asked), "requested");
  ASSERT_TRUE(g.governance->tick());
  EXPECT_EQ(state(asked), "revoked");
}

TEST(BreakingTheGlass, EndsWithEitherOfTheTwo) {
  for (const std::string who : {"ann", "bob"}) {
    Governed g;
    const Deployment d = g.deployment({"bad.txt"});
    const AuditContext ann = human("ann", "admin"), bob = human("bob", "admin");
    const BreakGlassId id = g.governance->declare(ann, "shop", "fire")->id;
    ASSERT_TRUE(g.governance->answer_emergency(bob, id, Vote::Choice::approve));
    EXPECT_TRUE(g.decide(d, ann).allows());
    g.roles[who] = "";
    EXPECT_FALSE(g.decide(d, human("cat", "admin")).allows());
    ASSERT_TRUE(g.governance->tick());
    EXPECT_EQ(g.governance->store().break_glass(id)->state, "ended");
  }
}

TEST(BreakingTheGlass, IsNotConfirmedToSomebodyWhoLeft) {
  Governed g;
  const BreakGlassId id = g.governance->declare(human("ann", "admin"), "shop", "fire")->id;
  g.roles["ann"] = "";
  EXPECT_EQ(
      g.governance->answer_emergency(human("bob", "admin"), id, Vote::Choice::approve).error().code,
      Errc::failed_precondition);
  ASSERT_TRUE(g.governance->tick());
  EXPECT_EQ(g.governance->store().break_glass(id)->state, "ended");
}

TEST(Waiving, CountsFromItsApprovalToItsEnd) {
  Governed g;
  const Deployment d = g.deployment({"bad.txt"});
  const auto ann = human("ann", "admin");
  const Waiver waiver =
      g.governance
          ->ask_waiver(ann, {.rule = "no-bad-file", .project = "shop", .reason = "a joke"}, 48h)
          .value();
  EXPECT_FALSE(g.decide(d, ann).allows());
  const auto approve = [&](const AuditContext& by) {
    return g.governance->answer_waiver(by, waiver.id, Vote::Choice::approve);
  };
  EXPECT_EQ(approve(ann).error().code, Errc::permission_denied);
  EXPECT_EQ(approve(agent("bot", "bob")).error().code, Errc::permission_denied);
  ASSERT_TRUE(approve(human("bob", "approver")).has_value());
  const Ruling lifted = g.decide(d, ann);
  EXPECT_TRUE(lifted.allows());
  EXPECT_EQ(lifted.by.waiver, waiver.id.str());
  g.w.clock.advance(48h);
  EXPECT_FALSE(g.decide(d, ann).allows());
  EXPECT_TRUE(g.governance->tick().has_value());
  EXPECT_EQ(g.governance->store().waiver(waiver.id)->state, "expired");
  EXPECT_EQ(
      g.governance
          ->ask_waiver(ann, {.rule = "no-bad-file", .project = "shop", .reason = "x"}, 31 * 24h)
          .error()
          .code,
      Errc::invalid_argument);
}

TEST(BreakingTheGlass, TakesTwoPeopleAndLastsAnHour) {
  Governed g;
  const Deployment d = g.deployment({"bad.txt"});
  const auto ann = human("ann", "admin");
  EXPECT_EQ(g.governance->declare(agent("bot", "ann"), "shop", "fire").error().code,
            Errc::permission_denied);
  const BreakGlass emergency = g.governance->declare(ann, "shop", "fire").value();
  EXPECT_FALSE(g.decide(d, ann).allows());
  EXPECT_EQ(g.governance->answer_emergency(ann, emergency.id, Vote::Choice::approve).error().code,
            Errc::permission_denied);
  ASSERT_TRUE(
      g.governance->answer_emergency(human("bob", "admin"), emergency.id, Vote::Choice::approve)
          .has_value());
  EXPECT_TRUE(g.decide(d, ann).allows());
  EXPECT_FALSE(g.decide(d, agent("bot", "ann")).allows());
  g.w.clock.advance(61min);
  EXPECT_FALSE(g.decide(d, ann).allows());
}

TEST(Policies, AnApprovalIsOfTheStepFromTheSetOfThenAndOfNoLaterOne) {
  constexpr std::string_view head = R"(name = "test"
[[rule]]
id = "weaker"
on = ["policy"]
enforce = "hard"
message = "no"
approvals = { need = 1, roles = ["admin"], valid_for = "200h" }
violations = "SELECT 'rules' AS subject FROM policy_change WHERE rules_removed > 0"
[[rule.test]]
expect = "deny"
policy_change = { rules_removed = 1 }
[[rule.test]]
expect = "pass"
policy_change = { rules_added = 1 }
)";
  const auto rule = [](std::string_view id) {
    return fmt::format(R"([[rule]]
id = "{}"
on = ["build"]
enforce = "soft"
message = "no"
violations = "SELECT path AS subject FROM file WHERE path = '{}'"
[[rule.test]]
expect = "deny"
file = [{{ path = "{}", change = "added" }}]
[[rule.test]]
expect = "pass"
)",
                       id, id, id);
  };
  const std::string bare(head), first = bare + rule("one"), later = first + rule("two");
  World w(first);
  const auto ann = human("ann", "admin");
  const auto set = [&](const std::string& text) {
    return w.governance->set_policy(ann, {.text = text, .reason = "x", .replay = 0});
  };
  const auto open = [&] { return w.stores.governance->approvals("open", "").value(); };
  ASSERT_FALSE(set(bare));
  ASSERT_EQ(open().size(), 1u);
  ASSERT_TRUE(
      w.governance->vote(human("bob", "admin"), open().front().id, Vote::Choice::approve, ""));
  ASSERT_TRUE(set(later)) << "more rules need nobody";
  EXPECT_EQ(set(bare).error().code, Errc::denied_by_policy) << "people agreed to lose one rule";
  EXPECT_EQ(open().size(), 1u);
  EXPECT_EQ(w.governance->active()->rules.size(), 3u);
}

TEST(Policies, OneThatWasChangedBehindOurBackIsNotUsed) {
  World w;
  add_rules(w);
  ASSERT_TRUE(w.stores.database
                  ->transaction([](Database::Transaction& session) {
                    return session.execute(
                        "UPDATE policy_set SET record=json_set(record,'$.advisory',"
                        "json_array('no-bad-file')) WHERE version=2");
                  })
                  .has_value());
  const auto opened = GovernanceService::open({.settings = w.settings,
                                               .clock = w.clock,
                                               .store = *w.stores.governance,
                                               .repository = *w.repository,
                                               .names = w.names,
                                               .evaluator = make_sql_rule_evaluator()});
  EXPECT_EQ(opened.error().code, Errc::corrupt);
}

}  // namespace
}  // namespace slipway
