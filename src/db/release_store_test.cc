#include "db/release_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "db/stores.h"
#include "json/release_json.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class ReleaseStoreTest : public testing::Test {
 protected:
  Rollout rollout(RolloutKind kind = RolloutKind::promotion,
                  RolloutState state = RolloutState::running) {
    Rollout out;
    out.id = RolloutId::random();
    out.kind = kind;
    out.project = "shop";
    out.environment = "production";
    out.state = state;
    out.deployment = DeploymentId::random();
    out.created_at = clock.now();
    return out;
  }
  Release release_of(const Rollout& rollout) const {
    Release out;
    out.deployment = rollout.deployment;
    out.created_at = clock.now();
    return out;
  }
  Result<ReleaseStore::Begun> promote(RolloutState state = RolloutState::running) {
    const Rollout next = rollout(RolloutKind::promotion, state);
    return releases().begin({}, next, release_of(next));
  }
  Rollout switched(const RolloutId& id) {
    return releases()
        .make_current({}, id,
                      [&](Rollout& change) -> Status {
                        change.state = RolloutState::watching;
                        change.switched_at = clock.now();
                        return {};
                      })
        .value();
  }
  Rollout ended(const RolloutId& id, RolloutState state) {
    return releases()
        .update({}, id,
                [&](Rollout& change) -> Status {
                  change.state = state;
                  change.ended_at = clock.now();
                  return {};
                })
        .value();
  }
  // Promoted, switched, done: release `number` serves.
  std::int64_t live() {
    const Rollout begun = promote().value().rollout;
    switched(begun.id);
    clock.advance(1min);
    return ended(begun.id, RolloutState::done).to;
  }
  EnvironmentState state() { return releases().environment("shop", "production").value(); }
  ReleaseStore& releases() { return *stores.releases; }
  std::vector<std::string> events() {
    std::vector<std::string> out;
    for (const std::string& record : stores.audit->list({.limit = 1000}).value().records)
      out.insert(out.begin(), std::string(parse_json(record)->at("event").as_string()));
    return out;
  }

  ManualClock clock;
  Stores stores = Stores::open(":memory:", clock).value();
};

TEST_F(ReleaseStoreTest, ARolloutMakesItsReleaseCurrent) {
  const ReleaseStore::Begun begun = promote().value();
  EXPECT_EQ(begun.release.number, 1);
  EXPECT_EQ(begun.rollout.to, 1);
  EXPECT_EQ(state().active, begun.rollout.id);
  EXPECT_EQ(state().current, 0);
  switched(begun.rollout.id);
  EXPECT_EQ(state().current, 1);
  EXPECT_TRUE(releases().release("shop", "production", 1)->live_at);
  ended(begun.rollout.id, RolloutState::done);
  EXPECT_TRUE(state().active.empty());
  EXPECT_EQ(events(),
            (std::vector<std::string>{"release.created", "rollout.running", "release.current",
                                      "rollout.watching", "rollout.done"}));
}

TEST_F(ReleaseStoreTest, TwoAtOnceConflictAndTheHintNamesTheFirst) {
  const RolloutId first = promote()->rollout.id;
  const auto second = promote();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::conflict);
  EXPECT_THAT(second.error().hint, HasSubstr(first.str()));
  EXPECT_EQ(releases().releases("shop", "production", 10)->size(), 1u);
}

TEST_F(ReleaseStoreTest, WhatIsOnlyWatchedGivesWay) {
  live();
  const Rollout watched = promote()->rollout;
  switched(watched.id);
  const ReleaseStore::Begun next = promote().value();
  ASSERT_EQ(next.replaced.size(), 1u);
  EXPECT_EQ(next.replaced.front().state, RolloutState::done);
  switched(next.rollout.id);
  Rollout back = rollout(RolloutKind::rollback);
  back.to = 2;
  const ReleaseStore::Begun begun = releases().begin({}, back, {}).value();
  EXPECT_EQ(begun.replaced.front().state, RolloutState::rolled_back);
  EXPECT_EQ(begun.rollout.from, 3);
  switched(back.id);
  EXPECT_EQ(state().current, 2);
  EXPECT_EQ(state().previous, 3);
  EXPECT_THAT(state().paused, HasSubstr("rolled back"));
}

TEST_F(ReleaseStoreTest, OneThatWaitsHoldsNothingAndIsReplaced) {
  const RolloutId waiting = promote(RolloutState::waiting)->rollout.id;
  EXPECT_TRUE(state().active.empty());
  const ReleaseStore::Begun next = promote().value();
  EXPECT_EQ(next.release.number, 2);
  EXPECT_EQ(releases().rollout(waiting)->state, RolloutState::canceled);
  EXPECT_THAT(releases().rollout(waiting)->reason, HasSubstr(next.rollout.id.str()));
}

TEST_F(ReleaseStoreTest, WhatWaitsGivesWayToWhomAskedAndToPeopleWhoMayAsMuch) {
  const auto who = [](const char* kind, const char* name, const char* behalf, const char* role) {
    AuditContext out;
    out.actor = {.kind = kind, .name = name, .on_behalf_of = behalf};
    out.role = role;
    return out;
  };
  const auto ask = [&](const AuditContext& by, RolloutKind kind, RolloutState state) {
    Rollout next = rollout(kind, state);
    next.actor = by.actor;
    ApprovalRequest request{.id = ApprovalId::random(), .requester = by.actor, .role = by.role};
    next.approval = request.id.str();
    if (kind == RolloutKind::rollback) next.to = 1;
    return releases().begin(
        by, next, kind == RolloutKind::rollback ? std::nullopt : std::optional(release_of(next)),
        state == RolloutState::waiting ? Beside{}.with(by, request) : Beside{});
  };
  const AuditContext ann = who("human", "ann", "", "deployer"),
                     bob = who("human", "bob", "", "deployer"),
                     cat = who("human", "cat", "", "admin"),
                     coder = who("agent", "coder", "ann", "deployer"),
                     boss = who("agent", "boss", "cat", "admin");
  live();
  const auto held = [&](const AuditContext& asked, const AuditContext& later) {
    const Rollout waits = ask(asked, RolloutKind::promotion, RolloutState::waiting)->rollout;
    const auto next = ask(later, RolloutKind::promotion, RolloutState::waiting);
    const bool stays = releases().rollout(waits.id)->state == RolloutState::waiting;
    EXPECT_EQ(stays, !next.has_value());
    if (!next) {
      EXPECT_EQ(next.error().code, Errc::conflict);
      EXPECT_THAT(next.error().message, HasSubstr(waits.id.str()));
      EXPECT_THAT(next.error().message, HasSubstr(asked.actor.name));
      EXPECT_EQ(next.error().next.front().command, "slipway approve " + waits.approval);
    }
    ended(next ? next->rollout.id : waits.id, RolloutState::canceled);
    return stays;
  };
  EXPECT_FALSE(held(ann, ann));
  EXPECT_FALSE(held(ann, bob));
  EXPECT_FALSE(held(ann, cat));
  EXPECT_FALSE(held(coder, ann)) << "a person and the agent's own";
  EXPECT_FALSE(held(coder, coder));
  EXPECT_TRUE(held(ann, coder));
  EXPECT_TRUE(held(ann, boss)) << "an agent with a larger role";
  EXPECT_TRUE(held(coder, boss)) << "another agent";
  EXPECT_TRUE(held(cat, bob)) << "a person with a smaller role";
  EXPECT_TRUE(held(boss, bob)) << "the agent of somebody with a larger role";

  const Rollout waits = ask(ann, RolloutKind::promotion, RolloutState::waiting)->rollout;
  EXPECT_TRUE(ask(coder, RolloutKind::rollback, RolloutState::running)) << "the brake works";
  EXPECT_EQ(releases().rollout(waits.id)->state, RolloutState::waiting);
}

TEST_F(ReleaseStoreTest, OneThatWaitedGoesOnFromWhatIsCurrentThen) {
  const RolloutId waiting = promote(RolloutState::waiting)->rollout.id;
  Rollout other = rollout(RolloutKind::configuration);
  ASSERT_TRUE(releases().begin({}, other, release_of(other)));
  const auto go_on = [&] {
    return releases().update({}, waiting, [](Rollout& change) -> Status {
      change.state = RolloutState::running;
      return {};
    });
  };
  EXPECT_EQ(go_on().error().code, Errc::conflict);
  EXPECT_EQ(releases().rollout(waiting)->state, RolloutState::waiting);
  switched(other.id);
  ended(other.id, RolloutState::done);
  EXPECT_EQ(go_on()->from, 2);
  EXPECT_EQ(state().active, waiting);
}

TEST_F(ReleaseStoreTest, TheSwitchCanBeUndoneByTheActiveRolloutOnly) {
  live();
  const RolloutId bad = promote()->rollout.id;
  switched(bad);
  const auto back = [&] {
    return releases().make_previous_current({}, bad, [&](Rollout& change) -> Status {
      change.state = RolloutState::rolled_back;
      change.ended_at = clock.now();
      change.verdicts.push_back(
          {.percent = 100,
           .says = "roll_back",
           .at = clock.now(),
           .evidence = {{.metric = "errors", .says = "worse", .e_value = 812, .threshold = 400}}});
      return {};
    });
  };
  ASSERT_TRUE(back());
  EXPECT_EQ(state().current, 1);
  EXPECT_EQ(state().previous, 2);
  EXPECT_FALSE(state().paused.empty());
  EXPECT_FALSE(back());
  const auto history = releases().history("shop", "production", clock.now() - 1h).value();
  EXPECT_EQ(history.automatic_rollbacks, 1);
  EXPECT_EQ(history.rollbacks, 1);
  EXPECT_EQ(history.releases, 2);
  const std::vector<std::string> records = stores.audit->list({.limit = 10})->records;
  EXPECT_TRUE(std::ranges::any_of(records, [](const std::string& record) {
    return record.contains("release.current") && record.contains("evidence.errors") &&
           record.contains("e=812");
  }));
}

TEST_F(ReleaseStoreTest, APromotionOnPurposeResumes) {
  live();
  live();
  Rollout back = rollout(RolloutKind::rollback);
  back.to = 1;
  ASSERT_TRUE(releases().begin({}, back, {}));
  switched(back.id);
  ended(back.id, RolloutState::done);
  Rollout by_itself = rollout();
  by_itself.automatic = true;
  ASSERT_TRUE(releases().begin({}, by_itself, release_of(by_itself)));
  switched(by_itself.id);
  ended(by_itself.id, RolloutState::done);
  EXPECT_FALSE(state().paused.empty());
  live();
  EXPECT_TRUE(state().paused.empty());
}

TEST_F(ReleaseStoreTest, RetiringKeepsTheNewestAndTheLastGoodOne) {
  for (int i = 0; i < 5; ++i) live();
  const RolloutId failed = promote()->rollout.id;
  ended(failed, RolloutState::failed);
  EXPECT_EQ(releases().retire({}, "shop", "production", 2).value(), 4u);
  std::vector<std::int64_t> kept;
  for (const Release& release : releases().kept().value()) kept.push_back(release.number);
  EXPECT_EQ(kept, (std::vector<std::int64_t>{4, 5}));
  EXPECT_EQ(releases().live_before("shop", "production", 5)->value().number, 4);
  // Even with a single one to keep, there is one to go back to.
  live();
  ASSERT_TRUE(releases().retire({}, "shop", "production", 1));
  EXPECT_EQ(releases().live_before("shop", "production", 7)->value().number, 5);
}

TEST_F(ReleaseStoreTest, ADeploymentOfAKeptReleaseIsNotForgotten) {
  Deployment deployment;
  deployment.id = DeploymentId::random();
  deployment.project = "shop";
  deployment.alias = "preview";
  deployment.state = DeploymentState::deleted;
  ASSERT_TRUE(stores.repository->ensure_project({}, "shop", clock.now()));
  ASSERT_TRUE(stores.repository->add({}, deployment, ""));
  Rollout begun = rollout();
  begun.deployment = deployment.id;
  ASSERT_TRUE(releases().begin({}, begun, release_of(begun)));
  switched(begun.id);
  ended(begun.id, RolloutState::done);
  EXPECT_EQ(releases().serving(deployment.id)->size(), 1u);
  EXPECT_EQ(stores.repository->purge({}, deployment.id).error().code, Errc::failed_precondition);
  EXPECT_TRUE(stores.repository->get(deployment.id));
}

TEST_F(ReleaseStoreTest, WhatACanaryGivesToSomeServes) {
  Rollout begun = rollout();
  begun.deployment = DeploymentId::random();
  ASSERT_TRUE(releases().begin({}, begun, release_of(begun)));
  EXPECT_TRUE(releases().serving(begun.deployment)->empty());
  const auto become = [&](RolloutState state) {
    ASSERT_TRUE(releases().update({}, begun.id, [&](Rollout& change) -> Status {
      change.state = state;
      return {};
    }));
  };
  become(RolloutState::canary);
  EXPECT_EQ(releases().serving(begun.deployment)->size(), 1u);
  become(RolloutState::canceled);
  EXPECT_TRUE(releases().serving(begun.deployment)->empty());
}

TEST_F(ReleaseStoreTest, AFailureLeavesNothing) {
  const Rollout next = rollout();
  const StoredDecision decision{.id = DecisionId::random()};
  ASSERT_TRUE(stores.governance->keep({.decision = &decision, .facts = "{}"}));
  const auto failed =
      releases().begin({}, next, release_of(next), {.decision = &decision, .facts = "{}"});
  EXPECT_EQ(failed.error().code, Errc::conflict) << "it is kept already";
  EXPECT_TRUE(state().active.empty());
  EXPECT_TRUE(releases().releases("shop", "production", 10)->empty());
  EXPECT_TRUE(events().empty());
}

TEST_F(ReleaseStoreTest, ChangesThatAreMadeWhileOthersAreDecidedAreNotLost) {
  live();
  const Rollout begun = promote().value().rollout;
  int decided = 0;
  const Rollout after = releases()
                            .update({}, begun.id,
                                    [&](Rollout& change) -> Status {
                                      if (++decided == 1) switched(begun.id);
                                      change.message = "mine";
                                      return {};
                                    })
                            .value();
  EXPECT_EQ(decided, 2);
  EXPECT_EQ(after.state, RolloutState::watching);
  EXPECT_EQ(after.message, "mine");
  EXPECT_EQ(state().current, 2);

  decided = 0;
  const auto frozen = releases().update_environment(
      {}, "shop", "production", [&](EnvironmentState& change) -> Status {
        if (++decided == 1)
          EXPECT_TRUE(releases().update_environment({}, "shop", "production",
                                                    [](EnvironmentState& other) -> Status {
                                                      other.instances = 3;
                                                      return {};
                                                    }));
        change.paused = "mine";
        return {};
      });
  EXPECT_EQ(frozen->instances, 3);
  EXPECT_EQ(state(), *frozen);

  decided = 0;
  const auto release =
      releases().update_release({}, "shop", "production", 2, [&](Release& change) -> Status {
        if (++decided == 1)
          EXPECT_TRUE(
              releases().update_release({}, "shop", "production", 2, [](Release& other) -> Status {
                other.decision = "meanwhile";
                return {};
              }));
        change.message = "mine";
        return {};
      });
  EXPECT_EQ(release->decision, "meanwhile");
  EXPECT_EQ(release->message, "mine");
}

// A rollout that ended while it was being moved is not moved.
TEST_F(ReleaseStoreTest, AnEndThatCameWhileTheSwitchWasDecidedWins) {
  const Rollout begun = promote().value().rollout;
  const auto switched = releases().make_current({}, begun.id, [&](Rollout& change) -> Status {
    ended(begun.id, RolloutState::failed);
    change.state = RolloutState::watching;
    return {};
  });
  EXPECT_EQ(switched.error().code, Errc::failed_precondition);
  EXPECT_EQ(state().current, 0);
}

// Any sequence of what drivers do, in any order, keeps what the header promises.
RC_GTEST_FIXTURE_PROP(ReleaseStoreTest, KeepsItsInvariants, ()) {
  std::vector<RolloutId> known;
  std::map<RolloutId, Rollout> over;
  for (int step = *rc::gen::inRange(1, 40); step > 0; --step) {
    clock.advance(1s);
    const auto any = [&] {
      return known[static_cast<std::size_t>(
          *rc::gen::inRange<int>(0, static_cast<int>(known.size())))];
    };
    switch (known.empty() ? 0 : *rc::gen::inRange(0, 7)) {
      case 0:
        if (const auto begun = promote()) known.push_back(begun->rollout.id);
        break;
      case 1:
        known.push_back(promote(RolloutState::waiting).value().rollout.id);
        break;
      case 2:
        std::ignore = releases().make_current({}, any(), [&](Rollout& change) -> Status {
          change.state = RolloutState::watching;
          change.switched_at = clock.now();
          return {};
        });
        break;
      case 3:
        std::ignore = releases().make_previous_current({}, any(), [&](Rollout& change) -> Status {
          change.state = RolloutState::rolled_back;
          return {};
        });
        break;
      case 4: {
        const auto end = *rc::gen::element(RolloutState::done, RolloutState::failed,
                                           RolloutState::canceled, RolloutState::running);
        std::ignore = releases().update({}, any(), [&](Rollout& change) -> Status {
          change.state = end;
          return {};
        });
        break;
      }
      case 5: {
        Rollout back = rollout(RolloutKind::rollback);
        back.to = *rc::gen::inRange<std::int64_t>(1, 6);
        if (releases().begin({}, back, {})) known.push_back(back.id);
        break;
      }
      default:
        std::ignore = releases().retire({}, "shop", "production", 2);
        break;
    }
    const EnvironmentState now = state();
    const std::vector<Release> all = releases().releases("shop", "production", 1000).value();
    for (std::size_t i = 0; i < all.size(); ++i)
      RC_ASSERT(all[i].number == static_cast<std::int64_t>(all.size() - i));
    if (now.current != 0) {
      const Release current = releases().release("shop", "production", now.current).value();
      RC_ASSERT(current.live_at.has_value());
      RC_ASSERT(current.kept);
    }
    std::size_t active = 0;
    for (const Rollout& open : releases().open_rollouts().value()) {
      if (open.state == RolloutState::waiting) continue;
      ++active;
      RC_ASSERT(open.id == now.active);
    }
    RC_ASSERT(active == (now.active.empty() ? 0u : 1u));
    for (const RolloutId& id : known) {
      const Rollout record = releases().rollout(id).value();
      if (const auto at = over.find(id); at != over.end())
        RC_ASSERT(record == at->second);
      else if (is_over(record.state))
        over.emplace(id, record);
    }
  }
}

}  // namespace
}  // namespace slipway
