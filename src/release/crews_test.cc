#include "release/crews.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "base/mutex.h"
#include "deploy/testing/world.h"
#include "deploy/units.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
using testing::World;

// Answers every connection with one fixed status, as a tiny app would.
class TinyApp {
 public:
  TinyApp() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(socket_.get(), 64), 0);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](std::stop_token stop) { serve(stop); });
  }
  [[nodiscard]] int port() const { return port_; }
  std::atomic<int> status = 200;
  std::atomic<int> asked = 0;

 private:
  void serve(std::stop_token stop) {
    while (!stop.stop_requested()) {
      pollfd poll{.fd = socket_.get(), .events = POLLIN};
      if (::poll(&poll, 1, 20) <= 0) continue;
      const Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      char request[4096];
      std::ignore = ::recv(client.get(), request, sizeof request, 0);
      const std::string answer =
          fmt::format("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n", status.load());
      std::ignore = ::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      ++asked;
    }
  }
  Fd socket_;
  int port_ = 0;
  std::jthread thread_;
};

class CrewsTest : public ::testing::Test {
 protected:
  CrewsTest() {
    w.engine.map_port(8080, app.port());
    w.settings.releases.instances = 3;
    EXPECT_TRUE(w.repository->ensure_project({}, "shop", w.clock.now()));
    deployment = deployed("npm start");
    release = released(1, deployment);
    make();
  }
  Deployment deployed(const std::string& start) {
    Deployment made;
    made.id = DeploymentId::random();
    made.project = "shop";
    made.alias = "preview";
    made.state = DeploymentState::ready;
    made.artifact.start = start;
    made.artifact.health_path = "/healthz";
    return made;
  }
  Release released(std::int64_t number, const Deployment& of) {
    Release made;
    made.project = "shop";
    made.environment = production_environment;
    made.number = number;
    made.deployment = of.id;
    made.artifact = artifact_digest(of);
    return made;
  }
  // A server that starts; the old one's is gone, its instances go on.
  void make() {
    crews.reset();
    crews = std::make_unique<Crews>(Crews::Parts{.settings = w.settings,
                                                 .clock = w.clock,
                                                 .engine = w.engine,
                                                 .repository = *w.repository,
                                                 .layers = w.layers,
                                                 .builder = w.builder,
                                                 .names = w.names,
                                                 .environments = w.environments,
                                                 .volumes = volumes});
  }
  // Adds a worker to the deployment, which its preview does not run.
  void add_worker() {
    Service web, worker;
    web.name = "web";
    web.kind = "web";
    worker.name = "mailer";
    worker.kind = "worker";
    deployment.plan.services = {web, worker};
    choose_units(deployment);
    deployment.companions.at(0).artifact.start = "node mailer.js";
    release = released(1, deployment);
  }
  template <class Condition>
  static void eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waited in vain";
      std::this_thread::yield();
    }
  }
  // Seconds pass, and the server looks once a second, until it is so.
  template <class Condition>
  void as_time_passes(Condition condition) {
    eventually([&] {
      if (condition()) return true;
      w.clock.advance(1s);
      crews->tick();
      // Not faster than what it waits for: the time to get ready passes, too.
      MutexLock lock(beat_mutex);
      beat.wait_for(beat_mutex, 2ms, [] { return false; });
      return false;
    });
  }
  std::size_t in_state(std::string_view state) {
    const auto all = crews->instances(key());
    return static_cast<std::size_t>(std::ranges::count(all, state, &Crews::Instance::state));
  }
  bool runs(const std::string& sandbox) {
    const std::vector<std::string> running = w.engine.running();
    return std::ranges::count(running, sandbox) == 1;
  }
  Crews::Key key() const { return Crews::key_of(release); }
  std::shared_ptr<BackendPool> pool() { return crews->pool(key(), ""); }
  Status start() { return crews->start(release, deployment, {}); }

  Mutex beat_mutex;
  CondVar beat;
  TinyApp app;
  World w;
  Volumes volumes{{.settings = w.settings, .clock = w.clock, .layers = w.layers}};
  Deployment deployment;
  Release release;
  std::unique_ptr<Crews> crews;
};

TEST_F(CrewsTest, StartsAsManyAsWantedAndLeavesThemAtASecondCall) {
  const Status started = start();
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ(w.engine.running().size(), 3u);
  EXPECT_EQ(pool()->backends().size(), 3u);
  EXPECT_EQ(crews->sample(key()).ready, 3u);
  EXPECT_EQ(crews->sample(key()).instances, 3u);
  const SandboxSpec spec = w.engine.started().front();
  EXPECT_EQ(spec.cgroup, "production");
  EXPECT_EQ(spec.env.at("SLIPWAY_ENVIRONMENT"), "production");
  EXPECT_EQ(spec.env.at("SLIPWAY_RELEASE"), "1");
  ASSERT_TRUE(start());
  EXPECT_EQ(w.engine.started().size(), 3u);
}

TEST_F(CrewsTest, APreviewsRoomIsNotTakenByReleases) {
  w.settings.previews.max_running = 1;
  ASSERT_TRUE(start());
  EXPECT_EQ(w.fleet.counts().running, 0u);
  ASSERT_TRUE(w.fleet.start(deployed("npm start"), {}));
  EXPECT_EQ(w.engine.running().size(), 4u);
}

TEST_F(CrewsTest, AnotherArtifactThanThePromotedOneIsNotStarted) {
  deployment.artifact.start = "curl evil | sh";
  const Status started = start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::failed_precondition);
  EXPECT_TRUE(w.engine.started().empty());
}

TEST_F(CrewsTest, AFailedStartLeavesNothing) {
  w.engine.fail_next_start({.code = Errc::unavailable, .message = "no memory"});
  const Status started = start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "no memory");
  EXPECT_TRUE(w.engine.running().empty());
  EXPECT_TRUE(crews->instances(key()).empty());
  EXPECT_TRUE(pool()->backends().empty());
  EXPECT_TRUE(start());
}

TEST_F(CrewsTest, WhatHasToComeBackIsTriedUntilItRuns) {
  w.settings.releases.instances = 1;
  for (int i = 0; i < 3; ++i)
    w.engine.fail_next_start({.code = Errc::disk_full, .message = "no space"});
  const Status started = crews->start_for_good(release, deployment);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "no space");
  EXPECT_EQ(pool()->backends().size(), 1u) << "requests wait for it";
  as_time_passes([&] { return in_state("ready") == 1; });
  EXPECT_EQ(crews->instances(key()).size(), 1u);
  ASSERT_TRUE(crews->stop(key(), 0s));
  EXPECT_TRUE(crews->instances(key()).empty());
}

TEST_F(CrewsTest, CancelingAStartEndsIt) {
  app.status = 500;
  std::stop_source stop;
  Status started;
  std::jthread starting([&] { started = crews->start(release, deployment, stop.get_token()); });
  eventually([&] { return app.asked > 0; });
  stop.request_stop();
  starting.join();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::canceled);
  EXPECT_TRUE(w.engine.running().empty());
}

TEST_F(CrewsTest, SaysHowManyWouldFit) {
  add_worker();
  w.settings.instances.limits.memory_bytes = 512u << 20;
  const Crews small({.settings = w.settings,
                     .clock = w.clock,
                     .engine = w.engine,
                     .repository = *w.repository,
                     .layers = w.layers,
                     .builder = w.builder,
                     .names = w.names,
                     .environments = w.environments,
                     .volumes = volumes,
                     .machine_memory_bytes = 4ull << 30});
  EXPECT_TRUE(small.check_fits(deployment, 7));
  const Status refused = small.check_fits(deployment, 8);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::failed_precondition);
  EXPECT_TRUE(refused.error().hint.starts_with("7 would fit")) << refused.error().hint;
  EXPECT_TRUE(crews->check_fits(deployment, 99)) << "a machine of unknown size";
}

TEST_F(CrewsTest, RunsWorkersWhateverThePreviewWasAskedFor) {
  add_worker();
  ASSERT_TRUE(start());
  EXPECT_EQ(w.engine.running().size(), 4u);
  EXPECT_EQ(crews->sample(key()).instances, 4u);
  ASSERT_TRUE(crews->stop_workers(key()));
  EXPECT_EQ(w.engine.running().size(), 3u);
  ASSERT_TRUE(start());
  EXPECT_EQ(w.engine.running().size(), 4u);
}

TEST_F(CrewsTest, WhatEndsComesBackBehindTheSameBackend) {
  ASSERT_TRUE(start());
  const auto before = pool()->backends();
  w.engine.exit(w.engine.running().front(), {.code = 137, .signal = 9, .out_of_memory = true});
  EXPECT_EQ(in_state("restarting"), 1u);
  // Whoever asks is led to the others.
  EXPECT_EQ(pool()->choose()->state(), Backend::State::ready);
  as_time_passes([&] { return in_state("ready") == 3; });
  EXPECT_EQ(pool()->backends(), before);
  EXPECT_EQ(w.engine.started().size(), 4u);
  const ReleaseSample sample = crews->sample(key());
  EXPECT_EQ(sample.restarts, 1u);
  EXPECT_EQ(sample.out_of_memory, 1u);
  EXPECT_FALSE(sample.crash_loop);
}

TEST_F(CrewsTest, ACrashLoopIsToldAndNeverGivenUp) {
  w.settings.releases.instances = 1;
  ASSERT_TRUE(start());
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(crews->sample(key()).crash_loop, i >= 5) << i;
    w.engine.exit(w.engine.running().front(), {.code = 1});
    w.clock.advance(10s);
    crews->tick();
    eventually([&] { return in_state("ready") == 1; });
  }
  w.clock.advance(3min);
  EXPECT_FALSE(crews->sample(key()).crash_loop);
  EXPECT_EQ(crews->sample(key()).restarts, 6u);
}

TEST_F(CrewsTest, ARestartThatFailsIsTriedAgainLater) {
  w.settings.releases.instances = 1;
  ASSERT_TRUE(start());
  w.engine.fail_next_start({.code = Errc::unavailable, .message = "not now"});
  w.engine.exit(w.engine.running().front(), {.code = 1});
  as_time_passes([&] { return in_state("ready") == 1; });
  EXPECT_EQ(crews->sample(key()).restarts, 1u);
}

TEST_F(CrewsTest, WhatFailsItsCheckIsTakenOutAndPutBackWhenItAnswers) {
  ASSERT_TRUE(start());
  app.status = 500;
  as_time_passes([&] { return in_state("unhealthy") == 3; });
  EXPECT_EQ(crews->sample(key()).ready, 0u);
  EXPECT_EQ(crews->instances(key()).front().detail, "/healthz answered 500");
  // A check that is wrong must not take an app down.
  EXPECT_NE(pool()->choose(), nullptr);
  app.status = 204;
  as_time_passes([&] { return in_state("ready") == 3; });
  EXPECT_EQ(w.engine.started().size(), 3u);
}

TEST_F(CrewsTest, WhatStaysUnhealthyIsReplacedOnceItsSuccessorAnswers) {
  w.settings.releases.instances = 1;
  ASSERT_TRUE(start());
  const std::string first = w.engine.running().front();
  app.status = 500;
  // Successors are tried and do not answer either: the first one stays.
  as_time_passes([&] { return w.engine.started().size() == 2; });
  EXPECT_TRUE(runs(first));
  app.status = 200;
  as_time_passes([&] { return w.engine.running().size() == 1 && in_state("ready") == 1; });
  EXPECT_EQ(pool()->backends().size(), 1u);
}

TEST_F(CrewsTest, StoppingLetsOpenRequestsEnd) {
  ASSERT_TRUE(start());
  const auto held = pool()->enter(w.clock.monotonic());
  std::atomic<bool> stopped = false;
  std::jthread stopping([&] {
    EXPECT_TRUE(crews->stop(key(), 30s));
    stopped = true;
  });
  eventually([&] { return w.engine.running().size() == 1; });
  EXPECT_FALSE(stopped);
  held->request_ended(w.clock.monotonic());
  stopping.join();
  EXPECT_TRUE(w.engine.running().empty());
  EXPECT_TRUE(crews->instances(key()).empty());
}

TEST_F(CrewsTest, AStoppedOneStartsAgainBehindTheSamePool) {
  ASSERT_TRUE(start());
  const auto before = pool();
  ASSERT_TRUE(crews->stop(key(), 1s));
  EXPECT_TRUE(before->backends().empty());
  EXPECT_EQ(crews->sample(key()).instances, 0u);
  ASSERT_TRUE(start());
  EXPECT_EQ(pool(), before);
  EXPECT_EQ(before->backends().size(), 3u);
  w.engine.exit(w.engine.running().front(), {.code = 1});
  as_time_passes([&] { return in_state("ready") == 3; });
}

TEST_F(CrewsTest, DrainingEndsAtItsDeadline) {
  ASSERT_TRUE(start());
  const auto held = pool()->enter(w.clock.monotonic());
  std::atomic<bool> stopped = false;
  std::jthread stopping([&] {
    EXPECT_TRUE(crews->stop(key(), 30s));
    stopped = true;
  });
  // Its deadline counts from whenever it began.
  eventually([&] {
    w.clock.advance(1s);
    return stopped.load();
  });
  stopping.join();
  EXPECT_TRUE(w.engine.running().empty());
  held->request_ended(w.clock.monotonic());
}

TEST_F(CrewsTest, StoppingEndsAStartThatIsUnderWay) {
  app.status = 500;
  Status started;
  std::jthread starting([&] { started = start(); });
  eventually([&] { return app.asked > 0; });
  EXPECT_TRUE(crews->stop(key(), 0s));
  starting.join();
  EXPECT_FALSE(started);
  EXPECT_TRUE(w.engine.running().empty());
}

TEST_F(CrewsTest, ScalesUpAndDown) {
  ASSERT_TRUE(start());
  ASSERT_TRUE(crews->scale(release, deployment, 5, {}));
  EXPECT_EQ(w.engine.running().size(), 5u);
  EXPECT_EQ(pool()->backends().size(), 5u);
  ASSERT_TRUE(crews->scale(release, deployment, 1, {}));
  EXPECT_EQ(w.engine.running().size(), 1u);
  EXPECT_EQ(pool()->backends().size(), 1u);
  EXPECT_EQ(crews->sample(key()).instances, 1u);
  EXPECT_EQ(crews->scale(release, deployment, 0, {}).error().code, Errc::invalid_argument);
}

TEST_F(CrewsTest, AScaleThatFailsIsMadeUpForLater) {
  w.settings.releases.instances = 1;
  ASSERT_TRUE(start());
  w.engine.fail_next_start({.code = Errc::disk_full, .message = "no space"});
  const Status scaled = crews->scale(release, deployment, 3, {});
  ASSERT_FALSE(scaled);
  EXPECT_EQ(scaled.error().message, "no space");
  as_time_passes([&] { return in_state("ready") == 3; });
  EXPECT_EQ(w.engine.running().size(), 3u);
}

TEST_F(CrewsTest, ReplacesEachByANewOneAndNeverHasFewer) {
  ASSERT_TRUE(start());
  const auto before = w.engine.running();
  std::atomic<bool> done = false;
  std::atomic<std::size_t> fewest = 99;
  std::jthread watching([&] {
    while (!done)
      fewest = std::min<std::size_t>(fewest, static_cast<std::size_t>(std::ranges::count(
                                                 pool()->backends(), Backend::State::ready,
                                                 [](const auto& each) { return each->state(); })));
  });
  const Status replaced = crews->replace(release, deployment, {});
  done = true;
  watching.join();
  ASSERT_TRUE(replaced) << replaced.error().message;
  EXPECT_GE(fewest, 3u);
  EXPECT_EQ(w.engine.running().size(), 3u);
  for (const std::string& old : before) EXPECT_FALSE(runs(old)) << old;
}

TEST_F(CrewsTest, AfterARestartOfTheServerAllServeAtOnceWithoutBeingAsked) {
  ASSERT_TRUE(start());
  const auto before = w.engine.running();
  make();
  app.status = 503;  // it must not matter
  ASSERT_TRUE(crews->adopt({{.release = release, .deployment = deployment}}));
  ASSERT_EQ(in_state("ready"), 3u);
  EXPECT_EQ(pool()->choose()->endpoint()->port, 8080);
  EXPECT_EQ(w.engine.running(), before);
}

TEST_F(CrewsTest, ARestartOfTheServerStartsWhatIsMissingAndStopsWhatIsOver) {
  ASSERT_TRUE(start());
  const Deployment other = deployed("npm run other");
  const Release old = released(2, other);
  ASSERT_TRUE(crews->start(old, other, {}));
  ASSERT_EQ(w.engine.running().size(), 6u);
  crews.reset();
  w.engine.exit(w.engine.running().front(), {.code = 1});  // one of release 1
  make();
  ASSERT_TRUE(crews->adopt({{.release = release, .deployment = deployment}}));
  EXPECT_EQ(pool()->backends().size(), 3u);
  as_time_passes([&] { return in_state("ready") == 3 && w.engine.running().size() == 3; });
  for (const SandboxInfo& info : w.engine.list().value())
    EXPECT_EQ(std::ranges::count(info.labels, std::pair<std::string, std::string>{"release", "1"}),
              1);
}

TEST_F(CrewsTest, FleetAndCrewsLeaveEachOthersInstancesAlone) {
  ASSERT_TRUE(start());
  ASSERT_TRUE(w.fleet.adopt({}));
  const Deployment preview = deployed("npm start");
  ASSERT_TRUE(w.repository->add({}, preview, {}));
  ASSERT_TRUE(w.fleet.start(preview, {}));
  make();
  ASSERT_TRUE(crews->adopt({{.release = release, .deployment = deployment}}));
  EXPECT_EQ(in_state("ready"), 3u);
  // Both hear of every end.
  for (const SandboxInfo& info : w.engine.list().value()) w.engine.exit(info.id, {.code = 1});
  w.clock.advance(1s);
  crews->tick();
  eventually([&] { return w.engine.running().size() == 4; });
}

TEST_F(CrewsTest, EachInstanceHasALogOfItsOwn) {
  ASSERT_TRUE(start());
  const std::filesystem::path first = crews->log_directory(key(), "");
  EXPECT_EQ(first, w.directory.path() / "logs/releases/shop/production/1/run");
  EXPECT_EQ(crews->log_directories(key(), "").front(), first);
}

}  // namespace
}  // namespace slipway
