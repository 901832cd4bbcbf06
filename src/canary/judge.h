#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/release.h"
#include "model/traffic_sample.h"

namespace slipway {

// What is seen of a release at one moment; counts grow from when it was first looked at.
struct ReleaseSample {
  TrafficSample traffic;
  std::uint64_t restarts = 0;       // instances that ended by themselves
  std::uint64_t out_of_memory = 0;  // of those, killed for memory
  std::uint64_t memory_bytes = 0;   // of all its instances now
  std::uint32_t instances = 0;      // that should run
  std::uint32_t ready = 0;          // that answer their health checks
  bool crash_loop = false;          // an instance was given up
};

struct JudgeSettings {
  double alpha = 0.01;  // of a false rollback, over the judge's whole life and all its measures
  // Fewer requests than this on the new release say nothing: hold.
  std::uint64_t least_requests = 20;
  // A release that is not worse by more than this share of errors is not rolled back.
  double tolerance = 0.0;
};

// Compares a new release with the one before it, look by look, and says whether it is worse. The
// test is anytime-valid: it may be asked as often as one likes (GOVERNANCE.md, "Promotion, canary,
// rollback"). Each look costs the same. Pure; not thread-safe.
class ReleaseJudge {
 public:
  explicit ReleaseJudge(JudgeSettings settings) : settings_(settings) {}

  struct Look {
    enum class Says { no_data, ok, worse } says = Says::no_data;
    std::vector<MetricEvidence> evidence;  // of every measure
  };
  // `baseline`: the old release over the same time; nothing when there is none, or all traffic has
  // been switched. Then what it was before the switch, as `before`, is compared with.
  [[nodiscard]] Look look(Duration now, const ReleaseSample& candidate,
                          const std::optional<ReleaseSample>& baseline);

  // The baseline for a watch after the switch: what the old release was like.
  void remember(const ReleaseSample& before);

 private:
  JudgeSettings settings_;
};

}  // namespace slipway
