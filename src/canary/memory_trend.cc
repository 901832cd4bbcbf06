#include "canary/memory_trend.h"

#include <algorithm>

namespace slipway {

namespace {

constexpr Duration block = std::chrono::seconds{5};
constexpr double margin_share = 1.0 / 400;
constexpr double least_excess = 16.0 * 1024 * 1024;

}  // namespace

void MemoryTrend::Track::begin(const Level& level) {
  *this = {};
  instances = level.instances;
  lowest = level.bytes;
}

void MemoryTrend::Track::end_block() {
  growth.reset();
  if (mark > 0) growth = lowest - mark;
  mark = lowest;
}

void MemoryTrend::look(Duration now, const Level& candidate, const std::optional<Level>& baseline) {
  if (baseline && !remembered_) baseline_highest_ = std::max(baseline_highest_, baseline->bytes);
  const bool compared = baseline && !remembered_;
  if (!block_began_ || candidate.instances != candidate_.instances || compared != with_baseline_ ||
      (compared && baseline->instances != baseline_.instances)) {
    block_began_ = now;
    candidate_.begin(candidate);
    if (compared) baseline_.begin(*baseline);
    with_baseline_ = compared;
    return;
  }
  candidate_.lowest = std::min(candidate_.lowest, candidate.bytes);
  if (compared) baseline_.lowest = std::min(baseline_.lowest, baseline->bytes);
  if (now - *block_began_ < block) return;

  const double margin = candidate_.mark * margin_share;
  candidate_.end_block();
  if (compared) baseline_.end_block();
  if (candidate_.growth && (!compared || baseline_.growth)) {
    const double more = *candidate_.growth - (compared ? *baseline_.growth : 0);
    ++blocks_;
    if (more > margin) ++grown_;
    // A tie is a look without a trial.
    const bool tie = more <= margin && more >= -margin;
    test_.against({.hits = more > margin ? 1.0 : 0.0, .of = tie ? 0.0 : 1.0}, 0.5);
  }
  block_began_ = now;
  candidate_.lowest = candidate.bytes;
  if (compared) baseline_.lowest = baseline->bytes;
}

void MemoryTrend::remember(const Level& baseline) {
  if (baseline.instances > 0) baseline_highest_ = std::max(baseline_highest_, baseline.bytes);
  remembered_ = true;
}

bool MemoryTrend::above(double share) const {
  return baseline_highest_ > 0 && candidate_.mark > baseline_highest_ * (1 + share) &&
         candidate_.mark > baseline_highest_ + least_excess;
}

}  // namespace slipway
