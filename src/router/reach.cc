#include "router/reach.h"

#include <array>

#include "base/log.h"
#include "router/path_rules.h"
#include "router/responders.h"
#include "router/upstream_pool.h"

namespace slipway {
namespace {

using Expiry = Exchange::Expiry;

constexpr int wake_attempts = 3;
// How long a request that waits for an instance of a pool may overlook that another one is ready.
constexpr Duration pool_look = std::chrono::seconds{1};
// An app that was ready may be restarting; it has about 300 ms to take connections again.
constexpr std::array connect_pauses{std::chrono::milliseconds{10}, std::chrono::milliseconds{20},
                                    std::chrono::milliseconds{40}, std::chrono::milliseconds{80},
                                    std::chrono::milliseconds{160}};

}  // namespace

Reach::Reach(Exchange& exchange, Destination to) : x_(exchange), to_(std::move(to)) {
  if (to_.split) {
    backend_ = pool().enter(x_.began);
  } else {
    backend_ = std::move(to_.backend);
    backend_->request_started(x_.began);
  }
}

BackendPool& Reach::pool() const {
  return *std::get<std::shared_ptr<BackendPool>>(to_.split->arm_of(to_.place).target);
}

bool Reach::enter(std::shared_ptr<Backend> next) {
  if (!next) return false;
  leave();
  backend_ = std::move(next);
  return true;
}

void Reach::leave() {
  if (backend_) backend_->request_ended(x_.lane.clock.monotonic());
}

std::unique_ptr<Stream> Reach::take_resting() {
  if (!backend_) return nullptr;
  endpoint_ = backend_->endpoint();
  return endpoint_ ? x_.lane.pool.take(endpoint_) : nullptr;
}

// To an instance that is ready, better than this one, and has not been tried.
bool Reach::go_elsewhere() {
  if (!to_.split) return false;
  return enter(pool().enter_another(x_.lane.clock.monotonic(), tried_)) || follow_route();
}

// The route was read, and then the release that it led to ended.
bool Reach::follow_route() {
  const std::optional<RouteTarget> target = rest_of(x_.lane.routes.find(x_.routed_host));
  if (!target) return false;
  const auto* split = std::get_if<std::shared_ptr<const TrafficSplit>>(&*target);
  if (split == nullptr || *split == to_.split) return false;
  const TrafficSplit::Arm& arm = (*split)->arm_of(to_.place);
  const auto* next = std::get_if<std::shared_ptr<BackendPool>>(&arm.target);
  if (next == nullptr || next->get() == &pool()) return false;
  if (!enter((*next)->enter(x_.lane.clock.monotonic()))) return false;
  to_.split = *split;
  x_.counted_on = arm.stats.get();
  tried_.clear();
  return true;
}

Task<bool> Reach::settle() {
  int wakes = 0;
  const Duration give_up = x_.lane.clock.monotonic() + x_.lane.settings.wake_timeout;
  for (;;) {
    if (!backend_ && !enter(pool().enter(x_.lane.clock.monotonic())) && !follow_route()) {
      page_ = error_page({.code = Errc::unavailable, .message = "No instance of this app runs."},
                         form_of(x_));
      co_return false;
    }
    const Backend::State state = backend_->state();
    if (state == Backend::State::ready) {
      endpoint_ = backend_->endpoint();
      if (endpoint_) {
        x_.forget_expiry();
        co_return true;
      }
      continue;
    }
    if (go_elsewhere()) continue;
    if (state == Backend::State::crashed) {
      page_ = crashed_page(backend_->deployment(), backend_->crash_error(), form_of(x_));
      co_return false;
    }
    co_await wait_for_backend(wakes);
    if (x_.client_gone()) co_return false;
    const bool expired = x_.expired() && !to_.split;
    if (expired || x_.lane.clock.monotonic() >= give_up || wakes > wake_attempts) {
      if (!to_.split) backend_->give_up_wake();
      page_ = wake_timeout_page(backend_->deployment(), form_of(x_));
      co_return false;
    }
  }
}

Task<void> Reach::wait_for_backend(int& wakes) {
  x_.client.arm();  // to notice when it goes
  x_.forget_expiry();
  const Duration most = x_.lane.settings.wake_timeout;
  x_.deadline(to_.split ? std::min(pool_look, most) : most, Expiry::raise_signal);
  // The backend may call later than this request lives.
  const auto token = std::make_shared<Signal*>(&x_.signal);
  const auto announce = [weak = std::weak_ptr(token)] {
    if (const auto live = weak.lock()) (*live)->set();
  };
  // Those of a pool are not woken: whoever keeps the pool starts them.
  if (!to_.split && backend_->claim_wake()) {
    ++wakes;
    x_.lane.counters.wakes.fetch_add(1, std::memory_order_relaxed);
    x_.lane.wake(backend_);
  }
  backend_->when_settled([post = x_.lane.loop.poster(), announce] { post(announce); });
  co_await x_.signal.wait();
}

Task<std::unique_ptr<Stream>> Reach::connect() {
  for (std::size_t pauses = 0;;) {
    const bool settled = co_await settle();
    if (!settled) co_return nullptr;
    std::string why;
    if (Result<Fd> socket = endpoint_->dialer->dial(endpoint_->port, endpoint_->ipv6)) {
      auto stream = std::make_unique<Stream>(x_.lane.loop, *std::move(socket));
      x_.set_upstream(stream.get());
      x_.deadline(x_.lane.settings.upstream_connect_timeout, Expiry::close_upstream);
      const int error = co_await stream->connected();
      if (error == 0) co_return stream;
      x_.set_upstream(nullptr);
      why = fail_errno(error, "connect").error().message;
    } else {
      why = socket.error().message;
    }
    if (x_.client_gone()) co_return nullptr;
    tried_.push_back(backend_.get());
    if (go_elsewhere()) continue;
    tried_.clear();
    if (pauses == connect_pauses.size() || x_.expired()) {
      log_info("an app took no connection", {{"deployment", backend_->deployment().str()},
                                             {"port", endpoint_->port},
                                             {"error", why}});
      page_ = crashed_page(
          backend_->deployment(),
          {.code = Errc::unavailable, .message = "The app does not accept connections: " + why},
          form_of(x_));
      co_return nullptr;
    }
    x_.no_deadline();
    co_await x_.lane.loop.sleep(connect_pauses[pauses++]);
  }
}

}  // namespace slipway
