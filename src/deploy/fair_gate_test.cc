#include "deploy/fair_gate.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace slipway {
namespace {

// Returns once `count` callers wait at the gate.
void wait_for_line(const FairGate& gate, std::size_t count) {
  while (gate.waiting() < count) std::this_thread::yield();
}

TEST(FairGate, ServesProjectsInTurnWhateverTheLengthOfTheirLines) {
  FairGate gate(1);
  std::mutex mutex;
  std::vector<std::string> order;
  std::optional<FairGate::Slot> held(gate.enter("warm-up", {}).value());
  std::vector<std::jthread> threads;
  std::size_t waiting = 0;
  for (const char* project : {"busy", "busy", "busy", "small"}) {
    threads.emplace_back([&, project] {
      const auto slot = gate.enter(project, {});
      std::lock_guard lock(mutex);
      order.emplace_back(project);
    });
    wait_for_line(gate, ++waiting);
  }
  held.reset();
  threads.clear();
  ASSERT_EQ(order.size(), 4u);
  EXPECT_TRUE(order[0] == "small" || order[1] == "small");
}

TEST(FairGate, AStoppedWaiterLeavesTheLine) {
  FairGate gate(1);
  std::optional<FairGate::Slot> held(gate.enter("a", {}).value());
  std::stop_source stop;
  auto outcome = std::async(std::launch::async,
                            [&] { return gate.enter("b", stop.get_token()).error().code; });
  wait_for_line(gate, 1);
  stop.request_stop();
  EXPECT_EQ(outcome.get(), Errc::canceled);
  EXPECT_EQ(gate.waiting(), 0u);
  held.reset();
  EXPECT_TRUE(gate.enter("c", {}).has_value());
}

}  // namespace
}  // namespace slipway
