#pragma once

// For tests of the fleet: a fleet over a fake engine, with an app that answers.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/mutex.h"
#include "db/stores.h"
#include "deploy/fleet.h"
#include "engine/fake_engine.h"
#include "sys/files.h"

namespace slipway::testing {

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
  // Called when a request came, before it is answered.
  Guarded<std::function<void()>> on_request;

 private:
  void serve(std::stop_token stop) {
    while (!stop.stop_requested()) {
      pollfd poll{.fd = socket_.get(), .events = POLLIN};
      if (::poll(&poll, 1, 20) <= 0) continue;
      const Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      char request[4096];
      const ssize_t got = ::recv(client.get(), request, sizeof request, 0);
      const std::string_view asked(request, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      if (const std::function<void()> told = *on_request.lock()) told();
      const std::string answer =
          fmt::format("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n",
                      asked.starts_with("GET /never ") ? 503 : status.load());
      std::ignore = ::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }
  Fd socket_;
  int port_ = 0;
  std::jthread thread_;
};

// The time; and a moment in whatever asks for it.
class HookedClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override { return real_.now(); }
  [[nodiscard]] Duration monotonic() const override {
    if (hook) hook();
    return real_.monotonic();
  }
  std::function<void()> hook;  // set before threads are there

 private:
  SystemClock real_;
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
    return add(draft(alias, config_version));
  }
  Deployment add(const Deployment& deployment) {
    EXPECT_TRUE(repository->ensure_project({}, deployment.project, clock.now()));
    return repository->add({}, deployment, {}).value();
  }
  Deployment draft(const std::string& alias, std::int64_t config_version = 0) {
    Deployment deployment;
    deployment.id = DeploymentId::random();
    deployment.project = "shop";
    deployment.alias = alias;
    deployment.state = DeploymentState::ready;
    deployment.created_at = clock.now();
    deployment.source = sha256("x");
    deployment.artifact.start = "node server.js";
    deployment.config_version = config_version;
    return deployment;
  }
  // It runs a worker and nothing else.
  Deployment add_worker() {
    Deployment deployment = draft("worker");
    Service service;
    service.name = "mailer";
    service.kind = "worker";
    deployment.plan.services = {service};
    return add(deployment);
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
    return fleet.backend(deployment)->state();
  }

  static constexpr int default_port_of_app = 8080;
  TempDir directory =
      TempDir::create(std::filesystem::temp_directory_path(), "slipway-fleet-").value();
  TinyApp app;
  Settings settings;
  HookedClock clock;
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
  Mutex lost_mutex;
  std::vector<Deployment> lost;
  bool refuse_lost = false;  // the next one, once
  Fleet fleet{{.settings = settings,
               .clock = clock,
               .engine = engine,
               .repository = *repository,
               .layers = layers,
               .builder = builder,
               .names = names,
               .environments = environments},
              [this](const Deployment& deployment) -> Status {
                const MutexLock lock(lost_mutex);
                if (std::exchange(refuse_lost, false)) return fail(Errc::disk_full, "no space");
                lost.push_back(deployment);
                return {};
              }};
};

}  // namespace slipway::testing
