#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "canary/e_process.h"
#include "canary/memory_trend.h"
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
  double tolerance = 0.001;
  // The same for the share of requests that are slower than the old release's p95.
  double latency_tolerance = 0.01;
  // Answers faster than this are never slow, whatever the old release's p95 is.
  Duration never_slow = std::chrono::milliseconds{10};
  // Requests of a new release that do not count for its latency: it fills caches, compiles.
  std::uint64_t warm_up_requests = 50;
  // Of a leak: more memory than the old release ever had, by this share of it.
  double memory_tolerance = 0.25;
  // Not ready, with most of its instances, for so long is a failure for certain.
  Duration not_ready = std::chrono::seconds{3};
  // After the switch the old release is a memory. How many times its shares may have grown in the
  // meantime by themselves (another hour, another mix of requests).
  double drift = 1.5;
  // Supposed of a release of which too little is known to say that it failed less; unless it was
  // seen to fail more.
  double assumed_error_share = 0.10;
  // Restarts that are always forgiven after the switch: one per instance in this time.
  Duration forgiven_restart = std::chrono::minutes{5};
};

// Compares a new release with the one before it, look by look, and says whether it is worse. The
// tests are anytime-valid: they may be asked as often as one likes (GOVERNANCE.md, "Promotion,
// canary, rollback"). Each look costs the same. Pure; not thread-safe.
//
// Four measures share alpha evenly: one is worse when its e-value reaches 4/alpha.
//   errors    5xx and no answer: EProcess over the requests that both answered in the look.
//   latency   answers slower than the old release's p95, as known before the look: EProcess.
//   restarts  EProcess over instances times seconds.
//   memory    MemoryTrend: a sign test on the growth of the low-water marks, and a floor.
// Once remember() was called there is no old release beside the new one. Then the errors, slow
// answers and restarts are held against an upper confidence bound of what the old one did (a tenth
// of the measure's alpha goes into that bound, by drift above), by the one-sample form of the same
// test: a two-stage, two-sample test. It knows nothing of an outage that hits both.
// Trips at once, not statistics: readiness, crash_loop, out_of_memory; unless the old release, when
// it runs, does the same.
class ReleaseJudge {
 public:
  explicit ReleaseJudge(JudgeSettings settings);

  struct Look {
    enum class Says { no_data, ok, worse } says = Says::no_data;
    std::vector<MetricEvidence> evidence;  // of every measure
  };
  // `now` grows. `baseline`: the old release over the same time; nothing when there is none. After
  // remember() only its readiness counts. The first look is where counting starts. A measure that
  // was worse once stays so. no_data: too few requests.
  [[nodiscard]] Look look(Duration now, const ReleaseSample& candidate,
                          const std::optional<ReleaseSample>& baseline);

  // The baseline for a watch after the switch: what the old release was like, with all that it
  // answered since it is known.
  void remember(const ReleaseSample& before);

 private:
  struct Measure {
    EProcess test;
    EProcess::Counts candidate, baseline;  // that the test was given
    bool tripped = false;
  };
  struct Memory {
    ReleaseSample sample;
    double error_share = 1, slow_share = 1, restarts_per_second = 0;  // upper bounds
    std::uint64_t slow_micros = 0;                                    // the p95; 0: not known
    enum class Errors { known, assumed } errors = Errors::known;
  };
  struct Step;  // what happened between two looks

  void count_errors(const Step& step);
  void count_latency(const Step& step);
  void count_restarts(const Step& step);
  void count_memory(const Step& step);
  [[nodiscard]] MetricEvidence errors_evidence();
  [[nodiscard]] MetricEvidence latency_evidence();
  [[nodiscard]] MetricEvidence restarts_evidence();
  [[nodiscard]] MetricEvidence memory_evidence();
  void add_trips(Duration now, const ReleaseSample& candidate,
                 const std::optional<ReleaseSample>& baseline, std::vector<MetricEvidence>& to);
  // In microseconds: what takes longer is slow.
  [[nodiscard]] std::uint64_t slow_from(const LatencyHistogram& before) const;
  [[nodiscard]] double threshold() const;
  [[nodiscard]] double bound_alpha() const;

  JudgeSettings settings_;
  std::optional<Duration> last_look_;
  ReleaseSample last_candidate_;
  std::optional<ReleaseSample> last_baseline_;
  TrafficSample candidate_traffic_, baseline_traffic_;  // of all looks
  Measure errors_, latency_, restarts_;
  std::uint64_t slow_micros_ = 0;  // that the last look's slow answers were slower than
  MemoryTrend memory_;
  bool memory_tripped_ = false;
  std::optional<Memory> remembered_;
  std::optional<Duration> not_ready_since_;
  bool not_ready_ = false, crash_loop_ = false, out_of_memory_ = false;
  std::uint64_t first_oom_ = 0, first_baseline_oom_ = 0;
};

}  // namespace slipway
