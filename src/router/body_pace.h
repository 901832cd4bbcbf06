#pragma once

#include <algorithm>
#include <cstdint>

#include "router/router.h"

namespace slipway {

// How long a client may still take over the body of its request. Only the time spent waiting for
// the client counts, so that a slow app costs the client nothing; each byte that comes earns time,
// at the least rate that is allowed. Belongs to one request.
class BodyPace {
 public:
  BodyPace(const RouterSettings& settings, const Clock& clock)
      : settings_(settings), clock_(clock) {}

  // Before waiting: how long the next bytes may take.
  [[nodiscard]] Duration begin_wait() {
    began_ = clock_.monotonic();
    return std::clamp(left(), Duration::zero(), settings_.body_timeout);
  }
  // After waiting, with what came.
  void end_wait(std::uint64_t bytes) {
    waited_ += clock_.monotonic() - began_;
    received_ += bytes;
  }
  [[nodiscard]] bool too_slow() const { return left() <= Duration::zero(); }

 private:
  [[nodiscard]] Duration left() const {
    const std::uint64_t rate = settings_.min_body_rate;
    if (rate == 0) return settings_.body_timeout;
    // Capped far below what the unit can hold; nobody waits for days.
    const std::uint64_t earned_ms = std::min<std::uint64_t>(received_, 1ull << 50) * 1000 / rate;
    return settings_.body_grace + std::chrono::milliseconds(earned_ms) - waited_;
  }

  const RouterSettings& settings_;
  const Clock& clock_;
  Duration began_{}, waited_{};
  std::uint64_t received_ = 0;
};

}  // namespace slipway
