// What ends, hangs or fails at the wrong moment.
#include <gtest/gtest.h>

#include <future>

#include "deploy/fleet.h"
#include "deploy/testing/fleet_world.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::FleetTest;
using testing::TinyApp;

TEST_F(FleetTest, RemovingWaitsForNobody) {
  const Deployment slow = add("slow");
  ASSERT_TRUE(fleet.start(slow, {}));
  std::promise<void> stopping, let_go;
  engine.on_stop([&](const std::string&) {
    stopping.set_value();
    let_go.get_future().wait();
  });
  fleet.remove(slow.id);
  stopping.get_future().wait();
  EXPECT_FALSE(fleet.wait_until_ended(slow.id, 0s));
  engine.on_stop({});
  let_go.set_value();
  EXPECT_TRUE(fleet.wait_until_ended(slow.id, 60s));
}

TEST_F(FleetTest, RemovingEndsAStartThatWouldNeverBecomeReady) {
  settings.instances.start_timeout = 1h;
  Deployment deployment = draft("hangs");
  deployment.artifact.health_path = "/never";
  deployment = add(deployment);
  auto started = std::async(std::launch::async, [&] { return fleet.start(deployment, {}); });
  eventually([&] { return !engine.running().empty(); });
  fleet.remove(deployment.id);
  EXPECT_EQ(started.get().error().code, Errc::canceled);
  EXPECT_TRUE(fleet.wait_until_ended(deployment.id, 60s));
}

TEST_F(FleetTest, AnAppThatAnswersWithItsLastBreathDoesNotStart) {
  *app.on_request.lock() = [&] { engine.exit(engine.running().at(0), {.code = 3}); };
  const Status started = fleet.start(add(), {});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::start_failed);
  EXPECT_TRUE(engine.running().empty());
}

TEST_F(FleetTest, AnEndBetweenTheAnswerAndBeingReadyIsNotLost) {
  std::atomic<bool> ended = false;
  std::string first;
  clock.hook = [&] {
    const std::vector<std::string> running = engine.running();
    if (running.empty() ||
        !std::filesystem::exists(settings.data / "instances" / running[0] / "endpoint"))
      return;
    if (ended.exchange(true)) return;
    first = running[0];
    engine.exit(running[0], {.code = 1});
  };
  const Deployment deployment = add();
  ASSERT_TRUE(fleet.start(deployment, {}));
  EXPECT_TRUE(ended);
  eventually([&] { return replaced(first); });
  eventually([&] { return state_of(deployment) == Backend::State::ready; });
}

TEST_F(FleetTest, PreviewsThatHangDoNotDelayAnotherProjectsWake) {
  settings.instances.start_timeout = 1h;
  for (int i = 0; i < 9; ++i) {
    Deployment slow = draft("slow" + std::to_string(i));
    slow.project = "slow";
    slow.artifact.health_path = "/never";
    fleet.wake(fleet.backend(add(slow)));
  }
  eventually([&] { return engine.started().size() == 9; });
  const Deployment other = add();
  fleet.wake(fleet.backend(other));
  eventually([&] { return state_of(other) == Backend::State::ready; });
}

TEST_F(FleetTest, MakingRoomPassesOverWhatSomebodyElseIsBusyWith) {
  settings.previews.max_running = 3;
  Deployment pair = draft("pair");
  Service web, worker;
  web.name = "web";
  web.kind = "web";
  worker.name = "mailer";
  worker.kind = "worker";
  pair.plan.services = {web, worker};
  pair.companions = {{.label = "mailer", .service = "mailer", .artifact = {.start = "node m.js"}}};
  pair = add(pair);
  const Deployment other = add("other");
  ASSERT_TRUE(fleet.start(pair, {}));
  ASSERT_TRUE(fleet.start(other, {}));
  fleet.backend(other)->touch(clock.monotonic() + 1s);
  // The pair's worker ended, and what is left of it takes its time: the pair may sleep, being used
  // least recently, but somebody is busy with it.
  std::promise<void> stopping, let_go;
  const std::string ends = [&] {
    for (const SandboxSpec& spec : engine.started())
      if (spec.argv.back().contains("m.js")) return spec.id;
    return std::string();
  }();
  settings.previews.max_running = 2;
  engine.on_stop([&](const std::string& id) {
    if (id != ends) return;
    stopping.set_value();
    let_go.get_future().wait();
  });
  engine.exit(ends, {.code = 1});
  stopping.get_future().wait();
  auto third = std::async(std::launch::async, [&] { return fleet.start(add("third"), {}); });
  EXPECT_EQ(third.wait_for(60s), std::future_status::ready);
  EXPECT_EQ(state_of(other), Backend::State::asleep);
  let_go.set_value();
  EXPECT_TRUE(third.get());
}

TEST_F(FleetTest, ThePortThatItWasToldWinsWheneverItOpens) {
  const TinyApp metrics;
  engine.map_port(default_port_of_app, 0);
  engine.map_port(9464, metrics.port());
  const Deployment deployment = add();
  ASSERT_TRUE(fleet.start(deployment, {}));
  EXPECT_EQ(fleet.backend(deployment)->endpoint()->port, 9464);
  engine.map_port(default_port_of_app, app.port());
  eventually([&] {
    fleet.tick();
    return fleet.backend(deployment)->endpoint()->port == default_port_of_app;
  });
  const std::string noted =
      read_file(settings.data / "instances" / engine.running().at(0) / "endpoint", 64).value();
  EXPECT_EQ(noted, "8080\n") << "a restart of the server goes there, too";
}

TEST_F(FleetTest, AWorkerWhoseRestartFailsOnceIsStartedAgain) {
  const Deployment deployment = add_worker();
  ASSERT_TRUE(fleet.start(deployment, {}));
  const std::string first = engine.running().at(0);
  engine.fail_next_start({.code = Errc::start_failed, .message = "no"});
  engine.exit(first, {.code = 1});
  eventually([&] { return replaced(first); });
  eventually([&] { return state_of(deployment) == Backend::State::ready; });
  EXPECT_EQ(repository->get(deployment.id).value().state, DeploymentState::ready);
}

TEST_F(FleetTest, AWorkerThatDoesNotStartAnyMoreIsGivenUp) {
  const Deployment deployment = add_worker();
  ASSERT_TRUE(fleet.start(deployment, {}));
  for (int i = 0; i < 5; ++i) engine.fail_next_start({.code = Errc::start_failed, .message = "no"});
  engine.exit(engine.running().at(0), {.code = 1});
  eventually_in(deployment, DeploymentState::failed);
  EXPECT_EQ(repository->get(deployment.id).value().error->cause, "crash_loop");
}

TEST_F(FleetTest, WhatACrashLoopLeavesToOthersIsTriedAgain) {
  refuse_lost = true;
  crash_until_given_up(add());
  eventually([&] {
    const MutexLock lock(lost_mutex);
    return lost.size() == 1;
  });
}

}  // namespace
}  // namespace slipway
