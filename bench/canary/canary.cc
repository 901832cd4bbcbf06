// How seldom a canary is rolled back wrongly, and how soon rightly: simulated releases, judged
// each second by ReleaseJudge and, in the same run, by what others do.
//
//   bench_canary [RUNS] [SECONDS]
//
// 60 requests a second, 10 % of them to the canary, 0.5 % errors of the old release, lognormal
// times (median 40 ms), alpha 0.01. Each run ends with the first rollback or after SECONDS (600).
// Beside the judge (four measures at alpha/4, its trips):
//   errors  its test of errors alone at alpha: what GOVERNANCE.md's figures are of
//   z-test  two proportions, one-sided at alpha, asked each second once the canary had 20 requests
//   strikes five minutes (together, not in a row) in which more than 1 % of the canary's requests
//           failed, as progressive delivery controllers count by default
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "canary/judge.h"
#include "canary/testing/traffic.h"

namespace {

using slipway::Duration;
using slipway::EProcess;
using slipway::JudgeSettings;
using slipway::ReleaseJudge;
using slipway::ReleaseSample;
using slipway::testing::Behaviour;
using slipway::testing::SimulatedRelease;

constexpr double alpha = 0.01, requests_per_second = 60, base_errors = 0.005;

enum class Phase { canary, switched };

struct Scenario {
  std::string_view name;
  Phase phase = Phase::canary;
  double errors = base_errors;
  double slower = 1;    // times
  double leak = 0;      // bytes a second
  double restarts = 0;  // an instance-second; five within two minutes are a crash loop
  std::string_view governance = "";
};

const std::vector<Scenario> scenarios{
    {.name = "no change", .governance = "0.3 % wrong (z 15.5 %, strikes 1.8 %)"},
    {.name = "1 % errors", .errors = 0.01},
    {.name = "2 % errors", .errors = 0.02, .governance = "85 s (strikes 300 s)"},
    {.name = "5 % errors", .errors = 0.05, .governance = "20 s"},
    {.name = "20 % errors", .errors = 0.2, .governance = "5 s"},
    {.name = "p95 x 1.5", .slower = 1.5},
    {.name = "p95 x 2", .slower = 2},
    {.name = "leak 0.5 MB/s", .leak = 0.5e6},
    {.name = "crash loop", .restarts = 1.0 / 15},
    {.name = "switched: no change", .phase = Phase::switched},
    {.name = "switched: 1 % errors", .phase = Phase::switched, .errors = 0.01},
    {.name = "switched: 2 % errors", .phase = Phase::switched, .errors = 0.02},
    {.name = "switched: 5 % errors", .phase = Phase::switched, .errors = 0.05},
    {.name = "switched: p95 x 2", .phase = Phase::switched, .slower = 2},
    {.name = "switched: leak", .phase = Phase::switched, .leak = 0.5e6},
};

// The first second in which it would have rolled back; nothing for never.
using Seconds = std::optional<int>;
struct Outcome {
  Seconds judge, errors, z_test, strikes;
};

class ZTest {
 public:
  bool look(const ReleaseSample& candidate, const ReleaseSample& baseline) const {
    const auto n1 = static_cast<double>(candidate.traffic.requests),
               n0 = static_cast<double>(baseline.traffic.requests);
    if (n1 < 20 || n0 < 20) return false;
    const auto x1 = static_cast<double>(candidate.traffic.errors),
               x0 = static_cast<double>(baseline.traffic.errors);
    const double p = (x1 + x0) / (n1 + n0);
    const double deviation = std::sqrt(p * (1 - p) * (1 / n1 + 1 / n0));
    constexpr double z = 2.326;  // one-sided 0.01
    return deviation > 0 && (x1 / n1 - x0 / n0) / deviation > z;
  }
};

class Strikes {
 public:
  bool look(int second, const ReleaseSample& candidate) {
    if (second % 60 != 0) return false;
    const slipway::TrafficSample minute = candidate.traffic - last_;
    last_ = candidate.traffic;
    if (minute.errors * 100 > minute.requests) ++strikes_;
    return strikes_ >= 5;
  }

 private:
  slipway::TrafficSample last_;
  int strikes_ = 0;
};

Outcome run(const Scenario& scenario, unsigned seed, int seconds) {
  std::mt19937_64 random(seed);
  SimulatedRelease baseline{Behaviour{}};
  SimulatedRelease candidate{Behaviour{.errors = scenario.errors,
                                       .median_ms = 40 * scenario.slower,
                                       .restarts = scenario.restarts,
                                       .leak = scenario.leak}};
  ReleaseJudge judge(JudgeSettings{.alpha = alpha});
  EProcess errors;
  ZTest z_test;
  Strikes strikes;
  const bool beside = scenario.phase == Phase::canary;
  if (!beside)  // ten minutes of the old release are known
    for (int i = 0; i < 600; ++i) baseline.serve(random, requests_per_second, 1);
  static_cast<void>(judge.look(Duration{}, candidate.sample(), baseline.sample()));
  if (!beside) judge.remember(baseline.sample());

  Outcome outcome;
  std::vector<int> restarts;  // when
  for (int second = 1; second <= seconds; ++second) {
    const slipway::TrafficSample before = candidate.sample().traffic,
                                 old_before = baseline.sample().traffic;
    const std::uint64_t restarts_before = candidate.sample().restarts;
    candidate.serve(random, requests_per_second * (beside ? 0.1 : 1), 1);
    if (beside) baseline.serve(random, requests_per_second * 0.9, 1);
    for (auto i = restarts_before; i < candidate.sample().restarts; ++i) restarts.push_back(second);
    if (restarts.size() >= 5 && second - restarts[restarts.size() - 5] < 120)
      candidate.sample().crash_loop = true;

    const auto note = [second](Seconds& of, bool tripped) {
      if (tripped && !of) of = second;
    };
    const auto counts = [](const slipway::TrafficSample& sample) {
      return EProcess::Counts{.hits = static_cast<double>(sample.errors),
                              .of = static_cast<double>(sample.requests)};
    };
    if (beside) {
      errors.compare(counts(candidate.sample().traffic - before),
                     counts(baseline.sample().traffic - old_before), 0);
      note(outcome.errors, errors.value() >= 1 / alpha);
    }
    note(outcome.z_test, z_test.look(candidate.sample(), baseline.sample()));
    note(outcome.strikes, strikes.look(second, candidate.sample()));
    std::optional<ReleaseSample> old;
    if (beside) old = baseline.sample();
    const auto look = judge.look(std::chrono::seconds{second}, candidate.sample(), old);
    note(outcome.judge, look.says == ReleaseJudge::Look::Says::worse);
    const bool all = outcome.judge && outcome.z_test && outcome.strikes;
    if (all && (outcome.errors || !beside)) break;
  }
  return outcome;
}

// "100 %    18 /    31 s": how many were rolled back, and the median and p90 of when.
std::string summary(std::vector<int> when, int runs) {
  std::ranges::sort(when);
  const double share = 100.0 * static_cast<double>(when.size()) / runs;
  if (when.empty()) return fmt::format("{:5.1f} %{:16}", share, "");
  const auto at = [&](double q) {
    return when[std::min(when.size() - 1,
                         static_cast<std::size_t>(q * static_cast<double>(when.size())))];
  };
  return fmt::format("{:5.1f} % {:5} /{:5} s ", share, at(0.5), at(0.9));
}

int number(int argc, char** argv, int at, int otherwise) {
  int value = otherwise;
  if (argc > at) {
    const std::string_view text = argv[at];
    std::from_chars(text.data(), text.data() + text.size(), value);
  }
  return std::max(1, value);
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = number(argc, argv, 1, 1000), seconds = number(argc, argv, 2, 600);
  fmt::print(
      "{} runs of {} s; {} requests/s, 10 % to the canary, {} % errors before, alpha {}\n"
      "rolled back, median / p90 of when:\n\n",
      runs, seconds, requests_per_second, 100 * base_errors, alpha);
  fmt::print("{:22}{:24}{:24}{:24}{:24}{}\n", "new release", "judge", "errors at alpha",
             "z-test, peeking", "five strikes", "GOVERNANCE.md");
  for (const Scenario& scenario : scenarios) {
    std::vector<int> judge, errors, z_test, strikes;
    for (int i = 0; i < runs; ++i) {
      const Outcome outcome = run(scenario, static_cast<unsigned>(i + 1), seconds);
      if (outcome.judge) judge.push_back(*outcome.judge);
      if (outcome.errors) errors.push_back(*outcome.errors);
      if (outcome.z_test) z_test.push_back(*outcome.z_test);
      if (outcome.strikes) strikes.push_back(*outcome.strikes);
    }
    const bool beside = scenario.phase == Phase::canary;
    fmt::print("{:22}{:24}{:24}{:24}{:24}{}\n", scenario.name, summary(std::move(judge), runs),
               beside ? summary(std::move(errors), runs) : std::string("-"),
               summary(std::move(z_test), runs), summary(std::move(strikes), runs),
               scenario.governance);
    std::fflush(stdout);
  }
}
