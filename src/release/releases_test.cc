// Environments moved from release to release, over a fake engine and a clock that stands still.
#include "release/releases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "release/testing/release_world.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::ReleaseWorld;

TEST(Promoting, AStaticSiteServesAtTheProjectsOwnHost) {
  ReleaseWorld w;
  const Deployment preview = w.preview("one");
  const Rollout begun = w.promote(preview).value();
  const Rollout done = w.over(begun.id);
  ASSERT_EQ(done.state, RolloutState::done) << done.reason;
  EXPECT_EQ(w.shows("shop.localhost"), "site");
  EXPECT_EQ(w.site_of("shop.localhost"), preview.id);
  EXPECT_EQ(done.artifact, artifact_digest(preview));
  EXPECT_EQ(w.production().current, 1);
  EXPECT_FALSE(done.decision.empty());
}

TEST(Promoting, AnAppStartsBeforeItGetsTraffic) {
  ReleaseWorld w;
  const Rollout first = w.live(w.app_of("1"));
  ASSERT_EQ(first.state, RolloutState::done) << first.reason;
  EXPECT_EQ(w.shows("shop.localhost"), "app");
  const Deployment next = w.app_of("2");
  const Rollout begun = w.promote(next).value();
  const Rollout watched = w.at(begun.id, RolloutState::watching);
  ASSERT_EQ(watched.state, RolloutState::watching) << watched.reason;
  EXPECT_EQ(w.production().current, 2);
  EXPECT_EQ(w.production().previous, 1);
  EXPECT_EQ(w.crews->instances({"shop", "production", 1}).size(), 1u);
  const Rollout done = w.baked(begun.id);
  EXPECT_EQ(done.state, RolloutState::done) << done.reason;
  EXPECT_EQ(w.production().previous, 0);
  EXPECT_TRUE(w.crews->instances({"shop", "production", 1}).empty());
  EXPECT_TRUE(w.told("rollout.switched"));
}

TEST(Promoting, IsRefusedByThePoliciesWithADecision) {
  ReleaseWorld w;
  AuditContext nobody = w.ann;
  nobody.role = "viewer";
  const auto denied = w.releases->promote(nobody, {.deployment = w.preview("one").id});
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, Errc::denied_by_policy);
  EXPECT_FALSE(denied.error().decision.empty());
  EXPECT_EQ(w.production().current, 0);
}

TEST(Promoting, WhatIsNotReadyIsRefused) {
  ReleaseWorld w;
  const auto refused = w.promote(w.deploy("shop", {{"notes.txt", "nothing"}}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::failed_precondition);
}

TEST(Promoting, ASmokeRequestThatFailsLeavesTheOldOneServing) {
  ReleaseWorld w;
  w.live(w.preview("one"));
  const Rollout begun = w.promote(w.preview("two"), {.smoke = {{.path = "/missing.html"}}}).value();
  const Rollout failed = w.over(begun.id);
  EXPECT_EQ(failed.state, RolloutState::failed);
  EXPECT_EQ(failed.error->phase, "smoke");
  EXPECT_EQ(w.production().current, 1);
  EXPECT_TRUE(w.told("rollout.failed"));
}

TEST(Promoting, AnAppThatDoesNotStartLeavesTheOldOneServing) {
  ReleaseWorld w;
  w.live(w.app_of("1"));
  const Deployment next = w.app_of("2");
  w.engine.fail_next_start({.code = Errc::start_failed, .message = "no"});
  const Rollout failed = w.over(w.promote(next).value().id);
  EXPECT_EQ(failed.state, RolloutState::failed);
  EXPECT_EQ(failed.error->phase, "start");
  EXPECT_EQ(w.production().current, 1);
  EXPECT_EQ(w.shows("shop.localhost"), "app");
}

// Nothing drove it any more: it stayed "running" until the server was started anew.
TEST(Promoting, ABugOfOursEndsItAsFailedAndTheOldOneServes) {
  ReleaseWorld w;
  w.live(w.app_of("1"));
  const Deployment next = w.app_of("2", {.release = "./migrate"});
  w.engine.on_step(
      [](const SandboxSpec&, const StepRunner::OutputSink&,
         std::stop_token) -> Result<StepRunner::Outcome> { throw std::runtime_error("a bug"); });
  const Rollout failed = w.over(w.promote(next).value().id);
  EXPECT_EQ(failed.state, RolloutState::failed);
  ASSERT_TRUE(failed.error);
  EXPECT_EQ(failed.error->code, Errc::internal);
  EXPECT_EQ(failed.error->cause, "internal");
  EXPECT_EQ(failed.steps.back().state, "failed");
  EXPECT_EQ(w.production().current, 1);
  EXPECT_EQ(w.shows("shop.localhost"), "app");
  EXPECT_TRUE(w.told("rollout.failed"));
}

// The count of threads was never right again, and the server's end waited for ever.
TEST(Promoting, WithoutAThreadItGoesOnAtTheNextTickThatHasOne) {
  ReleaseWorld w;
  const Deployment preview = w.preview("one");
  w.no_threads = true;
  const Rollout begun = w.promote(preview).value();
  w.releases->tick();
  EXPECT_FALSE(is_over(w.releases->rollout(begun.id)->state));
  w.no_threads = false;
  EXPECT_EQ(w.baked(begun.id).state, RolloutState::done);
  EXPECT_EQ(w.site_of("shop.localhost"), preview.id);
}

TEST(Promoting, ToStagingThenToProduction) {
  ReleaseWorld w;
  const Deployment preview = w.preview("one");
  w.over(w.promote(preview, {.environment = "staging"}).value().id);
  EXPECT_EQ(w.site_of("staging--shop.localhost"), preview.id);
  EXPECT_EQ(w.shows("shop.localhost"), "");
  w.over(w.promote(preview).value().id);
  EXPECT_EQ(w.site_of("shop.localhost"), preview.id);
}

TEST(RollingBack, GoesToTheReleaseBeforeAndPausesDeploysThatPromoteThemselves) {
  ReleaseWorld w;
  const Deployment one = w.preview("one"), two = w.preview("two");
  w.live(one);
  w.live(two);
  const Rollout back = w.over(w.releases->roll_back(w.ann, "shop", "production", {}, "no")->id);
  ASSERT_EQ(back.state, RolloutState::done) << back.reason;
  EXPECT_EQ(w.site_of("shop.localhost"), one.id);
  EXPECT_EQ(w.production().current, 1);
  const auto held = w.promote(w.preview("three"), {.automatic = true});
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, Errc::failed_precondition);
  EXPECT_THAT(held.error().hint, HasSubstr("slipway resume shop"));
  ASSERT_TRUE(w.releases->resume(w.ann, "shop", "production"));
  EXPECT_TRUE(w.promote(w.preview("four"), {.automatic = true}));
}

TEST(RollingBack, PassesOverWhatWasRolledBackBefore) {
  ReleaseWorld w;
  const Deployment one = w.preview("one");
  w.live(one);
  w.live(w.preview("two"));
  w.over(w.releases->roll_back(w.ann, "shop", "production", {}, "two is bad")->id);
  w.live(w.preview("three"));
  const Rollout back = w.over(w.releases->roll_back(w.ann, "shop", "production", {}, "")->id);
  EXPECT_EQ(back.to, 1);
  EXPECT_EQ(w.site_of("shop.localhost"), one.id);
}

TEST(RollingBack, WhileWatchedFlipsToTheWarmRelease) {
  ReleaseWorld w;
  w.live(w.app_of("1"));
  const Rollout bad = w.promote(w.app_of("2")).value();
  w.at(bad.id, RolloutState::watching);
  const std::size_t started = w.engine.started().size();
  const Rollout back = w.over(w.releases->roll_back(w.ann, "shop", "production", {}, "no")->id);
  ASSERT_EQ(back.state, RolloutState::done) << back.reason;
  EXPECT_EQ(w.releases->rollout(bad.id)->state, RolloutState::rolled_back);
  EXPECT_EQ(w.production().current, 1);
  EXPECT_EQ(w.engine.started().size(), started);  // it was warm
  EXPECT_TRUE(w.crews->instances({"shop", "production", 2}).empty());
}

TEST(RollingBack, ARestoreWhoseReleaseDoesNotStartLeavesTheOtherServing) {
  ReleaseWorld w;
  w.live(w.app_of("1"));
  w.live(w.app_of("2"));
  const std::string snapshot = w.snapshot();
  w.engine.fail_next_start({.code = Errc::start_failed, .message = "no"});
  const Rollout failed =
      w.over(w.releases->roll_back(w.ann, "shop", "production", {}, "", snapshot)->id);
  EXPECT_EQ(failed.state, RolloutState::failed);
  EXPECT_EQ(failed.error->phase, "start");
  EXPECT_EQ(w.production().current, 2);
  EXPECT_TRUE(w.comes_to_run(2));
  EXPECT_EQ(w.shows("shop.localhost"), "app");
}

TEST(RollingBack, WhatDoesNotStartAgainAfterAFailedRestoreIsTriedOnceMore) {
  ReleaseWorld w;
  w.live(w.app_of("1"));
  w.live(w.app_of("2"));
  const std::string snapshot = w.snapshot();
  // The release that was wanted, and then the one that served.
  for (int i = 0; i < 2; ++i)
    w.engine.fail_next_start({.code = Errc::disk_full, .message = "no space"});
  const Rollout failed =
      w.over(w.releases->roll_back(w.ann, "shop", "production", {}, "", snapshot)->id);
  EXPECT_EQ(failed.state, RolloutState::failed);
  EXPECT_EQ(w.production().current, 2);
  EXPECT_TRUE(w.comes_to_run(2));
}

TEST(RollingBack, ARestoreThatIsCanceledLeavesTheOtherServing) {
  ReleaseWorld w;
  w.live(w.app_of("1"));
  w.live(w.app_of("2"));
  const std::string snapshot = w.snapshot();
  w.engine.map_port(default_port, 0);  // nothing answers
  const Rollout back = w.releases->roll_back(w.ann, "shop", "production", {}, "", snapshot).value();
  w.until(back.id, [](const Rollout& seen) {
    return !seen.steps.empty() && seen.steps.back().name == "start";
  });
  EXPECT_TRUE(w.instances(2).empty());
  EXPECT_EQ(w.releases->cancel(w.ann, back.id, "no")->state, RolloutState::canceled);
  w.engine.map_port(default_port, w.app.port());
  EXPECT_TRUE(w.comes_to_run(2));
  EXPECT_EQ(w.production().current, 2);
}

TEST(RollingBack, ToNothingSaysSo) {
  ReleaseWorld w;
  EXPECT_EQ(w.releases->roll_back(w.ann, "shop", "production", {}, "").error().code,
            Errc::not_found);
  w.live(w.preview("one"));
  EXPECT_EQ(w.releases->roll_back(w.ann, "shop", "production", {}, "").error().code,
            Errc::not_found);
  EXPECT_EQ(w.releases->roll_back(w.ann, "shop", "production", 9, "").error().code,
            Errc::not_found);
}

TEST(RollingBack, OfACanaryEndsTheCanaryAndNothingElse) {
  ReleaseWorld w;
  const Deployment one = w.preview("one"), two = w.preview("two");
  w.live(one);
  w.live(two);
  const Rollout canary = w.promote(w.preview("three"), {.canary = {10}}).value();
  w.at(canary.id, RolloutState::canary);
  const Rollout ended = w.over(w.releases->roll_back(w.ann, "shop", "production", {}, "slow")->id);
  EXPECT_EQ(ended.id, canary.id);
  EXPECT_EQ(ended.state, RolloutState::canceled);
  EXPECT_EQ(w.site_of("shop.localhost"), two.id);
  EXPECT_FALSE(w.stores.releases->environment("shop", "production")->paused.empty());
  w.over(w.releases->roll_back(w.ann, "shop", "production", {}, "")->id);
  EXPECT_EQ(w.site_of("shop.localhost"), one.id);
}

TEST(RollingBack, ToAReleaseTakesACanaryBackFirst) {
  ReleaseWorld w;
  const Deployment one = w.preview("one");
  w.live(one);
  w.live(w.preview("two"));
  const Rollout canary = w.promote(w.preview("three"), {.canary = {10}}).value();
  w.at(canary.id, RolloutState::canary);
  EXPECT_TRUE(w.comes_to_show("shop.localhost", "split"));
  const Rollout back = w.over(w.releases->roll_back(w.ann, "shop", "production", 1, "")->id);
  EXPECT_EQ(w.releases->rollout(canary.id)->state, RolloutState::canceled);
  EXPECT_EQ(back.state, RolloutState::done) << back.reason;
  EXPECT_EQ(w.site_of("shop.localhost"), one.id);
}

TEST(Watching, ADiskThatIsFullMeanwhileLeavesTheOldReleaseRunningNoLonger) {
  ReleaseWorld w;
  w.live(w.app_of("1"));
  const Rollout next = w.promote(w.app_of("2")).value();
  w.at(next.id, RolloutState::watching);
  w.hide("rollout");
  w.clock.advance(w.settings.releases.bake);
  w.pass(20);
  w.clock.advance(w.settings.releases.bake);
  w.pass(20);
  w.show("rollout");
  const Rollout done = w.baked(next.id);
  EXPECT_EQ(done.state, RolloutState::done) << done.reason;
  EXPECT_TRUE(w.instances(1).empty());
  EXPECT_EQ(w.production().previous, 0);
  EXPECT_EQ(w.instances(2).size(), 1u);
}

TEST(Switching, RoutesThatCannotBeChangedAreTriedAgain) {
  ReleaseWorld w;
  w.live(w.preview("one"));
  DeployOptions options;
  options.release = "./migrate";
  const Deployment app = w.app_of("2", options);
  // From the release command on, nobody can read what is to be shown.
  w.engine.on_step([&](const SandboxSpec&, const StepRunner::OutputSink&,
                       std::stop_token) -> Result<StepRunner::Outcome> {
    w.hide("deployment");
    return StepRunner::Outcome{};
  });
  const Rollout next = w.promote(app).value();
  w.at(next.id, RolloutState::watching);
  w.pass(20);
  EXPECT_EQ(w.production().current, 2);
  EXPECT_EQ(w.shows("shop.localhost"), "site");
  w.show("deployment");
  w.pass(1);
  EXPECT_TRUE(w.comes_to_show("shop.localhost", "app"));
  EXPECT_EQ(w.baked(next.id).state, RolloutState::done);
}

TEST(Canary, WithoutTrafficItHolds) {
  ReleaseWorld w;
  w.live(w.preview("one"));
  const Rollout begun = w.promote(w.preview("two"), {.canary = {10}}).value();
  w.at(begun.id, RolloutState::canary);
  w.clock.advance(1h);
  for (int i = 0; i < 3; ++i) {
    w.releases->tick();
    EXPECT_EQ(w.releases->rollout(begun.id)->state, RolloutState::canary);
  }
  EXPECT_EQ(w.releases->cancel(w.ann, begun.id, "enough")->state, RolloutState::canceled);
  EXPECT_EQ(w.shows("shop.localhost"), "site");
}

TEST(ReleaseCommands, RunOnceBeforeTrafficAndTheirLayerStays) {
  ReleaseWorld w;
  DeployOptions options;
  options.release = "./migrate";
  const Deployment app = w.app_of("1", options);
  const std::size_t before = w.engine.steps().size();
  const Rollout done = w.live(app);
  ASSERT_EQ(done.state, RolloutState::done) << done.reason;
  EXPECT_EQ(w.engine.steps().size(), before + 1);
  EXPECT_FALSE(w.stores.releases->release("shop", "production", 1)->release_layers.empty());
}

TEST(ReleaseCommands, FailingStopsThePromotion) {
  ReleaseWorld w;
  w.live(w.preview("one"));
  DeployOptions options;
  options.release = "./migrate";
  const Deployment app = w.app_of("2", options);
  w.engine.on_step([](const SandboxSpec&, const StepRunner::OutputSink&,
                      std::stop_token) -> Result<StepRunner::Outcome> {
    return StepRunner::Outcome{.exit = {.code = 3}};
  });
  const Rollout failed = w.over(w.promote(app).value().id);
  EXPECT_EQ(failed.state, RolloutState::failed);
  EXPECT_EQ(failed.error->phase, "release");
  EXPECT_EQ(w.shows("shop.localhost"), "site");
}

TEST(Configuration, AChangeMakesAReleaseAndARollbackTakesItBack) {
  ReleaseWorld w;
  w.live(w.app_of("1"));
  const Configuration changed =
      w.environments
          .change(w.ann, "shop", "production", {.set = {{.name = "COLOR", .value = "blue"}}})
          .value();
  const auto rollout =
      w.releases->reconfigure(w.ann, "shop", "production", changed.version).value();
  ASSERT_TRUE(rollout);
  w.at(rollout->id, RolloutState::watching);
  EXPECT_EQ(w.engine.started().back().env.at("COLOR"), "blue");
  EXPECT_EQ(w.baked(rollout->id).state, RolloutState::done);
  w.over(w.releases->roll_back(w.ann, "shop", "production", {}, "")->id);
  EXPECT_FALSE(w.engine.started().back().env.contains("COLOR"));
}

TEST(Watching, ACrashLoopRollsBackAndTheThirdTimeFreezes) {
  ReleaseWorld w;
  w.live(w.app_of("1"));
  for (int i = 0; i < 3; ++i) {
    const Rollout bad = w.promote(w.app_of("bad " + std::to_string(i))).value();
    w.at(bad.id, RolloutState::watching);
    for (int crash = 0;
         crash < 30 && !is_over(w.releases->rollout(bad.id)->state) && !w.production().frozen_until;
         ++crash) {
      const Crews::Key key{"shop", "production", bad.to};
      for (const Crews::Instance& instance : w.crews->instances(key))
        if (!instance.sandbox.empty()) w.engine.exit(instance.sandbox, {.code = 1});
      w.clock.advance(1s);
      w.crews->tick();
      w.until(bad.id, [&, ticks = 0](const Rollout& seen) mutable {
        return is_over(seen.state) || w.production().frozen_until || ++ticks > 3;
      });
    }
    if (i < 2) {
      const Rollout taken_back = w.over(bad.id);
      EXPECT_EQ(taken_back.state, RolloutState::rolled_back) << taken_back.reason;
      EXPECT_EQ(w.production().current, 1);
      EXPECT_FALSE(taken_back.verdicts.empty());
    } else {
      EXPECT_TRUE(w.production().frozen_until);
      EXPECT_EQ(w.production().current, bad.to);
      EXPECT_TRUE(w.told("release.frozen"));
    }
  }
}

TEST(DeployProd, PromotesItselfAndTheDeploymentNamesTheRollout) {
  ReleaseWorld w;
  DeployOptions options;
  options.promote_to = "production";
  const Deployment deployed = w.deploy_as(w.ann, {{"index.html", "one"}}, options);
  ASSERT_FALSE(deployed.rollout.empty());
  EXPECT_EQ(w.over(deployed.rollout).state, RolloutState::done);
  EXPECT_EQ(w.site_of("shop.localhost"), deployed.id);
}

TEST(DeployProd, SaysWhyItWasNotPromoted) {
  ReleaseWorld w;
  DeployOptions options;
  options.promote_to = "production";
  AuditContext nobody = w.ann;
  nobody.role = "viewer";
  const Deployment deployed = w.deploy_as(nobody, {{"index.html", "one"}}, options);
  EXPECT_EQ(deployed.state, DeploymentState::ready);
  EXPECT_TRUE(deployed.rollout.empty());
  ASSERT_TRUE(deployed.not_promoted);
  EXPECT_EQ(deployed.not_promoted->code, Errc::denied_by_policy);
}

TEST(Keeping, AReleaseOutlivesItsPreview) {
  ReleaseWorld w;
  const Deployment preview = w.preview("one");
  w.live(preview);
  ASSERT_TRUE(w.service.expire(by_system("test"), preview, "its time passed"));
  w.clock.advance(w.settings.gc.keep_removed + 1h);
  ASSERT_TRUE(w.housekeeping.collect_garbage());
  EXPECT_EQ(w.site_of("shop.localhost"), preview.id);
  ASSERT_TRUE(w.blobs.read(*preview.artifact.site));
  w.restart();
  ASSERT_TRUE(w.restarted) << w.restarted.error().message;
  EXPECT_EQ(w.site_of("shop.localhost"), preview.id);
}

TEST(Keeping, LogsGoWithTheReleasesThatAreNotKept) {
  ReleaseWorld w;
  w.live(w.preview("one"));
  const auto logs = w.settings.data / "logs" / "releases" / "shop" / "production";
  for (const char* number : {"1", "7"}) ASSERT_TRUE(make_directories(logs / number / "run"));
  ASSERT_TRUE(w.housekeeping.collect_garbage());
  EXPECT_TRUE(std::filesystem::exists(logs / "1" / "run"));
  EXPECT_FALSE(std::filesystem::exists(logs / "7"));
}

TEST(Recovering, WhatWasRecordedServesAndWhatWasUnderWayGoesOn) {
  ReleaseWorld w;
  w.live(w.app_of("1"));
  const Deployment next = w.app_of("2");
  const Rollout begun = w.promote(next).value();
  w.at(begun.id, RolloutState::watching);
  w.restart();
  ASSERT_TRUE(w.restarted) << w.restarted.error().message;
  EXPECT_EQ(w.production().current, 2);
  EXPECT_EQ(w.shows("shop.localhost"), "app");
  EXPECT_EQ(w.baked(begun.id).state, RolloutState::done);
  EXPECT_TRUE(w.crews->instances({"shop", "production", 1}).empty());
}

TEST(DryRun, SaysWhatWouldChangeAndChangesNothing) {
  ReleaseWorld w;
  w.live(w.preview("one"));
  const Deployment next = w.preview("two", {{"about.html", "new"}});
  const Releases::Preview preview = w.releases->preview(w.ann, {.deployment = next.id}).value();
  EXPECT_EQ(preview.files.added, std::vector<std::string>{"about.html"});
  EXPECT_EQ(preview.files.modified, std::vector<std::string>{"index.html"});
  EXPECT_EQ(preview.decision.decision.verdict, Verdict::allow);
  EXPECT_EQ(w.production().current, 1);
  EXPECT_EQ(w.stores.releases->releases("shop", "production", 10)->size(), 1u);
}

}  // namespace
}  // namespace slipway
