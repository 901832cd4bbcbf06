// What traffic splits are made of: pools, statistics, shares, places.

#include "router/traffic.h"

#include <gtest/gtest.h>

#include <thread>

#include "router/keyed_hash.h"
#include "router/placement.h"

namespace slipway {
namespace {

std::shared_ptr<Backend> ready() {
  auto backend = std::make_shared<Backend>(DeploymentId::random());
  backend->set_ready({});
  return backend;
}
constexpr Duration now{1};

class Pool : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& backend : backends_) pool_.add(backend);
  }
  // How often each of the three was chosen.
  std::array<int, 3> choices(int times) {
    std::array<int, 3> counts{};
    for (int i = 0; i < times; ++i) {
      const auto chosen = pool_.choose();
      for (std::size_t k = 0; k < backends_.size(); ++k) counts[k] += chosen == backends_[k];
    }
    return counts;
  }
  std::array<std::shared_ptr<Backend>, 3> backends_{ready(), ready(), ready()};
  BackendPool pool_;
};

TEST_F(Pool, ChoosesEqualsInTurn) { EXPECT_EQ(choices(9), (std::array{3, 3, 3})); }

TEST_F(Pool, ChoosesTheLeastLoaded) {
  backends_[0]->request_started(now);
  backends_[2]->request_started(now);
  EXPECT_EQ(choices(5), (std::array{0, 5, 0}));
}

TEST_F(Pool, SpreadsWhatIsEntered) {
  for (int i = 0; i < 6; ++i) EXPECT_NE(pool_.enter(now), nullptr);
  for (const auto& backend : backends_) EXPECT_EQ(backend->open_requests(), 2);
  EXPECT_EQ(pool_.open_requests(), 6);
}

TEST_F(Pool, LeavesOutWhatIsOutOfServiceUntilItIsBack) {
  pool_.set_in_service(backends_[1].get(), false);
  EXPECT_EQ(choices(4), (std::array{2, 0, 2}));
  pool_.set_in_service(backends_[1].get(), true);
  EXPECT_EQ(choices(6), (std::array{2, 2, 2}));
}

TEST_F(Pool, AWrongHealthCheckTakesNoAppDown) {
  for (const auto& backend : backends_) pool_.set_in_service(backend.get(), false);
  EXPECT_EQ(choices(3), (std::array{1, 1, 1}));
}

TEST_F(Pool, PrefersAReadyOneToOneThatRestarts) {
  backends_[0]->set_waking();
  backends_[1]->set_crashed({});
  for (int i = 0; i < 10; ++i) backends_[2]->request_started(now);
  EXPECT_EQ(choices(4), (std::array{0, 0, 4}));
  backends_[2]->set_waking();
  pool_.remove(backends_[0].get());
  EXPECT_EQ(choices(4), (std::array{0, 0, 4})) << "one that restarts rather than one that will not";
}

TEST_F(Pool, OffersAnotherOnlyWhenThatOneIsReady) {
  const Backend* tried[] = {backends_[0].get()};
  backends_[1]->set_waking();
  EXPECT_EQ(pool_.enter_another(now, tried), backends_[2]);
  backends_[2]->set_waking();
  EXPECT_EQ(pool_.enter_another(now, tried), nullptr);
}

TEST_F(Pool, IsNullOnlyWhenEmpty) {
  for (const auto& backend : backends_) pool_.remove(backend.get());
  EXPECT_EQ(pool_.choose(), nullptr);
  EXPECT_EQ(pool_.enter(now), nullptr);
  EXPECT_TRUE(pool_.backends().empty());
}

TEST_F(Pool, ARemovedOneWithoutRequestsGetsNoneAnyMore) {
  std::atomic<bool> stop = false;
  std::vector<std::jthread> callers;
  for (int i = 0; i < 3; ++i)
    callers.emplace_back([&] {
      while (!stop) pool_.enter(now)->request_ended(now);
    });
  for (int round = 0; round < 200; ++round) {
    const auto leaving = backends_[static_cast<std::size_t>(round) % 2];
    pool_.remove(leaving.get());
    while (leaving->open_requests() != 0) std::this_thread::yield();
    std::this_thread::yield();
    EXPECT_EQ(leaving->open_requests(), 0);
    pool_.add(leaving);
  }
  stop = true;
}

TEST(TrafficStats, CountsEachAnswerOnceAndErrorsAmongThem) {
  TrafficStats stats;
  stats.count(false, 100);
  stats.count(true, 100);
  stats.count(false, 5'000'000);
  const TrafficSample sample = stats.sample();
  EXPECT_EQ(sample.requests, 3u);
  EXPECT_EQ(sample.errors, 1u);
  EXPECT_EQ(sample.latency.counts[LatencyHistogram::bucket(100)], 2u);
  EXPECT_EQ(sample.latency.counts[LatencyHistogram::bucket(5'000'000)], 1u);
}

TEST(TrafficStats, NeverShowMoreErrorsThanRequests) {
  TrafficStats stats;
  std::atomic<bool> stop = false;
  std::jthread counter([&] {
    while (!stop) stats.count(true, 1);
  });
  for (int i = 0; i < 2'000; ++i) {
    const TrafficSample sample = stats.sample();
    EXPECT_LE(sample.errors, sample.requests);
  }
  stop = true;
}

TrafficSplit canary_of(std::uint32_t share) {
  TrafficSplit split;
  split.arms.push_back({.share = TrafficSplit::places - share});
  split.arms.push_back({.share = share});
  return split;
}
bool has_canary(const TrafficSplit& split, std::uint32_t place) {
  return &split.arm_of(place) == &split.arms[1];
}

TEST(TrafficSplit, GivesEachArmItsShareOfThePlaces) {
  for (const std::uint32_t share : {0u, 1u, 500u, 5'000u, 9'999u, 10'000u}) {
    const TrafficSplit split = canary_of(share);
    std::uint32_t placed = 0;
    for (std::uint32_t place = 0; place < TrafficSplit::places; ++place)
      placed += has_canary(split, place);
    EXPECT_EQ(placed, share);
  }
}

TEST(TrafficSplit, ClientsThatHadACanaryKeepItAsItGrows) {
  const TrafficSplit before = canary_of(500), after = canary_of(2'500);
  for (std::uint32_t place = 0; place < TrafficSplit::places; ++place)
    EXPECT_TRUE(!has_canary(before, place) || has_canary(after, place)) << place;
}

TEST(KeyedHash, IsSipHash24) {
  // The reference's test vectors.
  const HashKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string bytes;
  for (char i = 0; i < 15; ++i) bytes += i;
  EXPECT_EQ(keyed_hash(key, ""), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(keyed_hash(key, bytes.substr(0, 8)), 0x93f5f5799a932462u);
  EXPECT_EQ(keyed_hash(key, bytes), 0xa129ca6149be45e5u);
}

TEST(Placement, IsTheSameForTheSameClientInOneRollout) {
  EXPECT_EQ(place_of("rol_a", "10.0.0.1", "curl"), place_of("rol_a", "10.0.0.1", "curl"));
  int moved = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string agent = "agent " + std::to_string(i);
    moved += place_of("rol_a", "10.0.0.1", agent) != place_of("rol_b", "10.0.0.1", agent);
  }
  EXPECT_GT(moved, 90) << "another rollout tries itself on others";
}

TEST(Placement, SpreadsClientsEvenly) {
  const TrafficSplit split = canary_of(500);
  int placed = 0;
  for (int i = 0; i < 20'000; ++i)
    placed += has_canary(split, place_of("rol_a", "10.0.0." + std::to_string(i % 256),
                                         "agent " + std::to_string(i / 256)));
  EXPECT_NEAR(placed, 1'000, 150);  // five standard deviations
}

TEST(Placement, ACookieTellsThePlaceItWasMadeFor) {
  for (const std::uint32_t place : {0u, 7u, 9'999u}) {
    const std::string cookie = "slipway_canary=" + placement_cookie("rol_a", place);
    EXPECT_EQ(placed_by_cookie("a=b; " + cookie + "; c=d", "rol_a"), place);
    EXPECT_EQ(placed_by_cookie(cookie, "rol_b"), std::nullopt) << "of another rollout";
  }
}

TEST(Placement, ABrokenCookieDoesNotCount) {
  const std::string good = placement_cookie("s", 12);
  for (const std::string& value :
       {std::string(), std::string("12"), "0" + good, good + "0", good.substr(0, good.size() - 1),
        "13" + good.substr(2), std::string("10000.0"), std::string("-1.0"), "\"" + good + "\""})
    EXPECT_EQ(placed_by_cookie("slipway_canary=" + value, "s"), std::nullopt) << value;
  EXPECT_EQ(placed_by_cookie("my_slipway_canary=" + good, "s"), std::nullopt);
  EXPECT_EQ(placed_by_cookie("slipway_canary", "s"), std::nullopt);
  EXPECT_EQ(placed_by_cookie("slipway_canary=x; slipway_canary=" + good, "s"), 12u);
}

TEST(Placement, OnlyOurCookieIsTakenAway) {
  EXPECT_EQ(without_placement_cookie("a=b; slipway_canary=1.2; c=d"), "a=b; c=d");
  EXPECT_EQ(without_placement_cookie("slipway_canary=1.2"), "");
  EXPECT_EQ(without_placement_cookie(" slipway_canary = 1 ;slipway_canary;a=slipway_canary"),
            "a=slipway_canary");
  EXPECT_EQ(without_placement_cookie("slipway_canary2=x"), "slipway_canary2=x");
}

}  // namespace
}  // namespace slipway
