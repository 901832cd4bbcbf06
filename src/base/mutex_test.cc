#include "base/mutex.h"

#include <gtest/gtest.h>

#include "base/guarded.h"
#include "base/task_group.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

TEST(MutexLock, LetsGoAndTakesAgain) {
  Mutex mutex;
  MutexLock lock(mutex);
  lock.unlock();
  const bool free = mutex.try_lock();
  if (free) mutex.unlock();
  EXPECT_TRUE(free);
  lock.lock();
}

TEST(CondVar, AStopTokenOrATimeEndsAWait) {
  Mutex mutex;
  CondVar changed;
  std::stop_source stop;
  stop.request_stop();
  const MutexLock lock(mutex);
  EXPECT_FALSE(changed.wait(mutex, stop.get_token(), [] { return false; }));
  EXPECT_FALSE(changed.wait_for(mutex, stop.get_token(), 1h, [] { return false; }));
  EXPECT_FALSE(changed.wait_for(mutex, 1us, [] { return false; }));
  EXPECT_FALSE(changed.wait_until(mutex, std::chrono::steady_clock::now(), [] { return false; }));
  EXPECT_TRUE(changed.wait_for(mutex, 1h, [] { return true; }));
}

TEST(SharedMutex, ReadersShareIt) {
  SharedMutex mutex;
  const ReaderLock reader(mutex);
  Guarded<bool> read;
  run_side_by_side("reader", 2, [&](std::size_t) {
    const ReaderLock other(mutex);
    *read.lock() = true;
  });
  EXPECT_TRUE(*read.lock());
}

TEST(Guarded, NothingIsLostBetweenThreads) {
  Guarded<int> count;
  run_side_by_side("counter", 4, [&](std::size_t) {
    for (int i = 0; i < 1000; ++i) ++*count.lock();
  });
  EXPECT_EQ(count.with([](int value) { return value; }), 4000);
}

TEST(Guarded, WaitsForItsValue) {
  Guarded<std::string> name;
  CondVar changed;
  TaskGroup group("waiter", 1);
  ASSERT_TRUE(group.start([&](const std::stop_token&) {
    *name.lock() = "shop";
    changed.notify_all();
  }));
  auto locked = name.lock();
  locked.wait(changed, [](const std::string& value) { return !value.empty(); });
  EXPECT_EQ(*locked, "shop");
  EXPECT_FALSE(
      locked.wait_for(changed, 1us, [](const std::string& value) { return value.empty(); }));
}

}  // namespace
}  // namespace slipway
