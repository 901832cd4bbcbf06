#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "identity/principal.h"

namespace slipway {

// How often something may happen: `burst` at once, then one each `every`.
struct Rate {
  double burst = 1;
  Duration every{};
};

// How fast actors may be; the server takes it from its settings. An agent is slower than a person
// on purpose: what it does wrong it does again at once.
struct SpeedLimits {
  Rate human_requests{2000, std::chrono::milliseconds{5}};
  Rate agent_requests{300, std::chrono::milliseconds{50}};
  // Deployments of one actor in one project, and of all actors in one project.
  Rate human_deploys{300, std::chrono::milliseconds{250}};
  Rate agent_deploys{20, std::chrono::seconds{3}};
  Rate project_deploys{400, std::chrono::milliseconds{125}};
};

// Token buckets in memory, one for each actor of a delegation: what a sub-agent does counts for
// everybody above it, so a new name buys no new speed. Forgets those that are full again; at the
// most 16,384 are kept. Thread-safe.
class SpeedGate {
 public:
  SpeedGate(const Clock& clock, SpeedLimits limits) : clock_(clock), limits_(limits) {}

  // Counts one, or says how long to wait. The time is never zero.
  [[nodiscard]] std::optional<Duration> request(const Principal& principal);
  [[nodiscard]] std::optional<Duration> deploy(const Principal& principal,
                                               std::string_view project);

 private:
  struct Bucket {
    double level = 0;  // used up
    Duration at{};
    Rate rate;
  };
  struct Take {
    std::string key;
    Rate rate;
  };
  // All of them or none.
  [[nodiscard]] std::optional<Duration> take(const std::vector<Take>& takes);
  void forget_idle(Duration now) SLIPWAY_REQUIRES(mutex_);

  const Clock& clock_;
  SpeedLimits limits_;
  Mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
