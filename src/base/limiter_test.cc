#include "base/limiter.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/task_group.h"

namespace slipway {
namespace {

using Slots = std::vector<Limiter::Slot>;

struct Line {
  // A slot that is given back lets in the next one, which arrives in `slots`.
  ~Line() {
    while (!slots.empty()) std::exchange(slots, {}).clear();
  }
  // Asks for a slot and keeps who got one, in order; the slots stay held.
  Limiter::Admitted take(std::string name) {
    return [this, name = std::move(name)](Limiter::Slot slot) {
      order.push_back(name);
      slots.push_back(std::move(slot));
    };
  }
  std::vector<std::string> order;
  Slots slots;
};

TEST(Limiter, OneKeyGetsItsShareAndLeavesTheRestToOthers) {
  Limiter limiter({.units = 4, .per_key = 2});
  Slots held;
  for (int i = 0; i < 2; ++i) held.push_back(*limiter.try_enter({.key = "greedy"}));
  EXPECT_FALSE(limiter.try_enter({.key = "greedy"}));
  EXPECT_TRUE(limiter.try_enter({.key = "other"}));
  held.pop_back();
  EXPECT_TRUE(limiter.try_enter({.key = "greedy"}));
}

TEST(Limiter, ALowerClassNeverGetsWhatAHigherOneKeeps) {
  Limiter limiter({.units = 3, .kept = {1, 1}});
  Slots held;
  held.push_back(*limiter.try_enter({WorkClass::preview, "a"}));
  EXPECT_FALSE(limiter.try_enter({WorkClass::preview, "b"}));
  held.push_back(*limiter.try_enter({WorkClass::release, "a"}));
  EXPECT_FALSE(limiter.try_enter({WorkClass::release, "b"}));
  held.push_back(*limiter.try_enter({WorkClass::production, "a"}));
  EXPECT_FALSE(limiter.try_enter({WorkClass::production, "b"}));
  EXPECT_EQ(limiter.held(), 3u);
}

TEST(Limiter, WhoWaitsIsLetInByClassThenInTurnBetweenKeys) {
  Limiter limiter({.units = 1});
  Line line;
  std::optional held = limiter.try_enter({.key = "a"});
  for (const char* name : {"busy 1", "busy 2", "busy 3"})
    ASSERT_TRUE(limiter.enter_later({WorkClass::preview, "busy"}, line.take(name)));
  ASSERT_TRUE(limiter.enter_later({WorkClass::preview, "small"}, line.take("small")));
  ASSERT_TRUE(limiter.enter_later({WorkClass::build, "a"}, line.take("build")));
  ASSERT_TRUE(limiter.enter_later({WorkClass::production, "shop"}, line.take("production")));
  held.reset();
  while (line.order.size() < 6) {
    Slots before = std::exchange(line.slots, {});
    before.clear();
  }
  EXPECT_EQ(line.order, (std::vector<std::string>{"production", "busy 1", "small", "busy 2",
                                                  "busy 3", "build"}));
  EXPECT_EQ(limiter.waiting(), 0u);
}

TEST(Limiter, AKeyAtItsShareDoesNotStopTheOthersOfItsLine) {
  Limiter limiter({.units = 2, .per_key = 1});
  Line line;
  ASSERT_TRUE(limiter.enter_later({.key = "a"}, line.take("a 1")));
  ASSERT_TRUE(limiter.enter_later({.key = "a"}, line.take("a 2")));
  ASSERT_TRUE(limiter.enter_later({.key = "b"}, line.take("b")));
  EXPECT_EQ(line.order, (std::vector<std::string>{"a 1", "b"}));
  Slots before = std::exchange(line.slots, {});
  before.clear();
  EXPECT_EQ(line.order.back(), "a 2");
}

TEST(Limiter, ALargeClaimIsNotOvertakenForEver) {
  Limiter limiter({.units = 10});
  Line line;
  std::optional held = limiter.try_enter({.key = "a", .units = 6});
  ASSERT_TRUE(limiter.enter_later({.key = "large", .units = 9}, line.take("large")));
  EXPECT_FALSE(limiter.try_enter({.key = "small"})) << "there is room, but not before the large";
  held.reset();
  EXPECT_EQ(line.order, std::vector<std::string>{"large"});
  EXPECT_TRUE(limiter.try_enter({.key = "small"}));
}

TEST(Limiter, LinesAreBoundedAndSayWhoseFaultItIs) {
  Limiter limiter({.units = 1, .waiting = 3, .waiting_per_key = 2});
  Line line;
  const std::optional held = limiter.try_enter({.key = "a"});
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(limiter.enter_later({.key = "a"}, line.take("a")));
  EXPECT_EQ(limiter.enter_later({.key = "a"}, line.take("a")).error().code, Errc::rate_limited);
  ASSERT_TRUE(limiter.enter_later({.key = "b"}, line.take("b")));
  EXPECT_EQ(limiter.enter_later({.key = "c"}, line.take("c")).error().code, Errc::unavailable);
  EXPECT_EQ(limiter.enter({.key = "a", .units = 2}).error().code, Errc::too_large);
}

TEST(Limiter, ASlotGrowsWhileThereIsRoomAndGivesAllOfItBack) {
  Limiter limiter({.units = 10, .per_key = 6});
  {
    std::optional slot = limiter.try_enter({.key = "a", .units = 2});
    EXPECT_TRUE(slot->grow(4));
    EXPECT_FALSE(slot->grow(1)) << "its key's share";
    std::optional other = limiter.try_enter({.key = "b", .units = 3});
    EXPECT_FALSE(other->grow(2)) << "all there is";
    EXPECT_EQ(limiter.held(), 9u);
  }
  EXPECT_EQ(limiter.held(), 0u);
}

TEST(Limiter, AStoppedWaiterLeavesTheLine) {
  Limiter limiter({.units = 1});
  std::optional held = limiter.try_enter({.key = "a"});
  std::stop_source stop;
  auto outcome = std::async(std::launch::async, [&] {
    return limiter.enter({.key = "b"}, stop.get_token()).error().code;
  });
  while (limiter.waiting() == 0) std::this_thread::yield();
  stop.request_stop();
  EXPECT_EQ(outcome.get(), Errc::canceled);
  EXPECT_EQ(limiter.waiting(), 0u);
  EXPECT_EQ(limiter.enter({.key = "b"}, {}, Duration{1}).error().code, Errc::deadline_exceeded);
  held.reset();
  EXPECT_TRUE(limiter.enter({.key = "b"}).has_value());
}

TEST(Limiter, ThreadsThatWaitGetTheirTurn) {
  Limiter limiter({.units = 2, .per_key = 1});
  std::atomic<int> inside{0}, most{0};
  run_side_by_side("entering", 8, [&](std::size_t i) {
    for (int round = 0; round < 200; ++round) {
      const auto slot = limiter.enter({.key = std::string(1, static_cast<char>('a' + i % 3))});
      ASSERT_TRUE(slot.has_value());
      const int now = ++inside;
      for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
      }
      --inside;
    }
  });
  EXPECT_LE(most, 2);
  EXPECT_EQ(limiter.held(), 0u);
}

}  // namespace
}  // namespace slipway
