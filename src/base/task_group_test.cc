#include "base/task_group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stdexcept>

#include "base/clock.h"
#include "base/guarded.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

// A system without threads from the `good`-th on.
TaskGroup::Gate only(std::size_t good) {
  return [left = std::make_shared<std::atomic<std::size_t>>(good)]() -> Status {
    if (left->load() == 0) return fail(Errc::unavailable, "no thread");
    --*left;
    return {};
  };
}

TEST(TaskGroup, ItsEndWaitsForItsTasks) {
  std::atomic<int> done = 0;
  {
    TaskGroup group("work", 8);
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(group.start([&](const std::stop_token&) { ++done; }));
    group.join();
    EXPECT_EQ(done, 8);
    EXPECT_EQ(group.running(), 0u);
  }
}

TEST(TaskGroup, ItsEndAsksThemToStop) {
  std::atomic<bool> told = false;
  {
    TaskGroup group("work", 1);
    ASSERT_TRUE(group.start([&](const std::stop_token& stop) {
      Mutex mutex;
      CondVar never;
      const MutexLock lock(mutex);
      told = !never.wait(mutex, stop, [] { return false; });
    }));
  }
  EXPECT_TRUE(told);
}

TEST(TaskGroup, AnExceptionEndsTheTaskAloneAndItsHandlerIsTold) {
  Guarded<std::string> told;
  TaskGroup group("making", 2);
  ASSERT_TRUE(group.start([](const std::stop_token&) { throw std::runtime_error("a step broke"); },
                          [&](const Error& error) {
                            EXPECT_EQ(error.code, Errc::internal);
                            *told.lock() = error.message;
                          }));
  ASSERT_TRUE(group.start([](const std::stop_token&) { throw 7; },
                          [](const Error&) { throw std::runtime_error("nor can it be settled"); }));
  group.join();
  EXPECT_EQ(*told.lock(), "making: a step broke");
}

TEST(TaskGroup, BeyondItsBoundNothingStarts) {
  std::latch release(1);
  TaskGroup group("work", 1);
  ASSERT_TRUE(group.start([&](const std::stop_token&) { release.wait(); }));
  const Status second = group.start([](const std::stop_token&) { FAIL(); });
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::unavailable);
  release.count_down();
  group.join();
}

TEST(TaskGroup, AThreadThatCannotBeMadeIsAnErrorAndNotCounted) {
  TaskGroup group("work", 2, only(0));
  bool touched = false;
  const Status started = group.start([&](const std::stop_token&) { touched = true; },
                                     [&](const Error&) { touched = true; });
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::unavailable);
  EXPECT_EQ(group.running(), 0u);
  group.join();  // would wait for ever for one that was counted
  EXPECT_FALSE(touched);
}

TEST(TaskGroup, AfterItsStopNothingStarts) {
  TaskGroup group("work", 2);
  group.stop();
  EXPECT_FALSE(group.start([](const std::stop_token&) { FAIL(); }));
}

TEST(TaskGroup, EndedThreadsAreGivenBack) {
  TaskGroup group("work", 1);
  for (int i = 0; i < 200; ++i) {
    std::latch done(1);
    while (!group.start([&](const std::stop_token&) { done.count_down(); }))
      std::this_thread::yield();
    done.wait();
  }
}

TEST(TaskGroupDeathTest, ATaskThatWaitsForItsOwnGroupAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        TaskGroup group("work", 1);
        std::ignore = group.start([&](const std::stop_token&) { group.join(); });
        group.join();
      },
      "waits for its own group");
}

TEST(Worker, RunsARoundWheneverItIsWoken) {
  Guarded<int> rounds;
  CondVar changed;
  Worker worker("work");
  ASSERT_TRUE(worker.start([&](const std::stop_token&) {
    ++*rounds.lock();
    changed.notify_all();
    return std::nullopt;
  }));
  for (int expected = 1; expected <= 3; ++expected) {
    auto locked = rounds.lock();
    locked.wait(changed, [&](int count) { return count >= expected; });
    worker.wake();
  }
  worker.stop();
}

TEST(Worker, ARoundThatThrowsIsNotTheLast) {
  Guarded<int> rounds;
  CondVar changed;
  Worker worker("work");
  ASSERT_TRUE(worker.start([&](const std::stop_token&) -> std::optional<Duration> {
    const int round = ++*rounds.lock();
    changed.notify_all();
    if (round == 1) throw std::runtime_error("no luck");
    return std::nullopt;
  }));
  {
    auto locked = rounds.lock();
    locked.wait(changed, [](int count) { return count >= 1; });
  }
  worker.wake();
  auto locked = rounds.lock();
  locked.wait(changed, [](int count) { return count >= 2; });
}

TEST(Worker, WithoutAThreadItsStartIsAnError) {
  Worker worker("work", only(0));
  EXPECT_FALSE(worker.start([](const std::stop_token&) { return std::nullopt; }));
  worker.stop();
}

TEST(RunSideBySide, RunsAllAtOnceAndThrowsWhatOneThrew) {
  std::latch all(3);
  EXPECT_THROW(run_side_by_side("starting", 3,
                                [&](std::size_t i) {
                                  all.arrive_and_wait();
                                  if (i == 1) throw std::runtime_error("one of them");
                                }),
               std::runtime_error);
  run_side_by_side("starting", 0, [](std::size_t) { FAIL(); });
}

}  // namespace
}  // namespace slipway
