#pragma once

// For tests: releases wired together as the server wires them, over deploy/testing/world.h.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "deploy/readiness.h"
#include "deploy/testing/world.h"
#include "release/releases.h"

namespace slipway::testing {

// An app on a loopback port: answers every request with `status`.
class FakeApp {
 public:
  FakeApp() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    std::ignore = ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length);
    ::listen(socket_.get(), 16);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }
  [[nodiscard]] int port() const { return port_; }
  std::atomic<int> status = 200;

 private:
  void serve(const std::stop_token& stop) {
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

class ReleaseWorld : public World {
 public:
  // `policy`: as World's.
  explicit ReleaseWorld(const std::string& policy = {}) : World(policy) {
    engine.map_port(default_port, app.port());
    ann.actor = {.kind = "human", .name = "ann"};
    ann.role = "admin";
    make();
  }
  ~ReleaseWorld() {
    pipeline.shut_down();  // as the server does: it tells the releases of what became ready
    releases.reset();
  }

  // As the server after a restart: over the same records, with empty routes.
  void restart() {
    releases.reset();
    crews.reset();
    make();
    restarted = releases->recover();
  }
  Deployment preview(const std::string& text, const Files& more = {}) {
    Files files{{"index.html", text}};
    files.insert(files.end(), more.begin(), more.end());
    return deploy("shop", files);
  }
  Deployment deploy_as(const AuditContext& by, const Files& files, DeployOptions options) {
    return settled(
        service
            .deploy(by, {.project = "shop", .upload = upload("shop", files), .options = options},
                    "")
            .value()
            .id);
  }
  // Something with an instance; no toolchain is needed for it.
  Deployment app_of(const std::string& version, DeployOptions options = {}) {
    if (options.start.empty()) options.start = "./serve";
    return deploy("shop", {{"serve", version}}, std::move(options));
  }
  Result<Rollout> promote(const Deployment& deployment, Releases::Promotion wanted = {}) {
    wanted.deployment = deployment.id;
    return releases->promote(ann, wanted);
  }
  // Waits, with the seconds going by, until `done` says so.
  template <class Done>
  Rollout until(const RolloutId& id, Done done) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    for (;;) {
      const Rollout seen = releases->rollout(id).value();
      if (done(seen)) return seen;
      if (std::chrono::steady_clock::now() > deadline) return seen;
      releases->tick();
      std::ignore = releases->wait(id, seen, 20ms);
    }
  }
  Rollout at(const RolloutId& id, RolloutState state) {
    return until(id, [&](const Rollout& seen) { return seen.state == state; });
  }
  Rollout over(const RolloutId& id) {
    return until(id, [](const Rollout& seen) { return is_over(seen.state); });
  }
  // The same, with the bake window going by again and again: when it begins is the driver's.
  Rollout baked(const RolloutId& id) {
    return until(id, [&](const Rollout& seen) {
      if (seen.state == RolloutState::watching) clock.advance(settings.releases.bake);
      return is_over(seen.state);
    });
  }
  // Promoted, watched and done: what production serves.
  Rollout live(const Deployment& deployment) { return baked(promote(deployment).value().id); }
  EnvironmentState production() {
    return stores.releases->environment("shop", "production").value();
  }
  // A record comes before what it says takes effect.
  bool comes_to_show(const std::string& host, std::string_view what) const {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (shows(host) != what && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    return shows(host) == what;
  }
  // What a host shows: "app", "site", "split" for a canary, a page's kind, or "".
  std::string shows(const std::string& host) const {
    const auto target = table.find(host);
    if (!target) return "";
    if (const auto* page = std::get_if<std::shared_ptr<const StatusPage>>(&*target))
      return (*page)->kind;
    const auto* split = std::get_if<std::shared_ptr<const TrafficSplit>>(&*target);
    if (split == nullptr) return "other";
    if ((*split)->arms.size() > 1) return "split";
    return (*split)->arms.front().target.index() == 0 ? "app" : "site";
  }
  // The deployment that production's host serves by files.
  DeploymentId site_of(const std::string& host) const {
    const auto split = std::get<std::shared_ptr<const TrafficSplit>>(table.find(host).value());
    return std::get<std::shared_ptr<const StaticSite>>(split->arms.back().target)->deployment();
  }
  // Whatever reads or writes the table fails, as on a disk that cannot be written to; until shown.
  void hide(const std::string& table) {
    EXPECT_TRUE(stores.database->transaction([&](Database::Transaction& session) {
      return session.execute("ALTER TABLE " + table + " RENAME TO hidden_" + table);
    }));
  }
  void show(const std::string& table) {
    EXPECT_TRUE(stores.database->transaction([&](Database::Transaction& session) {
      return session.execute("ALTER TABLE hidden_" + table + " RENAME TO " + table);
    }));
  }
  void rename_table(const std::string& from, const std::string& to) {
    EXPECT_TRUE(stores.database->transaction([&](Database::Transaction& transaction) {
      return transaction.execute("ALTER TABLE " + from + " RENAME TO " + to);
    }));
  }
  // Seconds go by while nothing can be seen.
  void pass(int seconds) const {
    for (int i = 0; i < seconds; ++i) {
      releases->tick();
      for (int turn = 0; turn < 200; ++turn) std::this_thread::yield();
    }
  }
  // Of production's release `number`: the states of its instances.
  std::vector<std::string> instances(std::int64_t number) const {
    std::vector<std::string> out;
    for (const Crews::Instance& each : crews->instances({"shop", "production", number}))
      out.push_back(each.state);
    return out;
  }
  // Waits until one instance of the release runs, and is ready.
  bool comes_to_run(std::int64_t number) const {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (instances(number) != std::vector<std::string>{"ready"} &&
           std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    return instances(number) == std::vector<std::string>{"ready"};
  }
  // A snapshot of production's volumes, which hold one file.
  std::string snapshot() const {
    const auto live = settings.data / "volumes" / "shop" / "production" / "live" / "data";
    EXPECT_TRUE(make_directories(live));
    EXPECT_TRUE(write_file_atomic(live / "kept", "1"));
    return volumes.snapshot("shop", "production", "test").value()->id;
  }
  // Waits until it has been told.
  bool told(std::string_view event) const {
    MutexLock lock(mutex_);
    return told_.wait_for(mutex_, 30s, [&]() SLIPWAY_REQUIRES(mutex_) {
      return std::ranges::find(alerts_, event) != alerts_.end();
    });
  }

  // What releases are made of, showing themselves in `into`.
  Releases::Parts parts(RouteTable& into) {
    return Releases::Parts{.settings = settings,
                           .clock = clock,
                           .store = *stores.releases,
                           .repository = *repository,
                           .crews = *crews,
                           .table = into,
                           .sites = sites,
                           .names = names,
                           .environments = environments,
                           .volumes = volumes,
                           .volume_store = *stores.volumes,
                           .governance = *governance,
                           .runner = engine,
                           .layers = layers,
                           .builder = builder,
                           .blobs = blobs,
                           .alert =
                               [this](const ReleaseAlert& alert) {
                                 const MutexLock lock(mutex_);
                                 alerts_.push_back(alert.event);
                                 told_.notify_all();
                               },
                           .domains = {},
                           .threads = threads};
  }

  FakeApp app;
  AuditContext ann;
  Volumes volumes{{.settings = settings, .clock = clock, .layers = layers}};
  std::unique_ptr<Crews> crews;
  std::unique_ptr<Releases> releases;
  Status restarted;

 private:
  void make() {
    crews = std::make_unique<Crews>(Crews::Parts{.settings = settings,
                                                 .clock = clock,
                                                 .engine = engine,
                                                 .repository = *repository,
                                                 .layers = layers,
                                                 .builder = builder,
                                                 .names = names,
                                                 .environments = environments,
                                                 .volumes = volumes});
    releases = std::make_unique<Releases>(parts(table));
    pipeline.on_ready([this](const Deployment& ready) { releases->promote_ready(ready); });
  }

  mutable Mutex mutex_;
  mutable CondVar told_;
  std::vector<std::string> alerts_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway::testing
