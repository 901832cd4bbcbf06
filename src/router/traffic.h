#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "model/traffic_sample.h"
#include "router/route_table.h"

namespace slipway {

// Counts what one release answers, for canaries and health. Thread-safe; counting takes no lock.
class TrafficStats {
 public:
  // `micros`: from the request's head to the first byte of the app's answer, or to its failure. A
  // request whose client leaves before, or spoils its own body, is not counted.
  void count(bool error, std::uint64_t micros);
  [[nodiscard]] TrafficSample sample() const;

 private:
  std::atomic<std::uint64_t> errors_{0};
  std::array<std::atomic<std::uint64_t>, LatencyHistogram::size> latency_{};
};

// Several instances that answer the same: each request goes to the one with the fewest open
// requests, among those in service. Shared by routes; its members change while it serves. When none
// is in service, one that is not answers anyway (it may wait for a restart): a health check that is
// wrong must not take an app down. One that waits for a restart gets requests only when no other in
// service is ready; take it out of service while its restart is not near. Thread-safe; choosing
// takes one short lock.
class BackendPool {
 public:
  void add(std::shared_ptr<Backend> backend);
  void remove(const Backend* backend);
  // Health checks take an instance out of service and put it back.
  void set_in_service(const Backend* backend, bool in_service);

  // Null only while the pool is empty.
  [[nodiscard]] std::shared_ptr<Backend> choose();
  // choose(), with a request counted on it that the caller ends (Backend::request_ended()). A
  // backend that has been removed and has no open request gets none any more.
  [[nodiscard]] std::shared_ptr<Backend> enter(Duration now);
  // Likewise, but none of `tried`; null unless the best of the others is ready.
  [[nodiscard]] std::shared_ptr<Backend> enter_another(Duration now,
                                                       std::span<const Backend* const> tried);
  [[nodiscard]] std::vector<std::shared_ptr<Backend>> backends() const;
  [[nodiscard]] int open_requests() const;  // of all of them; tunnels count

 private:
  struct Seat {
    std::shared_ptr<Backend> backend;
    bool in_service = true;
  };
  // The best seat, in turn among equals; null when all are left out.
  [[nodiscard]] const std::shared_ptr<Backend>* pick(std::span<const Backend* const> left_out)
      SLIPWAY_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::vector<Seat> seats_ SLIPWAY_GUARDED_BY(mutex_);
  std::size_t next_ SLIPWAY_GUARDED_BY(mutex_) = 0;  // among equals, in turn
};

// Where a release's traffic goes. Immutable once published, apart from what its pools and
// statistics are. One arm: everything goes there. Two: the second one is the canary.
struct TrafficSplit {
  static constexpr std::uint32_t places = 10'000;

  struct Arm {
    std::variant<std::shared_ptr<BackendPool>, std::shared_ptr<const StaticSite>> target;
    std::shared_ptr<TrafficStats> stats;
    std::uint32_t share = places;  // of all clients, in hundredths of a percent
  };
  std::vector<Arm> arms;  // shares add up to 10,000
  // Which arm a client is given is a function of this and of the client, so that it stays with it:
  // the value of cookie_name when it sent a good one, else a hash of its address and user agent.
  // The first answer of a split with two arms sets the cookie. As a canary's share grows, clients
  // that had the canary keep it. The same salt for all steps of one rollout, another one for the
  // next (the rollout's id, say).
  std::string salt;
  static constexpr std::string_view cookie_name = "slipway_canary";

  [[nodiscard]] const Arm& arm_of(std::uint32_t place) const;  // place: 0..9,999
};

}  // namespace slipway
