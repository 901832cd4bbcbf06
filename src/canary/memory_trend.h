#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "canary/e_process.h"

namespace slipway {

// Looks for a leak: memory per instance that grows on and on where the old release's does not. The
// smallest value of each block of five seconds (the low-water mark: what garbage collection leaves)
// is compared with the block before. The test is the sign test, made sequential by betting (Shekhar
// and Ramdas, "Nonparametric two-sample testing by betting", 2023; the bets are EProcess'): under
// "grows no more than the old one" the new release's growth exceeds the old one's by a margin no
// likelier than the other way round, whatever the distribution, so that outliers and the sawtooth
// of a collector do no harm. The margin (a 400th of the memory a block, so 3 % a minute) makes
// blocks without real growth ties, which say nothing.
//
// A release that has just started grows, too, but to where the old one is. So it is a leak only
// when the low-water mark has also passed the highest of the old release by a share of it (and 16
// MiB), which can only make alarms fewer. Without the old release beside it the margin is held
// against growth alone, and the old one's remembered highest mark is the floor.
//
// Leaks slower than the margin are not seen. O(1) a look. A plain value.
class MemoryTrend {
 public:
  // Bytes per instance; a change in the number of instances begins the block again.
  struct Level {
    double bytes = 0;
    std::uint32_t instances = 0;
  };
  void look(Duration now, const Level& candidate, const std::optional<Level>& baseline);
  // The old release's level, of which there will be no more news.
  void remember(const Level& baseline);

  [[nodiscard]] const EProcess& test() const { return test_; }
  // Whether the new release is above the old one's highest level by `share` of it.
  [[nodiscard]] bool above(double share) const;
  [[nodiscard]] std::uint64_t blocks() const { return blocks_; }  // compared
  [[nodiscard]] std::uint64_t grown() const { return grown_; }    // more than the old one
  [[nodiscard]] double candidate_bytes() const { return candidate_.mark; }
  [[nodiscard]] double baseline_highest() const { return baseline_highest_; }

 private:
  struct Track {
    std::uint32_t instances = 0;
    double lowest = 0;             // of the block under way
    double mark = 0;               // of the last whole block; 0 for none
    std::optional<double> growth;  // of its mark over the one before
    void begin(const Level& level);
    void end_block();
  };
  Track candidate_, baseline_;
  bool with_baseline_ = false, remembered_ = false;
  std::optional<Duration> block_began_;
  EProcess test_;
  double baseline_highest_ = 0;
  std::uint64_t blocks_ = 0, grown_ = 0;
};

}  // namespace slipway
