#include "canary/e_process.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <random>

namespace slipway {
namespace {

using Counts = EProcess::Counts;

Counts draw(std::mt19937_64& random, int of, double share) {
  return {.hits = static_cast<double>(std::binomial_distribution<int>(of, share)(random)),
          .of = static_cast<double>(of)};
}

TEST(EProcess, BeginsAtOneAndLearnsNothingFromNothing) {
  EProcess test;
  EXPECT_EQ(test.value(), 1);
  test.compare({}, {}, 0);
  test.compare({}, {.hits = 3, .of = 100}, 0);
  test.compare({.hits = 3, .of = 3}, {}, 0);
  test.against({}, 0.1);
  test.rate(0, 0);
  EXPECT_DOUBLE_EQ(test.value(), 1);
}

// Ville's inequality, by simulation: asked after each of 900 looks, with a share of the traffic and
// a share of errors that change, the alarm is raised in at most a hundredth of the runs.
TEST(EProcess, RaisesFewFalseAlarmsHoweverOftenItIsAsked) {
  constexpr int runs = 1000, looks = 900;
  constexpr double alpha = 0.05;
  std::mt19937_64 random(7);
  int alarms = 0;
  for (int run = 0; run < runs; ++run) {
    EProcess test;
    for (int look = 0; look < looks; ++look) {
      const double errors = look % 200 < 20 ? 0.3 : 0.01;  // an outage that hits both, at times
      const int canary = look < 300 ? 4 : look < 600 ? 15 : 40;
      test.compare(draw(random, canary, errors), draw(random, 60 - canary, errors), 0);
    }
    if (test.highest() >= 1 / alpha) ++alarms;
  }
  // Five standard deviations of the number of alarms under alpha itself; it is far below.
  EXPECT_LE(alarms, runs * alpha + 5 * std::sqrt(runs * alpha));
}

TEST(EProcess, RaisesFewFalseAlarmsForWhatIsWithinTheTolerance) {
  constexpr int runs = 600, looks = 600;
  constexpr double alpha = 0.05;
  std::mt19937_64 random(8);
  int alarms = 0;
  for (int run = 0; run < runs; ++run) {
    EProcess test;
    for (int look = 0; look < looks; ++look)
      test.compare(draw(random, 10, 0.03), draw(random, 50, 0.01), 0.02);
    if (test.highest() >= 1 / alpha) ++alarms;
  }
  EXPECT_LE(alarms, runs * alpha + 5 * std::sqrt(runs * alpha));
}

TEST(EProcess, RaisesFewFalseAlarmsAgainstAnUpperBoundOfARememberedShare) {
  constexpr int runs = 600, looks = 400;
  constexpr double alpha = 0.05;
  std::mt19937_64 random(9);
  int alarms = 0;
  for (int run = 0; run < runs; ++run) {
    const Counts before = draw(random, 2000, 0.02);
    const double bound = upper_share(before.hits, before.of, alpha / 10);
    EProcess test;
    for (int look = 0; look < looks; ++look) test.against(draw(random, 60, 0.02), bound);
    if (test.highest() >= 1 / (0.9 * alpha)) ++alarms;
  }
  EXPECT_LE(alarms, runs * alpha + 5 * std::sqrt(runs * alpha));
}

TEST(EProcess, RaisesFewFalseAlarmsForRestarts) {
  constexpr int runs = 600, looks = 600;
  constexpr double alpha = 0.05;
  std::mt19937_64 random(10);
  std::poisson_distribution<int> restarts(0.02), twice(0.04);
  int alarms = 0;
  for (int run = 0; run < runs; ++run) {
    EProcess both, rate;
    for (int look = 0; look < looks; ++look) {
      both.compare({.hits = static_cast<double>(restarts(random)), .of = 1},
                   {.hits = static_cast<double>(twice(random)), .of = 2}, 0);
      rate.rate(restarts(random), 0.02);
    }
    if (both.highest() >= 1 / alpha || rate.highest() >= 1 / alpha) ++alarms;
  }
  EXPECT_LE(alarms, 2 * runs * alpha + 5 * std::sqrt(2 * runs * alpha));
}

TEST(EProcess, FindsAReleaseThatBecomesWorseLate) {
  std::mt19937_64 random(11);
  EProcess test;
  for (int look = 0; look < 600; ++look)
    test.compare(draw(random, 30, 0.005), draw(random, 30, 0.005), 0);
  EXPECT_LT(test.highest(), 100);
  int needed = 0;
  while (test.value() < 400 && needed < 1000) {
    test.compare(draw(random, 30, 0.1), draw(random, 30, 0.005), 0);
    ++needed;
  }
  EXPECT_LE(needed, 20);
}

// The value must never be something that a comparison gets wrong.
RC_GTEST_PROP(EProcess, IsAlwaysAFiniteNumber, ()) {
  EProcess test;
  const auto number = [] {
    return *rc::gen::element(0.0, 1.0, 7.0, 1e3, 1e9, 1e18, 1e300, -1.0, std::nan(""), HUGE_VAL);
  };
  const auto looks = *rc::gen::inRange(1, 60);
  for (int i = 0; i < looks; ++i) {
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        test.compare({number(), number()}, {number(), number()},
                     *rc::gen::element(0.0, 1e-3, 0.5, 1.0, 2.0, -1.0));
        break;
      case 1:
        test.against({number(), number()}, *rc::gen::element(0.0, 1e-9, 0.5, 1.0, 3.0));
        break;
      default:
        test.rate(number(), number());
    }
    RC_ASSERT(std::isfinite(test.value()));
    RC_ASSERT(test.value() >= 0);
    RC_ASSERT(test.highest() >= test.value());
  }
}

// One more error of the new release, or one less of the old one, never lowers the value.
RC_GTEST_PROP(EProcess, GrowsWithTheEvidence, ()) {
  EProcess less, more;
  const auto looks = *rc::gen::inRange(1, 40);
  const double tolerance = *rc::gen::element(0.0, 0.001, 0.05);
  for (int i = 0; i < looks; ++i) {
    const int n1 = *rc::gen::inRange(1, 50), n0 = *rc::gen::inRange(1, 500);
    const int x1 = *rc::gen::inRange(0, n1), x0 = *rc::gen::inRange(1, n0 + 1);
    const int worse = *rc::gen::inRange(0, 2), better = *rc::gen::inRange(0, 2);
    less.compare({.hits = static_cast<double>(x1), .of = static_cast<double>(n1)},
                 {.hits = static_cast<double>(x0), .of = static_cast<double>(n0)}, tolerance);
    more.compare({.hits = static_cast<double>(x1 + worse), .of = static_cast<double>(n1)},
                 {.hits = static_cast<double>(x0 - better), .of = static_cast<double>(n0)},
                 tolerance);
    RC_ASSERT(more.value() >= less.value() * (1 - 1e-9));
  }
}

// The mean of a look's factor under "no worse" is 1: summed over all outcomes, not simulated.
RC_GTEST_PROP(EProcess, HasMeanOneUnderNoWorse, ()) {
  const int m = *rc::gen::inRange(1, 25);
  const double w = *rc::gen::inRange(1, 100) / 100.0;
  double mean = 0;
  for (int x = 0; x <= m; ++x) {
    EProcess test;
    test.against({.hits = static_cast<double>(x), .of = static_cast<double>(m)}, w);
    const double log_probability = std::lgamma(m + 1) - std::lgamma(x + 1) -
                                   std::lgamma(m - x + 1) + x * std::log(w) +
                                   (m - x) * std::log1p(-w);
    mean += std::exp(log_probability) * test.value();
  }
  RC_ASSERT(std::abs(mean - 1) < 1e-6);
}

TEST(Bounds, AreAboveWhatWasSeenAndComeNearerWithMore) {
  EXPECT_EQ(upper_share(0, 0, 0.01), 1);
  EXPECT_EQ(upper_share(5, 5, 0.01), 1);
  EXPECT_NEAR(upper_share(0, 100, 0.01), 1 - std::pow(0.01, 0.01), 1e-6);
  EXPECT_GT(upper_share(50, 10'000, 0.01), 0.005);
  EXPECT_LT(upper_share(50, 10'000, 0.01), 0.008);
  EXPECT_LT(upper_share(5000, 1'000'000, 0.01), 0.0053);
  EXPECT_TRUE(std::isinf(upper_rate(0, 0, 0.01)));
  EXPECT_NEAR(upper_rate(0, 100, 0.01), -std::log(0.01) / 100, 1e-6);
  EXPECT_GT(upper_rate(10, 100, 0.01), 0.1);
  EXPECT_LT(upper_rate(10, 100, 0.01), 0.25);
  EXPECT_EQ(upper_tail(0, 0, 0.01), 1);
  EXPECT_NEAR(upper_tail(50, 1000, 0.01), 0.05 + std::sqrt(-std::log(0.01) / 2000), 1e-12);
}

TEST(Bounds, AreSeldomBelowTheTruth) {
  std::mt19937_64 random(12);
  int shares = 0, rates = 0;
  std::poisson_distribution<int> events(5);
  for (int run = 0; run < 4000; ++run) {
    const Counts seen = draw(random, 400, 0.02);
    if (upper_share(seen.hits, seen.of, 0.05) < 0.02) ++shares;
    if (upper_rate(events(random), 100, 0.05) < 0.05) ++rates;
  }
  EXPECT_LE(shares, 4000 * 0.05);
  EXPECT_LE(rates, 4000 * 0.05);
}

}  // namespace
}  // namespace slipway
