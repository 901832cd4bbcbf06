#include "router/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/log.h"
#include "base/mutex.h"
#include "base/task_group.h"
#include "router/api_workers.h"
#include "router/connections.h"
#include "router/health.h"
#include "router/session.h"
#include "router/upstream_pool.h"
#include "router/variants.h"

namespace slipway {
namespace {

constexpr std::string_view overload_answer =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
    "Connection: close\r\n\r\n";

// The coarsest clock that still honours the shortest limit.
Duration tick_of(const RouterSettings& settings) {
  const Duration shortest =
      std::min({settings.header_timeout, settings.idle_timeout, settings.upstream_connect_timeout,
                settings.wake_timeout, settings.body_timeout, settings.response_timeout,
                settings.tunnel_idle_timeout, settings.upstream_idle_timeout});
  return std::clamp<Duration>(shortest / 4, std::chrono::milliseconds{5}, std::chrono::seconds{1});
}

struct Shared {
  RouterSettings settings;
  const Clock& clock;
  RouteTable& routes;
  Api& api;
  Router::Wake wake;
  RouterCounters counters;
  Connections connections;
  std::function<void()> one_closed;  // from any lane's thread
};

// One thread: a loop and the sessions on it.
class LaneThread {
 public:
  LaneThread(Shared& shared, ApiWorkers& workers, VariantMaker& variants, Health& health)
      : shared_(shared),
        loop_(tick_of(shared.settings)),
        pool_(loop_, shared.settings.upstream_idle_connections,
              shared.settings.upstream_idle_timeout),
        lane_{
            .settings = shared.settings,
            .clock = shared.clock,
            .routes = shared.routes,
            .api = shared.api,
            .wake = shared.wake,
            .workers = workers,
            .health = health,
            .variants = variants,
            .counters = shared.counters,
            .loop = loop_,
            .pool = pool_,
            .id_state = static_cast<std::uint64_t>(shared.clock.now().time_since_epoch().count()) *
                            0x9e3779b97f4a7c15 ^
                        reinterpret_cast<std::uintptr_t>(this)} {}

  Loop& loop() { return loop_; }
  [[nodiscard]] Status start() {
    // What one session's bug throws ends neither the others nor the loop.
    return thread_.start([this](const std::stop_token&) {
      for (bool over = false; !over;)
        run_guarded("router", [&] {
          loop_.run();
          over = true;
        });
    });
  }

  // On this lane's thread.
  void adopt(Fd connection, const std::string& key) {
    if (lane_.draining) return closed_one(key);
    auto session = std::make_unique<Session>(lane_, std::move(connection),
                                             [this, key](Session& ended) { forget(ended, key); });
    Session& reference = *session;
    sessions_.emplace(&reference, std::move(session));
    reference.start();
  }

  // On this lane's thread: a connection that rests is closed, if there is one.
  void make_room() {
    for (std::list<Session*>* line : {&lane_.silent, &lane_.resting})
      if (!line->empty()) return line->front()->give_way();
  }

  // From another thread. `ended` is called on this lane's thread once no session is left.
  void drain(std::function<void()> ended) {
    loop_.post([this, ended = std::move(ended)]() mutable {
      lane_.draining = true;
      drained_ = std::move(ended);
      for (auto& [session, owner] : sessions_) session->drain();
      report_if_empty();
    });
  }
  void abort_all() {
    loop_.post([this] {
      for (auto& [session, owner] : sessions_) session->abort();
    });
  }
  void finish() {
    loop_.stop();
    thread_.join();
  }

 private:
  void forget(Session& session, const std::string& key) {
    loop_.post([this, dead = &session, key] {
      sessions_.erase(dead);
      closed_one(key);
      report_if_empty();
    });
  }
  void closed_one(const std::string& key) {
    shared_.connections.leave(key);
    shared_.one_closed();
  }
  void report_if_empty() {
    if (!sessions_.empty() || !drained_) return;
    const auto report = std::exchange(drained_, nullptr);
    report();
  }

  Shared& shared_;
  Loop loop_;
  UpstreamPool pool_;
  Lane lane_;
  std::unordered_map<Session*, std::unique_ptr<Session>> sessions_;
  std::function<void()> drained_;
  TaskGroup thread_{"router", 1};  // last: it uses the others
};

class RouterImpl final : public Router {
 public:
  RouterImpl(const RouterSettings& settings, const Clock& clock, RouteTable& routes, Api& api,
             Wake wake, Listener listener)
      : shared_{.settings = settings,
                .clock = clock,
                .routes = routes,
                .api = api,
                .wake = std::move(wake),
                .connections = {settings.max_connections, settings.max_per_address},
                .one_closed = [this] { closed(); }},
        listener_(std::move(listener)),
        workers_(shared_.settings.api_threads),
        health_(clock, health_parts()) {
    for (std::uint32_t i = 0; i < std::max(shared_.settings.threads, 1u); ++i)
      lanes_.push_back(std::make_unique<LaneThread>(shared_, workers_, variants_, health_));
  }

  [[nodiscard]] Status start() {
    SLIPWAY_CHECK(workers_.start());
    LaneThread& first = *lanes_.front();
    first.loop().post([this, &first] {
      listener_.accept(first.loop(), [this](Fd connection) { accept(std::move(connection)); });
    });
    for (auto& lane : lanes_) {
      Status started = lane->start();
      if (started) continue;
      for (auto& each : lanes_) each->finish();
      return started;
    }
    started_ = true;
    return {};
  }

  ~RouterImpl() override {
    if (started_ && !stopped_) stop(Duration::zero());
  }

  [[nodiscard]] int port() const override { return listener_.port(); }

  void stop(Duration grace) override {
    stopped_ = true;
    Mutex mutex;
    CondVar news;
    std::size_t left = lanes_.size();
    const auto one_ended = [&] {
      const MutexLock lock(mutex);
      --left;
      news.notify_all();
    };
    // The listener first, on its own thread, so that no connection comes between.
    lanes_.front()->loop().post([this] { listener_.close(); });
    for (auto& lane : lanes_) lane->drain(one_ended);
    MutexLock lock(mutex);
    if (!news.wait_for(mutex, grace, [&]() SLIPWAY_REQUIRES(mutex) { return left == 0; })) {
      for (auto& lane : lanes_) lane->abort_all();
      // What is left are API handlers, which end by themselves.
      news.wait(mutex, [&]() SLIPWAY_REQUIRES(mutex) { return left == 0; });
    }
    lock.unlock();
    workers_.stop();
    variants_.stop();
    for (auto& lane : lanes_) lane->finish();
  }

  [[nodiscard]] Counters counters() const override {
    const RouterCounters& c = shared_.counters;
    return {.requests = c.requests,
            .errors_5xx = c.errors_5xx,
            .bytes_in = c.bytes_in,
            .bytes_out = c.bytes_out,
            .connections = c.connections,
            .wakes = c.wakes};
  }

 private:
  // On the first lane's thread.
  void accept(Fd connection) {
    const std::string address = peer_address(connection.get());
    const std::string key = shared_.settings.trusted_proxies.contains(address)
                                ? std::string()
                                : connection_key(address);
    if (shared_.connections.enter(key) != Connections::Verdict::welcome) {
      Stream(lanes_.front()->loop(), std::move(connection)).send_now(overload_answer);
      return;
    }
    shared_.counters.connections.fetch_add(1, std::memory_order_relaxed);
    const bool tight = shared_.connections.tight();
    LaneThread& lane = *lanes_[next_lane_++ % lanes_.size()];
    if (&lane == lanes_.front().get()) {
      if (tight) lane.make_room();
      lane.adopt(std::move(connection), key);
    } else {
      lane.loop().post([&lane, tight, key, shared = std::make_shared<Fd>(std::move(connection))] {
        if (tight) lane.make_room();
        lane.adopt(std::move(*shared), key);
      });
    }
    if (!shared_.connections.full()) return;
    listener_.pause();
    paused_ = true;
    if (!shared_.connections.full()) resume();  // one ended in between
  }
  void resume() {
    if (paused_.exchange(false)) listener_.resume();
  }
  // On any lane's thread.
  void closed() {
    if (paused_ && !shared_.connections.full()) lanes_.front()->loop().post([this] { resume(); });
  }

  // Called when the lanes are there.
  std::vector<Health::Part> health_parts() {
    const auto tell = [](const Health::Answer& answer, Status submitted) {
      if (!submitted) answer(std::move(submitted));
    };
    std::vector<Health::Part> parts{
        {"store",
         [this, tell](const Health::Answer& answer) {
           tell(answer,
                workers_.submit_store_probe([this, answer] { answer(shared_.api.probe()); }));
         }},
        {"workers",
         [this, tell](const Health::Answer& answer) {
           tell(answer, workers_.submit_probe(CallKind::call, [answer] { answer({}); }));
         }},
        {"brakes", [this, tell](const Health::Answer& answer) {
           tell(answer, workers_.submit_probe(CallKind::brake, [answer] { answer({}); }));
         }}};
    for (std::uint32_t i = 0; i < std::max(shared_.settings.threads, 1u); ++i)
      parts.push_back({fmt::format("loop {}", i), [this, i](Health::Answer answer) {
                         lanes_[i]->loop().post([answer = std::move(answer)] { answer({}); });
                       }});
    return parts;
  }

  Shared shared_;
  Listener listener_;
  ApiWorkers workers_;
  Health health_;
  VariantMaker variants_;
  std::vector<std::unique_ptr<LaneThread>> lanes_;
  std::size_t next_lane_ = 0;
  std::atomic<bool> paused_{false};  // accepting
  bool started_ = false, stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<Router>> Router::start(RouterSettings settings, const Clock& clock,
                                              RouteTable& routes, Api& api, Wake wake) {
  SLIPWAY_TRY(Listener listener, Listener::listen(settings.listen_address, settings.port));
  auto router = std::make_unique<RouterImpl>(settings, clock, routes, api, std::move(wake),
                                             std::move(listener));
  SLIPWAY_CHECK(router->start());
  return router;
}

}  // namespace slipway
