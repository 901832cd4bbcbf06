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

TEST(ApiWorkers, AJobThatThrowsTakesNoThreadWithIt) {
  ApiWorkers workers(1);
  std::latch answered(1);
  ASSERT_TRUE(workers.submit([] { throw std::runtime_error("a bug"); }));
  ASSERT_TRUE(workers.submit([&] { answered.count_down(); }));
  answered.wait();
}

// A stream whose thread could not be made was counted among the open ones for ever, and the end of
// the server waited for it.
TEST(ApiWorkers, AStreamWithoutAThreadIsRefusedAndTakesNoPlace) {
  const auto left = std::make_shared<std::atomic<int>>(1);
  ApiWorkers workers(1, threads(left));
  for (int i = 0; i < 300; ++i) EXPECT_FALSE(workers.submit_stream([] { FAIL(); }));
  *left = 1;
  std::latch ran(1);
  EXPECT_TRUE(workers.submit_stream([&] { ran.count_down(); }));
  ran.wait();
}

TEST(ApiWorkers, WithoutAnyThreadItRefusesUntilThereIsOne) {
  const auto left = std::make_shared<std::atomic<int>>(0);
  ApiWorkers workers(2, threads(left));
  EXPECT_FALSE(workers.submit([] { FAIL(); }));
  *left = 1;
  std::latch ran(1);
  EXPECT_TRUE(workers.submit([&] { ran.count_down(); }));
  ran.wait();
}

}  // namespace
}  // namespace slipway
