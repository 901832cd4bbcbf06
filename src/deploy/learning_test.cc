#include "deploy/learning.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

Deployment running() {
  Deployment out;
  out.plan.services = {{.name = "shop", .kind = "web"}};
  out.artifact.start = "node server.js";
  return out;
}

TEST(Learning, APortThatDiffersIsAFindingAndInTheNextPlan) {
  Deployment deployment = running();
  learn_from_run(deployment, [](std::string_view) { return 4321; });
  ASSERT_EQ(deployment.findings.size(), 1u);
  EXPECT_EQ(deployment.findings[0].code, "port_differs");
  EXPECT_EQ(deployment.findings[0].message, "it listens on port 4321, not on PORT (8080)");
  EXPECT_EQ(deployment.artifact.port, 4321);
  Plan next = running().plan;
  apply_lessons(next, deployment);
  EXPECT_EQ(next.services[0].port, 4321);
  EXPECT_EQ(next.services[0].evidence.at(0).fact, "its last run listened on port 4321");
  Deployment second = running();
  second.plan = next;
  second.artifact.port = 4321;
  Plan third = running().plan;
  apply_lessons(third, second);
  EXPECT_EQ(third.services[0].port, 4321) << "what is known stays known";
}

TEST(Learning, AnAppThatListensWhereToldTeachesNothing) {
  Deployment deployment = running();
  learn_from_run(deployment, [](std::string_view) { return 8080; });
  EXPECT_TRUE(deployment.findings.empty());
  Plan next = running().plan;
  apply_lessons(next, deployment);
  EXPECT_FALSE(next.services[0].port);
}

TEST(Learning, AnAppWhoseCodeListensWhereToldIsOnlyNotThereYet) {
  Deployment deployment = running();
  deployment.plan.services[0].evidence = {{.fact = "listens on $PORT"}};
  learn_from_run(deployment, [](std::string_view) { return 9464; });
  EXPECT_TRUE(deployment.findings.empty());
  EXPECT_FALSE(deployment.artifact.port);
}

TEST(Learning, WhatTheCodeSaysWinsOverWhatWasLearned) {
  Deployment deployment = running();
  learn_from_run(deployment, [](std::string_view) { return 4321; });
  Plan next = running().plan;
  next.services[0].port = 3000;
  apply_lessons(next, deployment);
  EXPECT_EQ(next.services[0].port, 3000);
}

TEST(Learning, WhatWasMissingIsAFindingWithItsFix) {
  Deployment deployment = running();
  Error error{.code = Errc::start_failed, .message = "flask is not installed", .hint = "add flask"};
  error.cause = "missing_dependency";
  learn_from_failure(deployment, error);
  ASSERT_EQ(deployment.findings.size(), 1u);
  EXPECT_EQ(deployment.findings[0].fix, "add flask");
  error.cause = "compile_error";
  learn_from_failure(deployment, error);
  EXPECT_EQ(deployment.findings.size(), 1u) << "an error of the code teaches no setting";
}

}  // namespace
}  // namespace slipway
