#include "router/api_workers.h"

#include <gtest/gtest.h>

#include <latch>
#include <stdexcept>

namespace slipway {
namespace {

// A system that has `count` threads to give.
TaskGroup::Gate threads(std::shared_ptr<std::atomic<int>> count) {
  return [count]() -> Status {
    if (count->load() <= 0) return fail(Errc::unavailable, "no thread");
    --*count;
    return {};
  };
}

const ApiAdmission ann{.principal = "ann"};
constexpr int first_threads = 7;  // one of each pool

TEST(ApiWorkers, AJobThatThrowsTakesNoThreadWithIt) {
  ApiWorkers workers(1);
  ASSERT_TRUE(workers.start());
  std::latch answered(1);
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(workers.submit(CallKind::call, ann, [] { throw std::runtime_error("a bug"); }));
  ASSERT_TRUE(workers.submit(CallKind::call, ann, [&] { answered.count_down(); }));
  answered.wait();
}

// A stream whose thread could not be made was counted among the open ones for ever, and the end of
// the server waited for it.
TEST(ApiWorkers, AStreamWithoutAThreadIsRefusedAndTakesNoPlace) {
  const auto left = std::make_shared<std::atomic<int>>(first_threads);
  ApiWorkers workers(1, threads(left));
  ASSERT_TRUE(workers.start());
  for (int i = 0; i < 300; ++i)
    EXPECT_EQ(workers.submit_stream(ann, [] { FAIL(); }).error().code, Errc::unavailable);
  *left = 1;
  std::latch ran(1);
  EXPECT_TRUE(workers.submit_stream(ann, [&] { ran.count_down(); }));
  ran.wait();
}

TEST(ApiWorkers, WithoutAnyThreadItDoesNotStartAndWithFewItGoesOn) {
  const auto left = std::make_shared<std::atomic<int>>(0);
  ApiWorkers none(2, threads(left));
  EXPECT_EQ(none.start().error().code, Errc::unavailable);
  *left = first_threads;
  ApiWorkers few(8, threads(left));
  ASSERT_TRUE(few.start());
  std::latch ran(100);
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(few.submit(CallKind::call, ann, [&] { ran.count_down(); }));
  ran.wait();
}

}  // namespace
}  // namespace slipway
