#include "identity/speed_gate.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

using namespace std::chrono_literals;

struct SpeedGateTest : ::testing::Test {
  ManualClock clock;
  SpeedGate gate{clock,
                 {.human_requests = {3, 1s},
                  .agent_requests = {2, 1s},
                  .human_deploys = {3, 1s},
                  .agent_deploys = {2, 10s},
                  .project_deploys = {4, 1s}}};
  Principal ann{.actor = {.kind = "human", .name = "ann", .chain = {"human:ann"}}};
  Principal agent = [this] {
    Principal out = ann;
    apply_narrowing(out, {.id = "tok_b", .agent = "ci"});
    return out;
  }();
};

TEST_F(SpeedGateTest, ABurstPassesThenOneAtATime) {
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(gate.request(ann));
  const auto wait = gate.request(ann);
  ASSERT_TRUE(wait);
  EXPECT_LE(*wait, 1s + 1us);
  clock.advance(*wait);
  EXPECT_FALSE(gate.request(ann));
  EXPECT_TRUE(gate.request(ann));
}

TEST_F(SpeedGateTest, ANewNameBuysAnAgentNoSpeed) {
  Principal helper = agent;
  apply_narrowing(helper, {.id = "tok_c", .agent = "helper"});
  EXPECT_FALSE(gate.request(helper));
  EXPECT_FALSE(gate.request(helper));
  Principal another = agent;
  apply_narrowing(another, {.id = "tok_d", .agent = "another"});
  EXPECT_TRUE(gate.request(another));
  EXPECT_TRUE(gate.request(agent));
}

TEST_F(SpeedGateTest, DeploysCountByActorAndProject) {
  EXPECT_FALSE(gate.deploy(agent, "shop"));
  EXPECT_FALSE(gate.deploy(agent, "shop"));
  EXPECT_TRUE(gate.deploy(agent, "shop"));
  EXPECT_FALSE(gate.deploy(agent, "blog"));
  EXPECT_FALSE(gate.deploy(ann, "shop"));
  Principal bob{.actor = {.kind = "human", .name = "bob", .chain = {"human:bob"}}};
  EXPECT_FALSE(gate.deploy(bob, "shop"));
  EXPECT_TRUE(gate.deploy(bob, "shop")) << "the project's own limit";
  EXPECT_FALSE(gate.deploy(bob, "docs"));
}

TEST_F(SpeedGateTest, WhatIsRefusedTakesNothing) {
  EXPECT_FALSE(gate.deploy(agent, "shop"));
  EXPECT_FALSE(gate.deploy(agent, "shop"));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(gate.deploy(agent, "shop"));
  EXPECT_FALSE(gate.deploy(ann, "shop")) << "neither ann's nor the project's";
}

}  // namespace
}  // namespace slipway
