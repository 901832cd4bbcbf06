#include "deploy/workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <stdexcept>

namespace slipway {
namespace {

using namespace std::chrono_literals;

TEST(Workers, WhatHangsForOneKeyLeavesThreadsToTheOthers) {
  std::promise<void> go_on, done;
  const std::shared_future<void> hang = go_on.get_future().share();
  Workers workers("tests", {.units = 3, .per_key = 2});
  std::latch hanging(2);
  for (int i = 0; i < 8; ++i)
    workers.post({.key = "hangs"}, [&hanging, hang, i] {
      if (i < 2) hanging.count_down();
      hang.wait();
    });
  hanging.wait();
  workers.post({.key = "other"}, [&] { done.set_value(); });
  EXPECT_EQ(done.get_future().wait_for(30s), std::future_status::ready);
  go_on.set_value();
}

TEST(Workers, ADelayedTaskRunsLaterAndOneThatWasNotBegunNever) {
  std::atomic<bool> ran = false;
  std::promise<void> first;
  {
    Workers workers("tests", {.units = 1});
    workers.post({.key = "a"}, [&] { ran = true; }, 1h);
    workers.post({.key = "a"}, [&] { first.set_value(); }, 1ms);
    EXPECT_EQ(first.get_future().wait_for(30s), std::future_status::ready);
  }
  EXPECT_FALSE(ran);
}

TEST(Workers, StoppingDropsALongLine) {
  std::promise<void> go_on;
  std::latch begun(1);
  std::atomic<int> ran = 0;
  Workers workers("tests", {.units = 1});
  workers.post({}, [&] {
    begun.count_down();
    go_on.get_future().wait();
  });
  begun.wait();
  for (int i = 0; i < 50'000; ++i) workers.post({}, [&] { ++ran; });
  const auto stopping = std::async(std::launch::async, [&] { workers.stop(); });
  // Whatever had begun before it was told to stop has; the line is not worked off.
  while (!workers.stops()) std::this_thread::yield();
  go_on.set_value();
  stopping.wait();
  EXPECT_EQ(ran, 0);
}

TEST(Workers, ATaskThatThrowsEndsOnlyItself) {
  Workers workers("tests", {.units = 1});
  workers.post({}, [] { throw std::runtime_error("no"); });
  std::promise<void> next;
  workers.post({}, [&] { next.set_value(); });
  EXPECT_EQ(next.get_future().wait_for(30s), std::future_status::ready);
}

}  // namespace
}  // namespace slipway
