#include "deploy/fleet.h"

#include <gtest/gtest.h>

#include "deploy/testing/fleet_world.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::FleetTest;

TEST_F(FleetTest, StartsAnInstanceAndWaitsUntilItAnswers) {
  const Deployment deployment = add();
  const Status started = fleet.start(deployment, {});
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ(state_of(deployment), Backend::State::ready);
  ASSERT_EQ(engine.started().size(), 1u);
  EXPECT_EQ(engine.started()[0].env.at("PORT"), "8080");
  EXPECT_EQ(fleet.counts().running, 1u);
}

TEST_F(FleetTest, AHealthPathThatFailsKeepsItFromBeingReady) {
  settings.instances.start_timeout =
      4s;  // long enough to ask at least once on a machine that stalls
  app.status = 503;
  Deployment deployment = add();
  deployment.artifact.health_path = "/health";
  const Status started = fleet.start(deployment, {});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::start_failed);
  EXPECT_NE(started.error().message.find("status 503"), std::string::npos)
      << started.error().message;
  EXPECT_TRUE(engine.running().empty());
}

TEST_F(FleetTest, AnAppThatListensNowhereFailsWithWhatToDo) {
  settings.instances.start_timeout = 200ms;
  FakeEngine& e = engine;
  e.map_port(default_port_of_app, 0);
  const Status started = fleet.start(add(), {});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::start_failed);
  EXPECT_FALSE(started.error().hint.empty());
  EXPECT_EQ(fleet.counts().running, 0u);
}

TEST_F(FleetTest, AnIdleInstanceSleepsAndARequestWakesIt) {
  const Deployment deployment = add();
  ASSERT_TRUE(fleet.start(deployment, {}));
  settings.previews.idle = 0s;
  fleet.tick();
  eventually_in(deployment, DeploymentState::sleeping);
  eventually([&] { return engine.running().empty(); });
  settings.previews.idle = 10min;
  fleet.wake(fleet.backend(deployment));
  eventually_in(deployment, DeploymentState::ready);
  EXPECT_EQ(state_of(deployment), Backend::State::ready);
  EXPECT_EQ(fleet.counts().wakes, 1u);
}

TEST_F(FleetTest, AnInstanceWithAnOpenRequestDoesNotSleep) {
  const Deployment deployment = add();
  ASSERT_TRUE(fleet.start(deployment, {}));
  const auto backend = fleet.backend(deployment);
  backend->request_started(clock.monotonic());
  // Another one that is idle goes to sleep at the same look: when it sleeps, the look is over.
  const Deployment idle = add("idle");
  ASSERT_TRUE(fleet.start(idle, {}));
  settings.previews.idle = 0s;
  fleet.tick();
  eventually_in(idle, DeploymentState::sleeping);
  EXPECT_EQ(state_of(deployment), Backend::State::ready);
  EXPECT_EQ(engine.running().size(), 1u);
  backend->request_ended(clock.monotonic());
  fleet.tick();
  eventually([&] { return engine.running().empty(); });
}

TEST_F(FleetTest, ReachingTheCapPutsTheLeastRecentlyUsedToSleep) {
  settings.previews.max_running = 2;
  const Deployment a = add("a"), b = add("b"), c = add("c");
  ASSERT_TRUE(fleet.start(a, {}));
  ASSERT_TRUE(fleet.start(b, {}));
  fleet.backend(a)->touch(clock.monotonic() + 1s);
  ASSERT_TRUE(fleet.start(c, {}));
  EXPECT_EQ(state_of(a), Backend::State::ready);
  EXPECT_EQ(state_of(b), Backend::State::asleep);
  EXPECT_EQ(repository->get(b.id).value().state_reason, "evicted");
}

TEST_F(FleetTest, ReachingTheCapWithBusyInstancesIsAClearError) {
  settings.previews.max_running = 1;
  const Deployment a = add("a");
  ASSERT_TRUE(fleet.start(a, {}));
  fleet.backend(a)->request_started(clock.monotonic());
  const Status refused = fleet.start(add("b"), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::over_budget);
}

TEST_F(FleetTest, ACrashIsRestarted) {
  const Deployment deployment = add();
  ASSERT_TRUE(fleet.start(deployment, {}));
  const std::string first = engine.running().at(0);
  engine.exit(first, {.code = 1});
  eventually([&] { return replaced(first); });
  eventually([&] { return state_of(deployment) == Backend::State::ready; });
  EXPECT_EQ(fleet.counts().crashes, 1u);
}

TEST_F(FleetTest, ACrashLoopIsGivenUpAndRecorded) {
  const Deployment deployment = add();
  crash_until_given_up(deployment);
  EXPECT_EQ(repository->get(deployment.id).value().error->cause, "crash_loop");
  eventually([&] {
    const MutexLock lock(lost_mutex);
    return lost.size() == 1;
  });
  EXPECT_EQ(state_of(deployment), Backend::State::crashed);
}

TEST_F(FleetTest, ACrashLoopOfAnAppWithASecretIsGivenUpAndRecorded) {
  const ConfigurationChange secret{
      .set = {{.name = "KEY", .value = "sk-canary-7f31", .disclosure = Disclosure::secret}}};
  const Configuration kept =
      environments.change({}, "shop", std::string(preview_environment), secret).value();
  const Deployment deployment = add("preview", kept.version);
  const auto log = fleet.log_directory(deployment.id);
  ASSERT_TRUE(make_directories(log));
  ASSERT_TRUE(write_file_atomic(log / "current.log", "1 e no way in with sk-canary-7f31\n"));
  crash_until_given_up(deployment);
  const Error error = *repository->get(deployment.id).value().error;
  EXPECT_EQ(error.cause, "crash_loop");
  EXPECT_EQ(error.excerpt, std::vector<std::string>{"no way in with *****"});
}

TEST_F(FleetTest, AnInstanceThatOutgrowsItsDiskIsStartedAfresh) {
  settings.instances.limits.disk_bytes = 4096;
  const Deployment deployment = add();
  ASSERT_TRUE(fleet.start(deployment, {}));
  const std::string first = engine.running().at(0);
  const auto upper = settings.data / "instances" / first / "upper";
  ASSERT_TRUE(make_directories(upper));
  ASSERT_TRUE(write_file_atomic(upper / "flood", std::string(100'000, 'x')));
  fleet.tick();
  eventually([&] { return replaced(first); });
  EXPECT_FALSE(std::filesystem::exists(upper));
}

TEST_F(FleetTest, RemovingStopsTheInstance) {
  const Deployment deployment = add();
  ASSERT_TRUE(fleet.start(deployment, {}));
  fleet.remove(deployment.id);
  EXPECT_EQ(fleet.counts().known, 0u);
  EXPECT_TRUE(fleet.wait_until_ended(deployment.id, 60s));
  EXPECT_TRUE(engine.running().empty());
}

TEST_F(FleetTest, ARestartGoesOnWithWhatRunsAndStopsWhatNobodyKnows) {
  const Deployment kept = add("kept"), ended = add("ended");
  SandboxSpec spec;
  spec.argv = {"true"};
  spec.id = "kept-1";
  spec.labels = {{"deployment", kept.id.str()}};
  ASSERT_TRUE(engine.start(spec, directory.path(), 0));
  spec.id = "stray-1";
  spec.labels = {{"deployment", DeploymentId::random().str()}};
  ASSERT_TRUE(engine.start(spec, directory.path(), 0));
  ASSERT_TRUE(fleet.adopt({kept, ended}));
  eventually([&] { return state_of(kept) == Backend::State::ready; });
  eventually([&] { return engine.running() == std::vector<std::string>{"kept-1"}; });
  EXPECT_EQ(repository->get(ended.id).value().state, DeploymentState::sleeping);
}

// It was being put to sleep when the server died.
TEST_F(FleetTest, WhatEndsWhileItIsTakenUpAgainSleeps) {
  const Deployment deployment = add("going");
  engine.map_port(8080, 0);
  SandboxSpec spec;
  spec.argv = {"true"};
  spec.id = "going-1";
  spec.labels = {{"deployment", deployment.id.str()}};
  ASSERT_TRUE(engine.start(spec, directory.path(), 0));
  ASSERT_TRUE(fleet.adopt({deployment}));
  engine.exit("going-1", {.code = 143, .signal = 15});
  eventually(
      [&] { return repository->get(deployment.id).value().state == DeploymentState::sleeping; });
}

}  // namespace
}  // namespace slipway
