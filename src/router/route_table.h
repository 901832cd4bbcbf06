#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "engine/engine.h"
#include "router/static_site.h"

namespace slipway {

// A deployment as the router sees it: where its instance listens, or that it sleeps. Shared by
// every route that leads to it (immutable URL, alias, production), so that a wake changes one
// object. Thread-safe.
class Backend {
 public:
  enum class State { asleep, waking, ready, crashed };
  struct Endpoint {
    std::shared_ptr<const Dialer> dialer;
    int port = 0;
    bool ipv6 = false;
  };

  explicit Backend(DeploymentId deployment) : deployment_(std::move(deployment)) {}

  [[nodiscard]] const DeploymentId& deployment() const { return deployment_; }
  [[nodiscard]] State state() const;
  // Nothing unless ready.
  [[nodiscard]] std::shared_ptr<const Endpoint> endpoint() const;
  [[nodiscard]] Error crash_error() const;

  // Set by the fleet (deploy/). Each wakes the requests that wait in the router.
  void set_ready(Endpoint endpoint);
  void set_waking();
  void set_asleep();
  void set_crashed(Error error);

  // Set by the router: for idle detection.
  [[nodiscard]] Duration last_request() const {
    return Duration(last_request_.load(std::memory_order_relaxed));
  }
  [[nodiscard]] int open_requests() const { return open_requests_.load(std::memory_order_relaxed); }
  void request_started(Duration now);
  void request_ended(Duration now);
  // Counts as used now, without a request: it has just been started.
  void touch(Duration now) { last_request_.store(now.count(), std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t bytes_sent() const {
    return bytes_sent_.load(std::memory_order_relaxed);
  }
  void count_bytes(std::uint64_t bytes) { bytes_sent_.fetch_add(bytes, std::memory_order_relaxed); }

  // `waiter` is called once, from any thread, at the next change of state other than to `waking`
  // (at once when ready or crashed). It may outlive the router.
  void when_settled(std::function<void()> waiter);
  // True for the first who asks since the last set_ready(), set_asleep() or set_crashed(): that one
  // calls wake. give_up_wake() lets the next one try again.
  [[nodiscard]] bool claim_wake();
  void give_up_wake();

 private:
  void settle(State state, std::shared_ptr<const Endpoint> endpoint, Error error);

  const DeploymentId deployment_;
  mutable Mutex mutex_;
  State state_ SLIPWAY_GUARDED_BY(mutex_) = State::asleep;
  std::shared_ptr<const Endpoint> endpoint_ SLIPWAY_GUARDED_BY(mutex_);
  Error error_ SLIPWAY_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> waiters_ SLIPWAY_GUARDED_BY(mutex_);
  bool wake_claimed_ SLIPWAY_GUARDED_BY(mutex_) = false;
  std::atomic<std::int64_t> last_request_{0};
  std::atomic<int> open_requests_{0};
  std::atomic<std::uint64_t> bytes_sent_{0};
};

// A page in place of an app: still building, failed (with the failing step), expired, removed.
// HTML, or JSON for clients that ask for it.
struct StatusPage {
  std::string kind;  // building | failed | canceled | expired | deleted | stopped |
                     // background
  std::string project, deployment, step;
  std::optional<Error> error;
};

struct TrafficSplit;  // router/traffic.h: an environment's releases
struct PathRules;     // router/path_rules.h: a host shared by the services of a deployment

using RouteTarget =
    std::variant<std::shared_ptr<Backend>, std::shared_ptr<const StaticSite>,
                 std::shared_ptr<const StatusPage>, std::shared_ptr<const TrafficSplit>,
                 std::shared_ptr<const PathRules>>;

// Host name (lower case, without port) -> target. Readers see an immutable snapshot; publishing
// swaps pointers, so a request sees the old or the new table and never a mixture. 20,000 routes are
// ordinary: publishing one must not copy them all.
//
// It is the one registry of host names, and what serves an environment comes before what shows a
// preview: whatever deployments and their aliases publish for a host that an environment has stays
// behind it, and is seen when the environment gives the host up. Thread-safe.
class RouteTable {
 public:
  enum class Claim { deployment, environment };
  RouteTable();
  ~RouteTable();
  [[nodiscard]] std::optional<RouteTarget> find(std::string_view host) const;
  // All of it becomes visible at once; an empty target removes the route.
  using Change = std::pair<std::string, std::optional<RouteTarget>>;
  void publish(std::vector<Change> changes, Claim claim = Claim::deployment);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Snapshot;
  [[nodiscard]] std::shared_ptr<const Snapshot> current() const;
  // What is left to do of the changes once it is known who has the hosts.
  [[nodiscard]] std::vector<Change> settled(std::vector<Change> wanted, Claim claim)
      SLIPWAY_REQUIRES(publish_mutex_);

  // Held for copying or swapping a pointer only. Not std::atomic<std::shared_ptr>: libstdc++ 12
  // unlocks its load() with relaxed order, which races with the next store().
  mutable Mutex snapshot_mutex_ SLIPWAY_ACQUIRED_AFTER(publish_mutex_);
  std::shared_ptr<const Snapshot> snapshot_ SLIPWAY_GUARDED_BY(snapshot_mutex_);
  Mutex publish_mutex_;  // one publisher at a time
  // Hosts that environments have, and what stays behind them.
  std::unordered_map<std::string, std::optional<RouteTarget>> behind_
      SLIPWAY_GUARDED_BY(publish_mutex_);
};

}  // namespace slipway
