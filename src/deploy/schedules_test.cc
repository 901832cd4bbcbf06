#include "deploy/schedules.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "deploy/testing/world.h"

namespace slipway {
namespace {

using testing::World;

template <class Condition>
void eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waited in vain";
    std::this_thread::yield();
  }
}

Deployment add_nightly(World& w, DeployOptions options, const std::string& project = "shop") {
  EXPECT_TRUE(w.repository->ensure_project({}, project, w.clock.now()));
  Deployment deployment;
  deployment.id = DeploymentId::random();
  deployment.project = project;
  deployment.alias = "preview";
  deployment.state = DeploymentState::ready;
  deployment.created_at = w.clock.now();
  deployment.source = sha256("x");
  deployment.options = std::move(options);
  deployment.plan.services = {{.name = "nightly", .kind = "cron", .schedule = "*/10 * * * *"}};
  deployment.artifact.start = "node nightly.js";
  return w.repository->add({}, deployment, {}).value();
}

TEST(Schedules, RunAtTheirTimesAndNotBetween) {
  World w;
  w.schedules.watch(add_nightly(w, {.with_schedules = true}));
  w.schedules.tick();
  EXPECT_TRUE(w.engine.steps().empty()) << "not due yet";
  w.clock.advance(std::chrono::minutes{10});
  w.schedules.tick();
  eventually([&] { return w.schedules.counts().succeeded == 1; });
  ASSERT_EQ(w.engine.steps().size(), 1u);
  EXPECT_EQ(w.engine.steps()[0].argv.back(), "node nightly.js");
  w.schedules.tick();
  EXPECT_EQ(w.schedules.counts().running, 0u);
  w.clock.advance(std::chrono::minutes{10});
  w.schedules.tick();
  eventually([&] { return w.schedules.counts().succeeded == 2; });
}

// The thread slept for up to a minute after a quiet time, whatever came meanwhile.
TEST(Schedules, TheFirstOneAfterAQuietTimeWakesTheThread) {
  World w;
  ASSERT_TRUE(w.schedules.start());
  w.schedules.watch(add_nightly(w, {.with_schedules = true}));
  w.clock.advance(std::chrono::minutes{10});
  eventually([&] { return w.schedules.counts().succeeded == 1; });
  w.schedules.stop();
}

TEST(Schedules, ARunThatThrowsIsNotTheLastOfItsSchedule) {
  World w;
  w.engine.on_step(
      [](const SandboxSpec&, const StepRunner::OutputSink&,
         std::stop_token) -> Result<StepRunner::Outcome> { throw std::runtime_error("a bug"); });
  w.schedules.watch(add_nightly(w, {.with_schedules = true}));
  for (const std::uint64_t failed : {1u, 2u}) {
    w.clock.advance(std::chrono::minutes{10});
    w.schedules.tick();
    eventually([&] { return w.schedules.counts().failed == failed; });
  }
  EXPECT_EQ(w.schedules.counts().running, 0u);
}

TEST(Schedules, APreviewThatDidNotAskHasNone) {
  World w;
  w.schedules.watch(add_nightly(w, {}));
  EXPECT_EQ(w.schedules.counts().watched, 0u);
}

TEST(Schedules, WhatIsNoLongerLiveIsForgotten) {
  World w;
  const Deployment deployment = add_nightly(w, {.with_schedules = true});
  w.schedules.watch(deployment);
  ASSERT_TRUE(w.service.remove({}, deployment));
  w.clock.advance(std::chrono::minutes{10});
  w.schedules.tick();
  eventually([&] { return w.schedules.counts().watched == 0; });
  EXPECT_TRUE(w.engine.steps().empty());
}

TEST(Schedules, AServingReleaseRunsItsOwnInItsPlaceWhateverThePreviewWasAskedFor) {
  World w;
  const Deployment deployment = add_nightly(w, {});
  const std::filesystem::path logs = w.directory.path() / "logs/release";
  const auto release = [&](std::string name) {
    return Schedules::ServingRelease{.name = std::move(name),
                                     .environment = "production",
                                     .deployment = std::make_shared<const Deployment>(deployment),
                                     .placement = [](const Unit&) -> Result<Placement> {
                                       return Placement{.environment = "production",
                                                        .config_version = 0,
                                                        .cgroup = "production",
                                                        .uid_owner = "env:shop/production",
                                                        .release = 7};
                                     },
                                     .log_directory = [&](std::string_view) { return logs; },
                                     .endpoint = [](std::string_view) { return nullptr; }};
  };
  w.schedules.watch(release("shop/production/7"));
  w.schedules.watch(release("shop/production/7"));
  EXPECT_EQ(w.schedules.counts().watched, 1u);
  w.clock.advance(std::chrono::minutes{10});
  w.schedules.tick();
  eventually([&] { return w.schedules.counts().succeeded == 1; });
  ASSERT_EQ(w.engine.steps().size(), 1u);
  EXPECT_EQ(w.engine.steps()[0].cgroup, "production");
  EXPECT_EQ(w.engine.steps()[0].env.at("SLIPWAY_RELEASE"), "7");
  EXPECT_TRUE(std::filesystem::exists(logs / "current.log"));
  w.schedules.unwatch("shop/production/7");
  EXPECT_EQ(w.schedules.counts().watched, 0u);
  w.clock.advance(std::chrono::minutes{10});
  w.schedules.tick();
  EXPECT_EQ(w.schedules.counts().running, 0u);
}

TEST(Schedules, ThoseOfPreviewsThatHangLeaveProductionItsOwn) {
  World w;
  std::promise<void> let_go;
  const std::shared_future<void> hang = let_go.get_future().share();
  std::atomic<int> hanging = 0;
  w.engine.on_step([&](const SandboxSpec& spec, const StepRunner::OutputSink&,
                       std::stop_token) -> Result<StepRunner::Outcome> {
    if (spec.cgroup != "previews") return StepRunner::Outcome{};
    ++hanging;
    hang.wait();
    return StepRunner::Outcome{};
  });
  for (int i = 0; i < 20; ++i)
    w.schedules.watch(add_nightly(w, {.with_schedules = true}, "shop" + std::to_string(i)));
  const Deployment serving = add_nightly(w, {});
  const std::filesystem::path logs = w.directory.path() / "logs/release";
  w.schedules.watch(
      Schedules::ServingRelease{.name = "shop/production/1",
                                .environment = "production",
                                .deployment = std::make_shared<const Deployment>(serving),
                                .placement = [](const Unit&) -> Result<Placement> {
                                  return Placement{.environment = "production",
                                                   .config_version = 0,
                                                   .cgroup = "production",
                                                   .uid_owner = "env:shop/production",
                                                   .release = 1};
                                },
                                .log_directory = [&](std::string_view) { return logs; },
                                .endpoint = [](std::string_view) { return nullptr; }});
  w.clock.advance(std::chrono::minutes{10});
  w.schedules.tick();
  eventually([&] { return w.schedules.counts().succeeded == 1; });
  eventually([&] { return hanging > 0; });  // they have slots of their own
  let_go.set_value();
  eventually([&] { return w.schedules.counts().succeeded == 21; });
}

TEST(Schedules, AFailedRunIsCountedAndLogged) {
  World w;
  w.engine.on_step([](const SandboxSpec&, const StepRunner::OutputSink& output,
                      std::stop_token) -> Result<StepRunner::Outcome> {
    output("no database\n");
    return StepRunner::Outcome{.exit = {.code = 1}};
  });
  const Deployment deployment = add_nightly(w, {.with_schedules = true});
  w.schedules.watch(deployment);
  w.clock.advance(std::chrono::minutes{10});
  w.schedules.tick();
  eventually([&] { return w.schedules.counts().failed == 1; });
  const std::string log = log_tail(w.fleet.log_directory(deployment.id), 4096);
  EXPECT_NE(log.find("no database"), std::string::npos) << log;
}

TEST(Schedules, ThatNeverRunAreSaid) {
  World w;
  const auto codes_with = [&](std::string_view schedule) {
    std::set<std::string> codes;
    const Deployment deployment = w.deploy(
        "shop", {{"index.html", "<p>hi</p>"},
                 {"vercel.json",
                  fmt::format(R"({{"crons":[{{"path":"/api/x","schedule":"{}"}}]}})", schedule)}});
    for (const Warning& finding : deployment.findings) codes.insert(finding.code);
    return codes;
  };
  for (const char* never : {"0 25 * * *", "0 11 ? * 1", "every day", "0 0 31 2 *"})
    EXPECT_TRUE(codes_with(never).contains("schedule_never_runs")) << never;
  EXPECT_FALSE(codes_with("0 3 * * *").contains("schedule_never_runs"));
}

}  // namespace
}  // namespace slipway
