#include "canary/judge.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "canary/testing/traffic.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::Behaviour;
using testing::SimulatedRelease;
using Says = ReleaseJudge::Look::Says;

const MetricEvidence& metric(const ReleaseJudge::Look& look, std::string_view name) {
  const auto found = std::ranges::find(look.evidence, name, &MetricEvidence::metric);
  EXPECT_NE(found, look.evidence.end()) << name;
  return *found;
}

// A canary of one release beside another, a look a second.
struct World {
  std::mt19937_64 random{42};
  JudgeSettings settings;
  SimulatedRelease candidate{Behaviour{}}, baseline{Behaviour{}};
  double share = 0.1, requests_per_second = 60;
  Duration now{};
  std::optional<ReleaseJudge> judge;
  enum class Old { beside, gone } old = Old::beside;

  ReleaseJudge::Look look() {
    if (!judge) judge.emplace(settings);
    std::optional<ReleaseSample> before;
    if (old == Old::beside) before = baseline.sample();
    return judge->look(now, candidate.sample(), before);
  }
  void second() {
    now += 1s;
    candidate.serve(random, requests_per_second * share, 1);
    if (old == Old::beside) baseline.serve(random, requests_per_second * (1 - share), 1);
  }
  // Looks each second until it says worse; nothing when it does not in time.
  std::optional<int> seconds_until_worse(int most) {
    look();
    for (int i = 1; i <= most; ++i) {
      second();
      if (look().says == Says::worse) return i;
    }
    return std::nullopt;
  }
};

TEST(ReleaseJudge, HasNoDataWithoutRequestsHoweverLongItLooks) {
  World w;
  w.requests_per_second = 0;
  EXPECT_EQ(w.seconds_until_worse(600), std::nullopt);
  EXPECT_EQ(w.look().says, Says::no_data);
  EXPECT_EQ(metric(w.look(), "errors").says, "no_data");
  EXPECT_EQ(metric(w.look(), "latency").says, "no_data");
}

TEST(ReleaseJudge, HasNoDataWithFewerRequestsThanItWants) {
  World w;
  w.settings.least_requests = 1000;
  w.share = 1.0 / 60;
  w.candidate.behaviour().errors = 1;
  EXPECT_EQ(w.seconds_until_worse(60), std::nullopt);
  EXPECT_EQ(w.look().says, Says::no_data);
}

TEST(ReleaseJudge, HasNoDataForErrorsWithoutAnythingToCompareWith) {
  World w;
  w.old = World::Old::gone;
  w.candidate.behaviour().errors = 1;
  EXPECT_EQ(w.seconds_until_worse(60), std::nullopt);
  EXPECT_EQ(w.look().says, Says::no_data);
}

TEST(ReleaseJudge, SaysOkOfAReleaseLikeTheOneBefore) {
  World w;
  EXPECT_EQ(w.seconds_until_worse(120), std::nullopt);
  const auto look = w.look();
  EXPECT_EQ(look.says, Says::ok);
  for (const char* name : {"errors", "latency", "restarts", "memory", "readiness"})
    EXPECT_EQ(metric(look, name).says, "ok") << name;
}

TEST(ReleaseJudge, FindsErrors) {
  World w;
  w.candidate.behaviour().errors = 0.2;
  const auto found = w.seconds_until_worse(60);
  ASSERT_TRUE(found);
  const auto look = w.look();
  const MetricEvidence& errors = metric(look, "errors");
  EXPECT_EQ(errors.says, "worse");
  EXPECT_GE(errors.e_value, errors.threshold);
  EXPECT_GT(errors.count, 0U);
  EXPECT_GT(errors.baseline_of, errors.of);
  EXPECT_NE(metric(look, "latency").says, "worse");
}

TEST(ReleaseJudge, ForgivesErrorsWithinTheTolerance) {
  World w;
  w.settings.tolerance = 0.05;
  w.candidate.behaviour().errors = 0.04;
  EXPECT_EQ(w.seconds_until_worse(600), std::nullopt);
}

TEST(ReleaseJudge, BlamesNobodyForAnOutageThatHitsBoth) {
  World w;
  w.look();
  for (int i = 0; i < 300; ++i) {
    const double errors = i > 100 && i < 160 ? 0.8 : 0.005;
    w.candidate.behaviour().errors = w.baseline.behaviour().errors = errors;
    w.second();
    ASSERT_NE(w.look().says, Says::worse) << i;
  }
}

TEST(ReleaseJudge, FindsSlowAnswersAgainstTheOldReleasesP95) {
  World w;
  w.candidate.behaviour().median_ms = 80;
  const auto found = w.seconds_until_worse(300);
  ASSERT_TRUE(found);
  const auto look = w.look();
  EXPECT_EQ(metric(look, "latency").says, "worse");
  EXPECT_EQ(metric(look, "errors").says, "ok");
}

TEST(ReleaseJudge, TakesNoAnswerOfAFewMillisecondsForASlowOne) {
  World w;
  w.baseline.behaviour().median_ms = 0.5;
  w.candidate.behaviour().median_ms = 2;
  EXPECT_EQ(w.seconds_until_worse(300), std::nullopt);
  EXPECT_EQ(metric(w.look(), "latency").says, "ok");
}

TEST(ReleaseJudge, DoesNotCountTheFirstRequestsOfANewReleaseAsSlow) {
  World w;
  w.look();
  w.candidate.behaviour().median_ms = 4000;
  for (int i = 0; i < 8; ++i) w.second(), w.look();
  w.candidate.behaviour().median_ms = 40;
  EXPECT_EQ(w.seconds_until_worse(200), std::nullopt);
}

TEST(ReleaseJudge, FindsAReleaseThatRestartsAgainAndAgain) {
  World w;
  w.candidate.behaviour().restarts = 1.0 / 20;
  const auto found = w.seconds_until_worse(1200);
  ASSERT_TRUE(found);
  EXPECT_EQ(metric(w.look(), "restarts").says, "worse");
}

TEST(ReleaseJudge, FindsALeakAndNotAWarmUpNorACollectorsSawtooth) {
  World leak;
  leak.candidate.behaviour().leak = 0.5e6;
  const auto found = leak.seconds_until_worse(600);
  ASSERT_TRUE(found);
  EXPECT_EQ(metric(leak.look(), "memory").says, "worse");

  World warm;  // grows for two minutes to where the old one is
  warm.candidate = SimulatedRelease(Behaviour{.leak = 0.5e6, .memory = 60e6});
  EXPECT_EQ(warm.seconds_until_worse(120), std::nullopt);
  warm.candidate.behaviour().leak = 0;
  EXPECT_EQ(warm.seconds_until_worse(480), std::nullopt);
}

TEST(ReleaseJudge, TripsAtOnceForACrashLoopAndForMemory) {
  World w;
  w.look();
  w.candidate.sample().crash_loop = true;
  EXPECT_EQ(w.look().says, Says::worse);
  w.candidate.sample().crash_loop = false;
  EXPECT_EQ(w.look().says, Says::worse) << "what was worse once stays so";
  World oom;
  oom.look();
  oom.candidate.sample().out_of_memory = 1;
  const auto look = oom.look();
  EXPECT_EQ(look.says, Says::worse);
  EXPECT_EQ(metric(look, "out_of_memory").says, "worse");
  EXPECT_EQ(metric(look, "errors").says, "no_data");
}

TEST(ReleaseJudge, TripsWhenMostInstancesDoNotAnswerForSomeSeconds) {
  World w;
  w.candidate = SimulatedRelease(Behaviour{.instances = 3});
  w.look();
  w.candidate.sample().ready = 2;
  EXPECT_EQ(w.seconds_until_worse(20), std::nullopt);
  w.candidate.sample().ready = 1;
  w.look();
  EXPECT_EQ(w.seconds_until_worse(20), 3);
}

TEST(ReleaseJudge, DoesNotGoBackToAReleaseThatDoesNotAnswerEither) {
  World w;
  w.look();
  w.candidate.sample().ready = w.baseline.sample().ready = 0;
  EXPECT_EQ(w.seconds_until_worse(30), std::nullopt);
}

// After the switch: no release beside it.
struct Switched : World {
  Switched() {
    for (int i = 0; i < 600; ++i) baseline.serve(random, requests_per_second, 1);
    look();
    judge->remember(baseline.sample());
    share = 1;
    old = Old::gone;
  }
};

TEST(ReleaseJudge, ComparesWithWhatItRemembersAfterTheSwitch) {
  Switched same;
  EXPECT_EQ(same.seconds_until_worse(600), std::nullopt);
  EXPECT_EQ(same.look().says, Says::ok);
  Switched failing;
  failing.candidate.behaviour().errors = 0.05;
  EXPECT_TRUE(failing.seconds_until_worse(60));
  Switched slow;
  slow.candidate.behaviour().median_ms = 80;
  EXPECT_TRUE(slow.seconds_until_worse(60));
  Switched leak;
  leak.candidate.behaviour().leak = 0.5e6;
  EXPECT_TRUE(leak.seconds_until_worse(300));
  Switched restarting;
  restarting.candidate.behaviour().restarts = 1.0 / 20;
  EXPECT_TRUE(restarting.seconds_until_worse(300));
}

TEST(ReleaseJudge, FindsAReleaseThatAlwaysFailsThoughNothingIsKnownOfBefore) {
  World w;
  w.look();
  w.judge->remember(ReleaseSample{});
  w.old = World::Old::gone;
  w.share = 1;
  w.candidate.behaviour().errors = 1;
  EXPECT_TRUE(w.seconds_until_worse(5));
  World some;
  some.look();
  some.judge->remember(ReleaseSample{});
  some.old = World::Old::gone;
  some.share = 1;
  some.candidate.behaviour().errors = 0.05;
  EXPECT_EQ(some.seconds_until_worse(300), std::nullopt);
}

// All measures together, asked each second for ten minutes, before and after a switch.
TEST(ReleaseJudge, RollsBackAReleaseThatIsNoWorseSeldomerThanAlpha) {
  constexpr int runs = 60;
  int false_alarms = 0;
  for (int run = 0; run < runs; ++run) {
    World w;
    w.random.seed(static_cast<unsigned>(1000 + run));
    w.settings.alpha = 0.05;
    w.candidate.behaviour().restarts = w.baseline.behaviour().restarts = 1.0 / 200;
    bool alarm = w.seconds_until_worse(200).has_value();
    w.judge->remember(w.baseline.sample());
    w.old = World::Old::gone;
    w.share = 1;
    alarm = alarm || w.seconds_until_worse(100).has_value();
    if (alarm) ++false_alarms;
  }
  EXPECT_LE(false_alarms, 60 * 0.05 + 5 * std::sqrt(60 * 0.05));
}

// Whatever is seen, an answer has sane numbers, and what was worse stays worse.
RC_GTEST_PROP(ReleaseJudge, SurvivesAnySample, ()) {
  ReleaseJudge judge{JudgeSettings{}};
  const auto number = [] {
    return *rc::gen::element<std::uint64_t>(0, 1, 5, 100, 100'000, 1ULL << 40,
                                            ~std::uint64_t{0} / 256);
  };
  const auto sample = [&] {
    ReleaseSample made;
    made.traffic.requests = number();
    made.traffic.errors = number();
    for (int i = 0; i < 3; ++i)
      made.traffic.latency.counts[*rc::gen::inRange<std::size_t>(0, 128)] = number();
    made.restarts = number();
    made.out_of_memory = *rc::gen::element<std::uint64_t>(0, 0, 0, 1);
    made.memory_bytes = number();
    made.instances = *rc::gen::inRange(0U, 4U);
    made.ready = *rc::gen::inRange(0U, 4U);
    return made;
  };
  bool was_worse = false;
  Duration now{};
  const int looks = *rc::gen::inRange(1, 20);
  for (int i = 0; i < looks; ++i) {
    now += std::chrono::seconds{*rc::gen::inRange(0, 20)};
    std::optional<ReleaseSample> baseline;
    if (*rc::gen::arbitrary<bool>()) baseline = sample();
    if (*rc::gen::inRange(0, 10) == 0) judge.remember(sample());
    const auto look = judge.look(now, sample(), baseline);
    RC_ASSERT(look.evidence.size() == 7U);
    for (const MetricEvidence& evidence : look.evidence) {
      RC_ASSERT(std::isfinite(evidence.e_value) && evidence.e_value >= 0);
      RC_ASSERT(evidence.says == "ok" || evidence.says == "worse" || evidence.says == "no_data");
    }
    RC_ASSERT(!was_worse || look.says == Says::worse);
    was_worse = look.says == Says::worse;
  }
}

}  // namespace
}  // namespace slipway
