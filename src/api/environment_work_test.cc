#include "api/environment_work.h"

#include <gtest/gtest.h>

#include <future>

namespace slipway {
namespace {

// Until what runs there is over.
EnvironmentWork::Item ended(const EnvironmentWork& work) {
  for (;;) {
    const auto item = work.last("shop", "production");
    if (!item->running) return *item;
    std::this_thread::yield();
  }
}

TEST(EnvironmentWork, OneAtATimeInEachEnvironment) {
  EnvironmentWork work;
  std::promise<void> release;
  const auto wait = [held = release.get_future().share()](const std::stop_token&) -> Status {
    held.wait();
    return {};
  };
  const auto first = work.start("shop", "production", "restart", {}, wait);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->running);
  EXPECT_EQ(work.start("shop", "production", "scale", {}, wait).error().code, Errc::conflict);
  EXPECT_TRUE(work.start("shop", "staging", "scale", {}, wait));
  EXPECT_EQ(work.last("shop", "production")->id, first->id);
  release.set_value();
  EXPECT_FALSE(ended(work).error);
  const auto second = work.start("shop", "production", "scale", {}, wait);
  ASSERT_TRUE(second);
  EXPECT_NE(second->id, first->id);
}

TEST(EnvironmentWork, WhatIsWrittenDownFirstIsNotWhileSomethingElseRuns) {
  EnvironmentWork work;
  int written = 0;
  const auto write = [&]() -> Status {
    ++written;
    return {};
  };
  const auto fine = [](const std::stop_token&) -> Status { return {}; };
  std::promise<void> release;
  ASSERT_TRUE(work.start("shop", "production", "restart", write,
                         [held = release.get_future().share()](const std::stop_token&) -> Status {
                           held.wait();
                           return {};
                         }));
  EXPECT_EQ(written, 1);
  EXPECT_FALSE(work.start("shop", "production", "scale", write, fine));
  EXPECT_EQ(written, 1);
  release.set_value();
  const EnvironmentWork::Item before = ended(work);
  const auto refuse = [] { return Status(fail(Errc::too_large, "a full disk")); };
  EXPECT_EQ(work.start("shop", "production", "scale", refuse, fine).error().code, Errc::too_large);
  EXPECT_EQ(work.last("shop", "production")->id, before.id);
  const auto bug = []() -> Status { throw std::runtime_error("a bug"); };
  EXPECT_THROW(std::ignore = work.start("shop", "production", "scale", bug, fine),
               std::runtime_error);
  EXPECT_TRUE(work.start("shop", "production", "scale", write, fine));
}

TEST(EnvironmentWork, RemembersWhyItFailed) {
  EnvironmentWork work;
  EXPECT_FALSE(work.last("shop", "production"));
  ASSERT_TRUE(work.start("shop", "production", "restart", {}, [](const std::stop_token&) -> Status {
    return fail(Errc::start_failed, "no answer");
  }));
  const EnvironmentWork::Item item = ended(work);
  EXPECT_EQ(item.what, "restart");
  ASSERT_TRUE(item.error);
  EXPECT_EQ(item.error->message, "no answer");
}

TEST(EnvironmentWork, WhatThrowsHasFailed) {
  EnvironmentWork work;
  ASSERT_TRUE(work.start("shop", "production", "restart", {}, [](const std::stop_token&) -> Status {
    throw std::runtime_error("a bug");
  }));
  ASSERT_TRUE(ended(work).error);
  EXPECT_EQ(ended(work).error->code, Errc::internal);
}

TEST(EnvironmentWork, WithoutAThreadNothingIsUnderWay) {
  bool none = true;
  EnvironmentWork work([&]() -> Status {
    if (std::exchange(none, false)) return fail(Errc::unavailable, "no thread");
    return {};
  });
  const auto fine = [](const std::stop_token&) -> Status { return {}; };
  EXPECT_EQ(work.start("shop", "production", "restart", {}, fine).error().code, Errc::unavailable);
  EXPECT_FALSE(work.last("shop", "production"));
  EXPECT_TRUE(work.start("shop", "production", "restart", {}, fine));
}

TEST(EnvironmentWork, StoppingEndsWhatRunsAndTakesNoMore) {
  EnvironmentWork work;
  ASSERT_TRUE(
      work.start("shop", "production", "restart", {}, [](const std::stop_token& stop) -> Status {
        Mutex mutex;
        CondVar never;
        const MutexLock lock(mutex);
        std::ignore = never.wait(mutex, stop, [] { return false; });
        return fail(Errc::canceled, "stopped");
      }));
  work.stop();
  EXPECT_EQ(work.last("shop", "production")->error->code, Errc::canceled);
  EXPECT_EQ(work.start("shop", "production", "restart", {}, {}).error().code, Errc::unavailable);
}

}  // namespace
}  // namespace slipway
