#include "deploy/step_gate.h"

#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <mutex>
#include <thread>

#include "base/mutex.h"
#include "engine/fake_engine.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

SandboxSpec step(std::string cgroup, std::string project, std::string environment = {}) {
  SandboxSpec spec;
  spec.id = project;
  spec.argv = {"true"};
  spec.cgroup = std::move(cgroup);
  spec.labels = {{"project", std::move(project)}};
  if (!environment.empty()) spec.labels.emplace_back("environment", std::move(environment));
  return spec;
}

TEST(StepGate, KnowsWhoseAStepIs) {
  EXPECT_EQ(claim_of(step("builds", "shop")).work, WorkClass::build);
  EXPECT_EQ(claim_of(step("builds", "shop")).key, "shop");
  EXPECT_EQ(claim_of(step("previews", "shop")).work, WorkClass::preview);
  EXPECT_EQ(claim_of(step("production", "shop", "staging")).work, WorkClass::release);
  EXPECT_EQ(claim_of(step("production", "shop", "production")).work, WorkClass::production);
  SandboxSpec nameless;
  nameless.uid_slot = 7;
  EXPECT_EQ(claim_of(nameless).key, "uid 7");
}

// Runs steps that hold their places until they are let go.
class StepGateTest : public ::testing::Test {
 protected:
  StepGateTest() {
    engine.on_step([this](const SandboxSpec& spec, const StepRunner::OutputSink&,
                          std::stop_token) -> Result<StepRunner::Outcome> {
      {
        const MutexLock lock(mutex);
        order.push_back(spec.id);
      }
      if (spec.id == "holds") go_on.wait();
      return StepRunner::Outcome{};
    });
  }
  std::future<bool> run(const SandboxSpec& spec) {
    return std::async(std::launch::async, [this, spec] {
      return runner.run(spec, 1h, 1000, [](std::string_view) {}, {}).has_value();
    });
  }
  void wait_for(std::size_t held, std::size_t waiting) const {
    while (gate.held() != held || gate.waiting() != waiting) std::this_thread::yield();
  }

  std::promise<void> let_go;
  std::shared_future<void> go_on = let_go.get_future().share();
  Mutex mutex;
  std::vector<std::string> order;
  FakeEngine engine;
  StepGate gate{1};
  GatedRunner runner{engine, gate};
};

TEST_F(StepGateTest, ProjectsTakeTurnsWhateverTheLengthOfTheirLines) {
  std::vector<std::future<bool>> all;
  all.push_back(run(step("builds", "holds")));
  wait_for(1, 0);
  for (std::size_t waiting = 0; const char* project : {"busy", "busy", "busy", "small"}) {
    all.push_back(run(step("builds", project)));
    wait_for(1, ++waiting);
  }
  let_go.set_value();
  for (std::future<bool>& each : all) EXPECT_TRUE(each.get());
  ASSERT_EQ(order.size(), 5u);
  EXPECT_TRUE(order[1] == "small" || order[2] == "small");
}

TEST_F(StepGateTest, ProductionNeverWaitsBehindABuildOrAPreview) {
  std::vector<std::future<bool>> all;
  all.push_back(run(step("builds", "holds")));
  wait_for(1, 0);
  all.push_back(run(step("previews", "holds")));
  wait_for(2, 0);
  // Nobody is let go of: whatever ends has not waited.
  EXPECT_TRUE(run(step("production", "shop", "production")).get());
  EXPECT_TRUE(run(step("production", "shop", "staging")).get());
  all.push_back(run(step("builds", "other")));
  wait_for(2, 1);
  EXPECT_TRUE(run(step("production", "shop", "production")).get());
  EXPECT_EQ(gate.waiting(), 1u);
  let_go.set_value();
  for (std::future<bool>& each : all) EXPECT_TRUE(each.get());
}

TEST_F(StepGateTest, WhatPreviewsRunKeepsNoBuildWaiting) {
  auto holds = run(step("previews", "holds"));
  wait_for(1, 0);
  EXPECT_TRUE(run(step("builds", "other")).get());
  let_go.set_value();
  EXPECT_TRUE(holds.get());
}

}  // namespace
}  // namespace slipway
