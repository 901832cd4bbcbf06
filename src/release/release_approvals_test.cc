// Promotions that wait for people, over a fake engine and a clock that stands still.
#include <gtest/gtest.h>

#include "release/releases.h"
#include "release/testing/release_world.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::ReleaseWorld;

// Who asks, and who is asked.
const AuditContext agent{.actor = {.kind = "agent", .name = "claude", .on_behalf_of = "ann"},
                         .role = "deployer"};
const AuditContext bob{.actor = {.kind = "human", .name = "bob"}, .role = "approver"};

TEST(Approvals, APromotionGoesOnByItselfOnceApproved) {
  ReleaseWorld w;
  w.live(w.preview("one"));
  const Rollout waiting = w.releases->promote(agent, {.deployment = w.preview("two").id}).value();
  EXPECT_EQ(waiting.state, RolloutState::waiting);
  const ApprovalId id = ApprovalId::parse(waiting.approval).value();
  ASSERT_TRUE(w.governance->vote(bob, id, Vote::Choice::approve, ""));
  w.at(waiting.id, RolloutState::watching);
  EXPECT_EQ(w.production().current, 2);
  EXPECT_EQ(w.governance->store().approval(id)->state, "approved");
}

TEST(Approvals, SayHowTheTrafficWouldGetThere) {
  ReleaseWorld w;
  w.live(w.preview("one"));
  const auto change = [&](const Rollout& waiting) {
    const ApprovalId id = ApprovalId::parse(waiting.approval).value();
    return w.governance->store().approval(id)->about.at("change").as_string();
  };
  EXPECT_EQ(change(w.releases
                       ->promote(agent, {.deployment = w.preview("two").id,
                                         .canary = {5, 25},
                                         .canary_step = 2min,
                                         .smoke = {{"/healthz", 200}, {"/old", 301}}})
                       .value()),
            "first to 5, 25 % of the traffic, each for 2m at least; before, it must answer "
            "/healthz with 200, /old with 301");
  EXPECT_EQ(change(w.releases->promote(agent, {.deployment = w.preview("three").id}).value()),
            "all traffic at once; nothing is asked of it before");
}

TEST(Approvals, AgentsOfOnePersonWaitForAFewAtATime) {
  ReleaseWorld w;
  const Deployment one = w.preview("one");
  for (int i = 0; i < 50; ++i) {
    const ApprovalRequest request{.id = ApprovalId::random(),
                                  .action = "env_write",
                                  .resource = fmt::format("configuration/shop/e{}", i),
                                  .project = "shop",
                                  .requester = agent.actor,
                                  .expires_at = w.clock.now() + 1h};
    ASSERT_TRUE(w.governance->store().add(agent, request));
  }
  const auto refused = w.releases->promote(agent, {.deployment = one.id});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::over_budget);
  EXPECT_TRUE(w.production().active.empty());
  AuditContext other = agent;
  other.actor.on_behalf_of = "bob";
  EXPECT_EQ(w.releases->promote(other, {.deployment = one.id})->state, RolloutState::waiting);
}

TEST(Approvals, ARollbackIsOfWhatServedThen) {
  ReleaseWorld w;
  w.live(w.preview("one"));
  w.live(w.preview("two"));
  w.live(w.preview("three"));
  const Rollout waiting = w.releases->roll_back(agent, "shop", "production", 1, "").value();
  ASSERT_EQ(waiting.state, RolloutState::waiting);
  EXPECT_EQ(w.releases->roll_back(agent, "shop", "production", 1, "")->id, waiting.id);
  w.live(w.preview("a fix"));
  ASSERT_TRUE(w.governance->vote(bob, ApprovalId::parse(waiting.approval).value(),
                                 Vote::Choice::approve, ""));
  EXPECT_EQ(w.releases->rollout(waiting.id)->state, RolloutState::canceled);
  EXPECT_EQ(w.production().current, 4);
}

TEST(Approvals, AreOfTheConfigurationOfThen) {
  ReleaseWorld w;
  const Rollout waiting = w.releases->promote(agent, {.deployment = w.preview("one").id}).value();
  ASSERT_TRUE(
      w.environments.change(w.ann, "shop", "production",
                            {.set = {{.name = "DATABASE_URL", .value = "postgres://evil"}}}));
  const ApprovalId id = ApprovalId::parse(waiting.approval).value();
  ASSERT_TRUE(w.governance->vote(bob, id, Vote::Choice::approve, ""));
  const Rollout ended = w.releases->rollout(waiting.id).value();
  EXPECT_EQ(ended.state, RolloutState::canceled);
  EXPECT_TRUE(ended.reason.contains("changed while it waited (DATABASE_URL: version 1 by ann"))
      << ended.reason;
  EXPECT_TRUE(ended.reason.ends_with("ask again: slipway promote " + waiting.deployment.str()))
      << ended.reason;
  EXPECT_EQ(w.production().current, 0);
  EXPECT_EQ(w.governance->store().approval(id)->state, "withdrawn");
}

TEST(Approvals, AreNotEndedByWhatTheAppDoesNotRunWith) {
  ReleaseWorld w;
  const auto set = [&](std::string name, VarKind kind) {
    return w.environments.change(w.ann, "shop", "production",
                                 {.set = {{.name = std::move(name), .value = "x", .kind = kind}}});
  };
  const Rollout waiting = w.releases->promote(agent, {.deployment = w.preview("one").id}).value();
  ASSERT_TRUE(set("BUILT_WITH", VarKind::build));
  ASSERT_TRUE(set("SET_AND", VarKind::run));
  ASSERT_TRUE(w.environments.change(w.ann, "shop", "production", {.remove = {"SET_AND"}}));
  ASSERT_TRUE(
      w.governance->vote(bob, *ApprovalId::parse(waiting.approval), Vote::Choice::approve, ""));
  w.at(waiting.id, RolloutState::watching);
  EXPECT_EQ(w.production().current, 1);
}

TEST(Approvals, OfWhatWasRemovedMeanwhileEndItAndOfWhatExpiredDoNot) {
  ReleaseWorld w;
  for (const auto state : {DeploymentState::deleted, DeploymentState::expired}) {
    const Deployment asked = w.preview(std::string(to_string(state)));
    const Rollout waiting = w.releases->promote(agent, {.deployment = asked.id}).value();
    ASSERT_TRUE(w.stores.repository->update({}, asked.id, [&](Deployment& change) -> Status {
      change.state = state;
      return {};
    }));
    ASSERT_TRUE(
        w.governance->vote(bob, *ApprovalId::parse(waiting.approval), Vote::Choice::approve, ""));
    if (state == DeploymentState::deleted) {
      const Rollout ended = w.releases->rollout(waiting.id).value();
      EXPECT_EQ(ended.state, RolloutState::canceled);
      EXPECT_TRUE(ended.reason.contains("is deleted")) << ended.reason;
      EXPECT_EQ(w.production().current, 0);
      // Its own request keeps nothing of it: it cannot be asked for again, either.
      EXPECT_EQ(w.releases->promote(agent, {.deployment = asked.id}).error().code,
                Errc::failed_precondition);
    } else {
      w.at(waiting.id, RolloutState::watching);
      EXPECT_EQ(w.site_of("shop.localhost"), asked.id);
    }
  }
}

TEST(Approvals, OfOnePromotionDoNotCountForTheNext) {
  ReleaseWorld w;
  const Deployment one = w.preview("one"), two = w.preview("two");
  const Rollout first = w.releases->promote(agent, {.deployment = one.id}).value();
  ASSERT_TRUE(
      w.governance->vote(bob, *ApprovalId::parse(first.approval), Vote::Choice::approve, ""));
  w.baked(first.id);
  w.live(two);
  EXPECT_EQ(w.releases->promote(agent, {.deployment = one.id})->state, RolloutState::waiting);
}

TEST(Approvals, ARejectionOrTheTimeEndsIt) {
  ReleaseWorld w;
  const auto ask = [&](const std::string& text) {
    return w.releases->promote(agent, {.deployment = w.preview(text).id}).value();
  };
  const Rollout rejected = ask("one");
  ASSERT_TRUE(w.governance->vote(bob, *ApprovalId::parse(rejected.approval), Vote::Choice::reject,
                                 "not today"));
  EXPECT_EQ(w.releases->rollout(rejected.id)->state, RolloutState::denied);
  const Rollout late = ask("two");
  w.clock.advance(w.settings.policy.approval_timeout + 1s);
  ASSERT_TRUE(w.governance->tick());
  EXPECT_EQ(w.releases->rollout(late.id)->state, RolloutState::canceled);
  EXPECT_EQ(w.production().current, 0);
}

TEST(Approvals, ANewerPromotionReplacesOneThatWaits) {
  ReleaseWorld w;
  const Rollout waiting = w.releases->promote(agent, {.deployment = w.preview("one").id}).value();
  w.live(w.preview("two"));
  EXPECT_EQ(w.releases->rollout(waiting.id)->state, RolloutState::canceled);
  EXPECT_EQ(w.governance->store().approval(*ApprovalId::parse(waiting.approval))->state,
            "withdrawn");
}

TEST(Approvals, AnAgentCancelsNothingThatAPersonWaitsFor) {
  ReleaseWorld w(R"(name = "test"
[[rule]]
id = "two"
on = ["promote"]
enforce = "hard"
message = "no"
approvals = { need = 1, roles = ["admin"], valid_for = "1h" }
violations = "SELECT 'it' AS subject FROM request WHERE environment = 'production'"
[[rule.test]]
expect = "deny"
request = { environment = "production" }
[[rule.test]]
expect = "pass"
request = { environment = "preview" }
)");
  const Rollout waiting = w.releases->promote(bob, {.deployment = w.preview("one").id}).value();
  ASSERT_EQ(waiting.state, RolloutState::waiting);
  const auto again = w.releases->promote(agent, {.deployment = w.preview("two").id});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::conflict);
  const auto canceled = w.releases->cancel(agent, waiting.id, "mine is better");
  ASSERT_FALSE(canceled);
  EXPECT_EQ(canceled.error().code, Errc::permission_denied);
  EXPECT_EQ(w.releases->rollout(waiting.id)->state, RolloutState::waiting);
  EXPECT_TRUE(w.releases->cancel(bob, waiting.id, "not today"));
}

}  // namespace
}  // namespace slipway
