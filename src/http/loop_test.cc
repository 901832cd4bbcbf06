#include "http/loop.h"

#include <gtest/gtest.h>

#include <thread>

#include "http/gzip.h"
#include "http/stream.h"
#include "http/task.h"

namespace slipway {
namespace {

using std::chrono::milliseconds;

Task<int> add(int a, int b) { co_return a + b; }
Task<void> sum_into(int& out) { out = co_await add(co_await add(1, 2), 3); }
Task<void> throws() {
  throw std::runtime_error("bug");
  co_return;
}
Task<void> wait_for(Signal& signal, int& times) {
  co_await signal.wait();
  ++times;
}

TEST(Task, ReturnsThroughSeveralLevels) {
  int out = 0;
  Activity activity;
  activity.start(sum_into(out));
  EXPECT_FALSE(activity.running());
  EXPECT_EQ(out, 6);
}

Task<void> join(Activity& activity, bool& joined) {
  co_await activity.join();
  joined = true;
}

TEST(Activity, IsJoinedWhenItEnds) {
  Signal signal;
  int times = 0;
  bool joined = false;
  Activity inner, outer;
  inner.start(wait_for(signal, times));
  outer.start(join(inner, joined));
  EXPECT_TRUE(inner.running());
  EXPECT_FALSE(joined);
  signal.set();
  EXPECT_TRUE(joined);
  EXPECT_EQ(times, 1);
}

Task<void> catch_from(Activity& activity, std::string& message) {
  try {
    co_await activity.join();
  } catch (const std::exception& error) {
    message = error.what();
  }
}

TEST(Activity, HandsItsExceptionToWhoJoins) {
  Activity inner, outer;
  std::string message;
  inner.start(throws());
  outer.start(catch_from(inner, message));
  EXPECT_EQ(message, "bug");
}

TEST(Loop, RunsWhatOtherThreadsPost) {
  Loop loop(milliseconds{10});
  std::thread::id ran_on;
  std::thread thread([&] { loop.run(); });
  const std::thread::id expected = thread.get_id();
  loop.post([&] {
    ran_on = std::this_thread::get_id();
    loop.stop();
  });
  thread.join();
  EXPECT_EQ(ran_on, expected);
}

TEST(Loop, APosterMayOutliveIt) {
  std::function<void(std::function<void()>)> post;
  {
    Loop loop(milliseconds{10});
    post = loop.poster();
  }
  bool ran = false;
  post([&] { ran = true; });
  EXPECT_FALSE(ran);
}

TEST(Alarm, PassesOnceUnlessMovedOrCleared) {
  Loop loop(milliseconds{2});
  int expired = 0, cleared = 0, moved = 0;
  Alarm first(loop, [&] { ++expired; });
  Alarm second(loop, [&] { ++cleared; });
  Alarm third(loop, [&] { ++moved; });
  Alarm last(loop, [&] { loop.stop(); });
  first.set(milliseconds{5});
  second.set(milliseconds{5});
  second.clear();
  third.set(milliseconds{5});
  third.set(std::chrono::hours{1});
  last.set(milliseconds{40});
  loop.run();
  EXPECT_EQ(expired, 1);
  EXPECT_EQ(cleared, 0);
  EXPECT_EQ(moved, 0);
}

TEST(Listener, RefusesWhatIsNoAddress) {
  EXPECT_EQ(Listener::listen("not an address", 0).error().code, Errc::invalid_argument);
  EXPECT_EQ(Listener::listen("127.0.0.1", 70'000).error().code, Errc::invalid_argument);
}

TEST(Gzip, MakesAMember) {
  const std::string text(10'000, 'a');
  const std::string packed = gzip(text);
  EXPECT_TRUE(packed.starts_with("\x1f\x8b\x08"));
  EXPECT_LT(packed.size(), 200u);
  // The trailer's length field.
  EXPECT_EQ(static_cast<unsigned char>(packed[packed.size() - 4]), 10'000 & 0xff);
  EXPECT_EQ(static_cast<unsigned char>(packed[packed.size() - 3]), 10'000 >> 8);
  EXPECT_TRUE(gzip("").starts_with("\x1f\x8b\x08"));
}

}  // namespace
}  // namespace slipway
