#include "deploy/fleet.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "db/stores.h"
#include "engine/fake_engine.h"
#include "sys/files.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

// Answers every connection on a loopback port with one fixed HTTP response, as a tiny app would.
class TinyApp {
 public:
  TinyApp() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(socket_.get(), 16), 0);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](std::stop_token stop) { serve(stop); });
  }
  [[nodiscard]] int port() const { return port_; }
  std::atomic<int> status = 200;

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
    }
  }
  Fd socket_;
  int port_ = 0;
  std::jthread thread_;
};

class FleetTest : public ::testing::Test {
 protected:
  FleetTest() {
    settings.data = directory.path();
    settings.instances.start_timeout = 10s;
    settings.previews.idle = 10min;
    engine.map_port(default_port_of_app, app.port());
  }

  Deployment add(const std::string& alias = "preview", std::int64_t config_version = 0) {
    EXPECT_TRUE(repository->ensure_project({}, "shop", clock.now()));
    Deployment deployment;
    deployment.id = DeploymentId::random();
    deployment.project = "shop";
    deployment.alias = alias;
    deployment.state = DeploymentState::ready;
    deployment.created_at = clock.now();
    deployment.source = sha256("x");
    deployment.artifact.start = "node server.js";
    deployment.config_version = config_version;
    return repository->add({}, deployment, {}).value();
  }

  // Waits for a condition that another thread brings about.
  template <class Condition>
  static void eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waited in vain";
      std::this_thread::yield();
    }
  }
  // Whether another instance than this one runs.
  bool replaced(const std::string& first) {
    const std::vector<std::string> running = engine.running();
    return !running.empty() && running.front() != first;
  }
  void eventually_in(const Deployment& deployment, DeploymentState state) {
    eventually([&] { return repository->get(deployment.id).value().state == state; });
  }
  // Starts it, and ends each of its instances as soon as it answers.
  void crash_until_given_up(const Deployment& deployment) {
    ASSERT_TRUE(fleet.start(deployment, {}));
    for (int crash = 1; crash <= 5; ++crash) {
      eventually([&] {
        return state_of(deployment) == Backend::State::ready && !engine.running().empty();
      });
      engine.exit(engine.running().at(0), {.code = 1});
      eventually([&] { return fleet.counts().crashes == static_cast<std::uint64_t>(crash); });
    }
    eventually_in(deployment, DeploymentState::failed);
  }
  Backend::State state_of(const Deployment& deployment) {
    return fleet.backend(deployment.id)->state();
  }

  static constexpr int default_port_of_app = 8080;
  TempDir directory =
      TempDir::create(std::filesystem::temp_directory_path(), "slipway-fleet-").value();
  TinyApp app;
  Settings settings;
  SystemClock clock;
  FakeEngine engine;
  Stores stores = Stores::open(":memory:", clock).value();
  Repository* repository = stores.repository.get();
  SecretBox secret_box = SecretBox::open(directory.path() / "secrets.key").value();
  Environments environments{{.store = *stores.configurations, .box = secret_box, .clock = clock}};
  BlobStore blobs = BlobStore::open(directory.path()).value();
  LayerStore layers = LayerStore::open(directory.path()).value();
  Builder builder{
      {.cache = directory.path(), .toolchains = directory.path(), .scratch = directory.path()},
      blobs,
      layers,
      engine,
      clock,
      {}};
  Names names{"localhost", 7070};
  std::mutex lost_mutex;
  std::vector<Deployment> lost;
  Fleet fleet{{.settings = settings,
               .clock = clock,
               .engine = engine,
               .repository = *repository,
               .layers = layers,
               .builder = builder,
               .names = names,
               .environments = environments},
              [this](const Deployment& deployment) {
                std::lock_guard lock(lost_mutex);
                lost.push_back(deployment);
              }};
};

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
  fleet.wake(fleet.backend(deployment.id));
  eventually_in(deployment, DeploymentState::ready);
  EXPECT_EQ(state_of(deployment), Backend::State::ready);
  EXPECT_EQ(fleet.counts().wakes, 1u);
}

TEST_F(FleetTest, AnInstanceWithAnOpenRequestDoesNotSleep) {
  const Deployment deployment = add();
  ASSERT_TRUE(fleet.start(deployment, {}));
  const auto backend = fleet.backend(deployment.id);
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
  fleet.backend(a.id)->touch(clock.monotonic() + 1s);
  ASSERT_TRUE(fleet.start(c, {}));
  EXPECT_EQ(state_of(a), Backend::State::ready);
  EXPECT_EQ(state_of(b), Backend::State::asleep);
  EXPECT_EQ(repository->get(b.id).value().state_reason, "evicted");
}

TEST_F(FleetTest, ReachingTheCapWithBusyInstancesIsAClearError) {
  settings.previews.max_running = 1;
  const Deployment a = add("a");
  ASSERT_TRUE(fleet.start(a, {}));
  fleet.backend(a.id)->request_started(clock.monotonic());
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
    std::lock_guard lock(lost_mutex);
    return lost.size() == 1;
  });
  EXPECT_EQ(state_of(deployment), Backend::State::crashed);
}

// Hiding the secrets in the log reads the configuration, from the database that is being written.
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
  ASSERT_TRUE(fleet.remove(deployment.id));
  EXPECT_TRUE(engine.running().empty());
  EXPECT_EQ(fleet.counts().known, 0u);
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

}  // namespace
}  // namespace slipway
