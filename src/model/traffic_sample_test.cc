#include "model/traffic_sample.h"

#include <gtest/gtest.h>

#include <limits>

namespace slipway {
namespace {

TEST(LatencyHistogram, ATimeIsInTheFirstBucketWhoseUpperEdgeItDoesNotExceed) {
  for (std::size_t i = 0; i + 1 < LatencyHistogram::size; ++i) {
    const std::uint64_t edge = LatencyHistogram::upper_edge(i);
    EXPECT_EQ(LatencyHistogram::bucket(edge), i) << edge;
    EXPECT_EQ(LatencyHistogram::bucket(edge + 1), i + 1) << edge;
  }
}

TEST(LatencyHistogram, BucketsGrowByAQuarterAtMostAndFourDouble) {
  for (std::size_t i = 0; i + 4 < LatencyHistogram::size; ++i) {
    const auto edge = static_cast<double>(LatencyHistogram::upper_edge(i));
    EXPECT_LE(static_cast<double>(LatencyHistogram::upper_edge(i + 1)), edge * 1.25);
    EXPECT_EQ(LatencyHistogram::upper_edge(i + 4), 2 * LatencyHistogram::upper_edge(i));
  }
}

TEST(LatencyHistogram, EndsAboveAnHourAndTakesEveryTime) {
  constexpr std::size_t last = LatencyHistogram::size - 1;
  EXPECT_EQ(LatencyHistogram::bucket(0), 0U);
  EXPECT_EQ(LatencyHistogram::bucket(std::numeric_limits<std::uint64_t>::max()), last);
  EXPECT_GT(LatencyHistogram::upper_edge(last - 1), 3'600'000'000ULL);
}

TEST(LatencyHistogram, AQuantileIsTheUpperEdgeOfItsBucket) {
  LatencyHistogram h;
  EXPECT_EQ(h.quantile(0.95), 0U);
  for (std::uint64_t i = 0; i < 95; ++i) ++h.counts[LatencyHistogram::bucket(1000)];
  for (std::uint64_t i = 0; i < 5; ++i) ++h.counts[LatencyHistogram::bucket(90'000)];
  EXPECT_EQ(h.total(), 100U);
  EXPECT_EQ(h.quantile(0.95), 1024U);
  EXPECT_EQ(h.quantile(0.951), 98'304U);
  EXPECT_EQ(h.quantile(0), 1024U);
  EXPECT_EQ(h.quantile(1), 98'304U);
}

TEST(LatencyHistogram, CountsWhatTookLongerThanAQuantilesBucket) {
  LatencyHistogram h;
  for (std::uint64_t i = 0; i < 95; ++i) ++h.counts[LatencyHistogram::bucket(1000)];
  for (std::uint64_t i = 0; i < 5; ++i) ++h.counts[LatencyHistogram::bucket(90'000)];
  EXPECT_EQ(h.slower_than(h.quantile(0.95)), 5U);
  EXPECT_EQ(h.slower_than(h.quantile(1)), 0U);
  EXPECT_EQ(h.slower_than(0), 100U);
}

TEST(TrafficSample, DifferencesAndSumsUndoEachOther) {
  TrafficSample a, b;
  a.requests = 10, a.errors = 2, a.latency.counts[3] = 10;
  b.requests = 25, b.errors = 2, b.latency.counts[3] = 20, b.latency.counts[90] = 5;
  EXPECT_EQ(a + (b - a), b);
}

TEST(TrafficSample, CountsThatBeganAgainGiveNothingRatherThanAWrappedNumber) {
  TrafficSample before, after;
  before.requests = 100, before.errors = 5, before.latency.counts[1] = 100;
  after.requests = 3, after.latency.counts[2] = 3;
  const TrafficSample difference = after - before;
  EXPECT_EQ(difference.requests, 0U);
  EXPECT_EQ(difference.errors, 0U);
  EXPECT_EQ(difference.latency.counts[1], 0U);
}

}  // namespace
}  // namespace slipway
