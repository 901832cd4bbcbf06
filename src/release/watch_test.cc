#include "release/watch.h"

#include <gtest/gtest.h>

#include "canary/testing/traffic.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::Behaviour;
using testing::SimulatedRelease;
using Does = ReleaseWatch::Does;

struct World {
  std::mt19937_64 random{5};
  SimulatedRelease candidate{Behaviour{}}, baseline{Behaviour{}};
  double requests_per_second = 60;
  Duration now = 1000s;
  Timestamp wall{std::chrono::seconds{1'800'000'000}};
  ReleaseWatch::Settings settings{.percents = {10, 50}, .step = 30s, .bake = 60s};
  ReleaseWatch watch = make();

  ReleaseWatch make() {
    return {settings,
            {.candidate = [this] { return candidate.sample(); },
             .baseline = [this] { return std::optional(baseline.sample()); }}};
  }
  void second(double percent) {
    now += 1s;
    wall += 1s;
    candidate.serve(random, requests_per_second * percent / 100, 1);
    baseline.serve(random, requests_per_second * (100 - percent) / 100, 1);
  }
  // Serves and looks until it says something else than hold.
  ReleaseWatch::Outcome run(int most) {
    for (int i = 0; i < most; ++i) {
      second(watch.percent());
      const auto outcome = watch.look(now, wall);
      if (outcome.does != Does::hold) return outcome;
    }
    return watch.look(now, wall);
  }
};

TEST(ReleaseWatch, GoesFromStepToStepAndIsDoneWhenTheBakeWindowIsOver) {
  World w;
  w.watch.begin(Rollout{}, w.now);
  EXPECT_EQ(w.watch.percent(), 10);
  const Duration began = w.now;
  const auto first = w.run(100);
  EXPECT_EQ(first.does, Does::advance);
  EXPECT_EQ(w.now - began, 30s);
  EXPECT_EQ(first.verdict.percent, 10);
  EXPECT_EQ(first.verdict.says, "advance");
  EXPECT_EQ(first.verdict.at, w.wall);
  EXPECT_EQ(first.verdict.evidence.size(), 7U);
  EXPECT_EQ(w.watch.percent(), 50);
  const auto second = w.run(100);
  EXPECT_EQ(second.does, Does::advance);
  EXPECT_EQ(second.verdict.percent, 50);
  EXPECT_EQ(w.watch.percent(), 100);
  EXPECT_EQ(w.watch.look(w.now, w.wall).does, Does::hold) << "until somebody switches";
  w.watch.switched(w.now);
  const Duration switched = w.now;
  const auto done = w.run(100);
  EXPECT_EQ(done.does, Does::done);
  EXPECT_EQ(w.now - switched, 60s);
  EXPECT_EQ(done.verdict.percent, 100);
  EXPECT_EQ(w.watch.look(w.now, w.wall).does, Does::done);
}

TEST(ReleaseWatch, HoldsWithoutRequestsAndSaysSo) {
  World w;
  w.requests_per_second = 0;
  w.watch.begin(Rollout{}, w.now);
  const auto outcome = w.run(3600);
  EXPECT_EQ(outcome.does, Does::hold);
  EXPECT_EQ(outcome.verdict.says, "hold");
  EXPECT_EQ(outcome.reason, "canary at 10 %: no requests yet, held");
  EXPECT_EQ(w.watch.percent(), 10);
  w.requests_per_second = 60;
  EXPECT_EQ(w.run(60).does, Does::advance);
}

TEST(ReleaseWatch, HoldsAStepWithTooFewRequestsOfItsOwn) {
  World w;
  w.watch.begin(Rollout{}, w.now);
  EXPECT_EQ(w.run(60).does, Does::advance);
  w.requests_per_second = 0.1;
  const auto outcome = w.run(60);
  EXPECT_EQ(outcome.does, Does::hold);
  EXPECT_NE(outcome.reason.find("too few requests"), std::string::npos) << outcome.reason;
}

TEST(ReleaseWatch, GoesOnJudgingWhileAPolicyHoldsAStepAndBeginsItsTimeAfterwards) {
  World w;
  w.watch.begin(Rollout{}, w.now);
  EXPECT_EQ(w.run(60).does, Does::advance);
  for (int i = 0; i < 100; ++i) {
    w.second(10);
    ASSERT_EQ(w.watch.look_held(w.now, w.wall).does, Does::hold);
  }
  EXPECT_EQ(w.watch.percent(), 50);
  const Duration began = w.now;
  EXPECT_EQ(w.run(100).does, Does::advance);
  EXPECT_EQ(w.now - began, 30s);
  World failing;
  failing.watch.begin(Rollout{}, failing.now);
  EXPECT_EQ(failing.run(60).does, Does::advance);
  failing.candidate.sample().crash_loop = true;
  EXPECT_EQ(failing.watch.look_held(failing.now, failing.wall).does, Does::roll_back);
}

TEST(ReleaseWatch, RollsBackAFailingCanaryWithItsNumbers) {
  World w;
  w.candidate.behaviour().errors = 0.3;
  w.watch.begin(Rollout{}, w.now);
  const auto outcome = w.run(60);
  EXPECT_EQ(outcome.does, Does::roll_back);
  EXPECT_EQ(outcome.verdict.says, "roll_back");
  EXPECT_TRUE(outcome.reason.starts_with("canary at 10 %: errors: ")) << outcome.reason;
  EXPECT_EQ(outcome.verdict.evidence.front().says, "worse");
  EXPECT_EQ(w.watch.look(w.now, w.wall).does, Does::roll_back);
}

TEST(ReleaseWatch, RollsBackAfterTheSwitchWithoutACanary) {
  World w;
  w.settings.percents.clear();
  w.watch = w.make();
  for (int i = 0; i < 100; ++i) w.second(0);
  w.watch.begin(Rollout{}, w.now);
  EXPECT_EQ(w.watch.percent(), 100);
  w.watch.switched(w.now);
  w.candidate.behaviour().errors = 0.2;
  const auto outcome = w.run(60);
  EXPECT_EQ(outcome.does, Does::roll_back);
  EXPECT_TRUE(outcome.reason.starts_with("watching: errors: ")) << outcome.reason;
}

TEST(ReleaseWatch, RollsBackACrashLoopAtOnceInTheWatch) {
  World w;
  w.settings.percents.clear();
  w.watch = w.make();
  w.watch.begin(Rollout{}, w.now);
  w.watch.switched(w.now);
  w.candidate.sample().crash_loop = true;
  const auto outcome = w.watch.look(w.now, w.wall);
  EXPECT_EQ(outcome.does, Does::roll_back);
  EXPECT_NE(outcome.reason.find("crash_loop"), std::string::npos);
}

TEST(ReleaseWatch, TakesTheStepOfTheRecordAgainAfterARestart) {
  World w;
  Rollout record;
  record.verdicts.push_back({.percent = 10, .says = "advance"});
  w.watch.begin(record, w.now);
  EXPECT_EQ(w.watch.percent(), 50);
  const Duration began = w.now;
  EXPECT_EQ(w.run(100).does, Does::advance);
  EXPECT_EQ(w.now - began, 30s) << "with its whole time";
  World switched;
  record.switched_at = switched.wall;
  switched.watch.begin(record, switched.now);
  EXPECT_EQ(switched.watch.percent(), 100);
  const Duration watched = switched.now;
  EXPECT_EQ(switched.run(100).does, Does::done);
  EXPECT_EQ(switched.now - watched, 60s);
}

TEST(ReleaseWatch, WatchesAFirstReleaseThatHasNoneBeforeIt) {
  World w;
  w.watch = ReleaseWatch({.percents = {}, .bake = 60s},
                         {.candidate = [&w] { return w.candidate.sample(); }, .baseline = {}});
  w.watch.begin(Rollout{}, w.now);
  w.watch.switched(w.now);
  EXPECT_EQ(w.run(100).does, Does::done);
}

}  // namespace
}  // namespace slipway
