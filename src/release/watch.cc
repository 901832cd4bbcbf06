#include "release/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace slipway {

namespace {

// One line of what was worse: "errors: 3.1 % of 412 requests failed, ... (e-value 812, trips at
// 444)".
std::string why_worse(const std::vector<MetricEvidence>& evidence) {
  std::string why;
  for (const MetricEvidence& metric : evidence) {
    if (metric.says != "worse") continue;
    why += fmt::format("{}{}: {}", why.empty() ? "" : "; ", metric.metric, metric.detail);
    if (metric.e_value > 0)
      why += fmt::format(" (e-value {:.4g}, trips at {:.0f})", metric.e_value, metric.threshold);
  }
  return why;
}

}  // namespace

struct ReleaseWatch::State {
  enum class Phase { canary, between, watch };

  Settings settings;
  Sources sources;
  ReleaseJudge judge;
  Phase phase = Phase::between;
  std::size_t step = 0;     // of settings.percents
  Duration began{};         // of the step, or of the bake window
  TrafficSample at_begin;   // the new release's traffic then
  std::optional<Does> end;  // roll_back or done: said again and again

  explicit State(Settings given, Sources from)
      : settings(std::move(given)), sources(std::move(from)), judge(settings.judge) {}

  [[nodiscard]] std::optional<ReleaseSample> baseline() const {
    return sources.baseline ? sources.baseline() : std::nullopt;
  }
  [[nodiscard]] int percent() const {
    return phase == Phase::canary ? settings.percents[step] : 100;
  }
  [[nodiscard]] std::string place() const {
    switch (phase) {
      case Phase::canary:
        return fmt::format("canary at {} %", settings.percents[step]);
      case Phase::between:
        return "before the switch";
      case Phase::watch:
        break;
    }
    return "watching";
  }
  void begin_part(Duration now, const ReleaseSample& candidate) {
    began = now;
    at_begin = candidate.traffic;
  }
  void begin_watch(Duration now) {
    phase = Phase::watch;
    judge.remember(baseline().value_or(ReleaseSample{}));
    begin_part(now, sources.candidate());
  }
  [[nodiscard]] std::uint64_t requests_of_part(const ReleaseSample& candidate) const {
    return (candidate.traffic - at_begin).requests;
  }
  // What to do when nothing is worse.
  Does go_on(Duration now, const ReleaseSample& candidate, ReleaseJudge::Look::Says says,
             Outcome& outcome);
};

ReleaseWatch::ReleaseWatch(Settings settings, Sources sources)
    : state_(std::make_unique<State>(std::move(settings), std::move(sources))) {}
ReleaseWatch::ReleaseWatch(ReleaseWatch&&) noexcept = default;
ReleaseWatch& ReleaseWatch::operator=(ReleaseWatch&&) noexcept = default;
ReleaseWatch::~ReleaseWatch() = default;

void ReleaseWatch::begin(const Rollout& record, Duration now) {
  State& s = *state_;
  s.judge = ReleaseJudge(s.settings.judge);
  s.end.reset();
  const ReleaseSample candidate = s.sources.candidate();
  // The first look is where counting starts.
  static_cast<void>(s.judge.look(now, candidate, s.baseline()));
  if (record.switched_at) {
    s.begin_watch(now);
    return;
  }
  const auto passed = std::ranges::count(record.verdicts, "advance", &CanaryVerdict::says);
  s.step = static_cast<std::size_t>(passed);
  s.phase = s.step < s.settings.percents.size() ? State::Phase::canary : State::Phase::between;
  s.begin_part(now, candidate);
}

int ReleaseWatch::percent() const { return state_->percent(); }

void ReleaseWatch::switched(Duration now) { state_->begin_watch(now); }

ReleaseWatch::Does ReleaseWatch::State::go_on(Duration now, const ReleaseSample& candidate,
                                              ReleaseJudge::Look::Says says, Outcome& outcome) {
  std::string& reason = outcome.reason;
  const std::string where = place();
  if (phase == Phase::between) {
    reason = where;
    return Does::hold;
  }
  const Duration lasts = phase == Phase::canary ? settings.step : settings.bake;
  const Duration passed = now - began;
  const std::uint64_t requests = requests_of_part(candidate);
  if (passed < lasts) {
    reason = fmt::format("{}, for {}{}", where, format_duration(lasts),
                         phase == Phase::canary ? " at least" : "");
    return Does::hold;
  }
  if (phase == Phase::watch) {
    reason = requests == 0 ? "the watch is over; there were no requests"
                           : fmt::format("the watch is over; {} requests", requests);
    return Does::done;
  }
  const std::uint64_t least = settings.judge.least_requests;
  if (says == ReleaseJudge::Look::Says::no_data || requests < least) {
    // No data never means go on.
    outcome.waits_for = RolloutWait::traffic;
    reason = requests == 0
                 ? fmt::format("{}: no requests yet, held", where)
                 : fmt::format("{}: too few requests to judge ({} are wanted), held", where, least);
    return Does::hold;
  }
  reason = fmt::format("{}: no worse after {} requests", where, requests);
  return Does::advance;
}

ReleaseWatch::Outcome ReleaseWatch::look_held(Duration now, Timestamp wall) {
  State& s = *state_;
  s.begin_part(now, s.sources.candidate());
  return look(now, wall);
}

ReleaseWatch::Outcome ReleaseWatch::look(Duration now, Timestamp wall) {
  State& s = *state_;
  const ReleaseSample candidate = s.sources.candidate();
  ReleaseJudge::Look look = s.judge.look(now, candidate, s.baseline());
  Outcome outcome;
  outcome.verdict.percent = s.percent();
  outcome.verdict.at = wall;
  outcome.verdict.evidence = std::move(look.evidence);
  if (s.end == Does::roll_back || (!s.end && look.says == ReleaseJudge::Look::Says::worse)) {
    outcome.does = Does::roll_back;
    outcome.reason = fmt::format("{}: {}", s.place(), why_worse(outcome.verdict.evidence));
  } else if (s.end == Does::done) {
    outcome.does = Does::done;
    outcome.reason = "the watch is over";
  } else {
    outcome.does = s.go_on(now, candidate, look.says, outcome);
  }
  outcome.verdict.says = outcome.does == Does::hold        ? "hold"
                         : outcome.does == Does::roll_back ? "roll_back"
                                                           : "advance";
  if (outcome.does == Does::roll_back || outcome.does == Does::done) s.end = outcome.does;
  if (outcome.does == Does::advance) {
    ++s.step;
    if (s.step >= s.settings.percents.size()) s.phase = State::Phase::between;
    s.begin_part(now, candidate);
  }
  return outcome;
}

}  // namespace slipway
