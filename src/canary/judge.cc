#include "canary/judge.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway {

namespace {

constexpr double measures = 4;                  // that share alpha
constexpr double share_of_bounds = 0.1;         // of a measure's alpha
constexpr double quantile = 0.95;               // of the old release's latencies: what is slow
constexpr std::uint64_t least_latencies = 100;  // of the old release, for its quantile

EProcess::Counts counts(std::uint64_t hits, std::uint64_t of) {
  return {.hits = static_cast<double>(std::min(hits, of)), .of = static_cast<double>(of)};
}

void add(EProcess::Counts& to, const EProcess::Counts& more) {
  to.hits += more.hits;
  to.of += more.of;
}

std::uint64_t grown(std::uint64_t later, std::uint64_t earlier) {
  return later > earlier ? later - earlier : 0;
}

std::optional<MemoryTrend::Level> level_of(const ReleaseSample& sample) {
  if (sample.instances == 0 || sample.memory_bytes == 0) return std::nullopt;
  return MemoryTrend::Level{.bytes = static_cast<double>(sample.memory_bytes) / sample.instances,
                            .instances = sample.instances};
}

// Most of its instances do not answer.
bool is_down(const ReleaseSample& sample) {
  return sample.instances > 0 && 2 * sample.ready < sample.instances;
}

std::string percent(double hits, double of) {
  const double share = of > 0 ? 100 * hits / of : 0;
  return share > 0 && share < 0.1 ? fmt::format("{:.3f} %", share) : fmt::format("{:.1f} %", share);
}

std::string milliseconds(std::uint64_t micros) {
  const double ms = static_cast<double>(micros) / 1000;
  return ms < 10 ? fmt::format("{:.1f} ms", ms) : fmt::format("{:.0f} ms", ms);
}

void set_counts(MetricEvidence& to, const EProcess::Counts& candidate,
                const EProcess::Counts& baseline) {
  to.count = static_cast<std::uint64_t>(candidate.hits);
  to.of = static_cast<std::uint64_t>(candidate.of);
  to.baseline_count = static_cast<std::uint64_t>(baseline.hits);
  to.baseline_of = static_cast<std::uint64_t>(baseline.of);
}

constexpr std::string_view no_data = "no_data", ok = "ok", worse = "worse";

}  // namespace

struct ReleaseJudge::Step {
  double seconds = 0;
  const ReleaseSample& candidate;
  const std::optional<ReleaseSample>& baseline;  // that is compared with; nothing once remembered
  TrafficSample candidate_traffic, baseline_traffic;
  std::uint64_t restarts = 0, baseline_restarts = 0;
};

ReleaseJudge::ReleaseJudge(JudgeSettings settings) : settings_(settings) {}

double ReleaseJudge::threshold() const {
  return measures / ((1 - share_of_bounds) * settings_.alpha);
}
double ReleaseJudge::bound_alpha() const { return share_of_bounds * settings_.alpha / measures; }

std::uint64_t ReleaseJudge::slow_from(const LatencyHistogram& before) const {
  const auto floor =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, settings_.never_slow.count()));
  return std::max(before.quantile(quantile),
                  LatencyHistogram::upper_edge(LatencyHistogram::bucket(floor)));
}

void ReleaseJudge::remember(const ReleaseSample& before) {
  Memory memory{.sample = before};
  const TrafficSample& traffic = before.traffic;
  const EProcess::Counts errors = counts(traffic.errors, traffic.requests);
  memory.error_share = upper_share(errors.hits, errors.of, bound_alpha());
  const double assumed = settings_.assumed_error_share;
  if (memory.error_share > assumed && errors.hits <= assumed * errors.of) {
    memory.error_share = assumed;
    memory.errors = Memory::Errors::assumed;
  }
  if (const std::uint64_t all = traffic.latency.total(); all >= least_latencies) {
    memory.slow_micros = slow_from(traffic.latency);
    memory.slow_share =
        upper_tail(static_cast<double>(traffic.latency.slower_than(memory.slow_micros)),
                   static_cast<double>(all), bound_alpha());
  }
  memory.restarts_per_second =
      1 / std::max(1.0, std::chrono::duration<double>(settings_.forgiven_restart).count());
  if (restarts_.baseline.hits > 0) {
    memory.restarts_per_second =
        std::max(memory.restarts_per_second,
                 upper_rate(restarts_.baseline.hits, restarts_.baseline.of, bound_alpha()));
  }
  if (const auto level = level_of(before)) memory_.remember(*level);
  remembered_ = memory;
}

ReleaseJudge::Look ReleaseJudge::look(Duration now, const ReleaseSample& candidate,
                                      const std::optional<ReleaseSample>& baseline) {
  if (!last_look_) {
    first_oom_ = candidate.out_of_memory;
    first_baseline_oom_ = baseline ? baseline->out_of_memory : 0;
  } else {
    static const std::optional<ReleaseSample> nobody;
    const bool compared = baseline && !remembered_;
    Step step{.candidate = candidate, .baseline = compared ? baseline : nobody};
    step.seconds = std::max(0.0, std::chrono::duration<double>(now - *last_look_).count());
    step.candidate_traffic = candidate.traffic - last_candidate_.traffic;
    step.restarts = grown(candidate.restarts, last_candidate_.restarts);
    if (compared && last_baseline_) {
      step.baseline_traffic = baseline->traffic - last_baseline_->traffic;
      step.baseline_restarts = grown(baseline->restarts, last_baseline_->restarts);
    }
    count_errors(step);
    count_latency(step);
    count_restarts(step);
    candidate_traffic_ = candidate_traffic_ + step.candidate_traffic;
    baseline_traffic_ = baseline_traffic_ + step.baseline_traffic;
  }
  if (const auto level = level_of(candidate)) {
    memory_.look(now, *level, baseline && !remembered_ ? level_of(*baseline) : std::nullopt);
  }
  last_look_ = now;
  last_candidate_ = candidate;
  last_baseline_ = baseline;

  Look look;
  look.evidence = {errors_evidence(), latency_evidence(), restarts_evidence(), memory_evidence()};
  add_trips(now, candidate, baseline, look.evidence);
  const bool seen = look.evidence.front().says != no_data;
  const bool any_worse = std::ranges::any_of(
      look.evidence, [](const MetricEvidence& evidence) { return evidence.says == worse; });
  look.says = any_worse ? Look::Says::worse : seen ? Look::Says::ok : Look::Says::no_data;
  return look;
}

void ReleaseJudge::count_errors(const Step& step) {
  const TrafficSample &a = step.candidate_traffic, &b = step.baseline_traffic;
  const EProcess::Counts candidate = counts(a.errors, a.requests);
  add(errors_.candidate, candidate);
  if (remembered_) {
    const double share = std::min(1.0, remembered_->error_share * settings_.drift);
    errors_.test.against(candidate, std::min(1.0, share + settings_.tolerance));
  } else if (step.baseline) {
    const EProcess::Counts baseline = counts(b.errors, b.requests);
    add(errors_.baseline, baseline);
    errors_.test.compare(candidate, baseline, settings_.tolerance);
  }
}

void ReleaseJudge::count_latency(const Step& step) {
  // What is slow was decided by the looks before this one, so that the counts cannot choose it.
  const LatencyHistogram &a = step.candidate_traffic.latency, &b = step.baseline_traffic.latency;
  if (candidate_traffic_.requests < settings_.warm_up_requests) return;
  if (remembered_) {
    if (remembered_->slow_micros == 0) return;
    slow_micros_ = remembered_->slow_micros;
    const EProcess::Counts candidate = counts(a.slower_than(slow_micros_), a.total());
    add(latency_.candidate, candidate);
    const double share = remembered_->slow_share * settings_.drift + settings_.latency_tolerance;
    latency_.test.against(candidate, std::min(1.0, share));
  } else if (step.baseline && baseline_traffic_.latency.total() >= least_latencies) {
    slow_micros_ = slow_from(baseline_traffic_.latency);
    const EProcess::Counts candidate = counts(a.slower_than(slow_micros_), a.total());
    const EProcess::Counts baseline = counts(b.slower_than(slow_micros_), b.total());
    add(latency_.candidate, candidate);
    add(latency_.baseline, baseline);
    latency_.test.compare(candidate, baseline, settings_.latency_tolerance);
  }
}

void ReleaseJudge::count_restarts(const Step& step) {
  const EProcess::Counts candidate{.hits = static_cast<double>(step.restarts),
                                   .of = step.seconds * step.candidate.instances};
  if (!(candidate.of > 0)) return;
  add(restarts_.candidate, candidate);
  if (step.baseline && step.baseline->instances > 0) {
    const EProcess::Counts baseline{.hits = static_cast<double>(step.baseline_restarts),
                                    .of = step.seconds * step.baseline->instances};
    add(restarts_.baseline, baseline);
    restarts_.test.compare(candidate, baseline, 0);
  } else if (remembered_) {
    restarts_.test.rate(candidate.hits, candidate.of * remembered_->restarts_per_second);
  }
}

MetricEvidence ReleaseJudge::errors_evidence() {
  MetricEvidence evidence{.metric = "errors", .says = std::string(no_data)};
  evidence.e_value = errors_.test.value();
  evidence.threshold = threshold();
  EProcess::Counts baseline = errors_.baseline;
  if (remembered_) {
    const TrafficSample& traffic = remembered_->sample.traffic;
    baseline = counts(traffic.errors, traffic.requests);
  }
  set_counts(evidence, errors_.candidate, baseline);
  const auto least = static_cast<double>(settings_.least_requests);
  const bool known = remembered_ ? true : baseline.of >= least;
  if (errors_.candidate.of >= least && known) {
    errors_.tripped = errors_.tripped || errors_.test.highest() >= threshold();
    evidence.says = ok;
  }
  if (errors_.tripped) evidence.says = worse;
  evidence.detail =
      fmt::format("{} of {:.0f} requests failed",
                  percent(errors_.candidate.hits, errors_.candidate.of), errors_.candidate.of);
  if (remembered_ && remembered_->errors == Memory::Errors::assumed) {
    evidence.detail +=
        fmt::format("; little is known of before ({:.0f} of {:.0f}), supposed are {}",
                    baseline.hits, baseline.of, percent(settings_.assumed_error_share, 1));
  } else {
    evidence.detail +=
        fmt::format(", {} of {:.0f} {}", percent(baseline.hits, baseline.of), baseline.of,
                    remembered_ ? "before the switch" : "of the release before");
  }
  return evidence;
}

MetricEvidence ReleaseJudge::latency_evidence() {
  MetricEvidence evidence{.metric = "latency", .says = std::string(no_data)};
  evidence.e_value = latency_.test.value();
  evidence.threshold = threshold();
  EProcess::Counts baseline = latency_.baseline;
  if (remembered_) {
    const LatencyHistogram& latency = remembered_->sample.traffic.latency;
    baseline = counts(latency.slower_than(remembered_->slow_micros), latency.total());
    if (remembered_->slow_micros == 0) baseline = {};
  }
  set_counts(evidence, latency_.candidate, baseline);
  if (latency_.candidate.of >= static_cast<double>(settings_.least_requests)) {
    latency_.tripped = latency_.tripped || latency_.test.highest() >= threshold();
    evidence.says = ok;
  }
  if (latency_.tripped) evidence.says = worse;
  if (slow_micros_ == 0) {
    evidence.detail = "not enough requests to know what is slow";
  } else {
    evidence.detail =
        fmt::format("{} of {:.0f} took longer than {}, {} of {:.0f} {}",
                    percent(latency_.candidate.hits, latency_.candidate.of), latency_.candidate.of,
                    milliseconds(slow_micros_), percent(baseline.hits, baseline.of), baseline.of,
                    remembered_ ? "before the switch" : "of the release before");
  }
  return evidence;
}

MetricEvidence ReleaseJudge::restarts_evidence() {
  MetricEvidence evidence{.metric = "restarts", .says = std::string(no_data)};
  evidence.e_value = restarts_.test.value();
  evidence.threshold = threshold();
  set_counts(evidence, restarts_.candidate, restarts_.baseline);
  if (restarts_.candidate.of > 0) {
    restarts_.tripped = restarts_.tripped || restarts_.test.highest() >= threshold();
    evidence.says = ok;
  }
  if (restarts_.tripped) evidence.says = worse;
  evidence.detail =
      fmt::format("{:.0f} in {:.0f} instance-seconds, {:.0f} in {:.0f} of the release before",
                  restarts_.candidate.hits, restarts_.candidate.of, restarts_.baseline.hits,
                  restarts_.baseline.of);
  return evidence;
}

MetricEvidence ReleaseJudge::memory_evidence() {
  MetricEvidence evidence{.metric = "memory", .says = std::string(no_data)};
  evidence.e_value = memory_.test().value();
  evidence.threshold = threshold();
  evidence.count = memory_.grown();
  evidence.of = memory_.blocks();
  if (memory_.blocks() > 0 && memory_.baseline_highest() > 0) evidence.says = ok;
  memory_tripped_ = memory_tripped_ || (memory_.test().highest() >= threshold() &&
                                        memory_.above(settings_.memory_tolerance));
  if (memory_tripped_) evidence.says = worse;
  constexpr double mib = 1024.0 * 1024;
  evidence.detail = fmt::format(
      "{:.0f} MiB an instance, the release before had {:.0f} at most; grew in {} of {} blocks of 5 "
      "s",
      memory_.candidate_bytes() / mib, memory_.baseline_highest() / mib, memory_.grown(),
      memory_.blocks());
  return evidence;
}

void ReleaseJudge::add_trips(Duration now, const ReleaseSample& candidate,
                             const std::optional<ReleaseSample>& baseline,
                             std::vector<MetricEvidence>& to) {
  const auto add_trip = [&](std::string_view metric, bool tripped, std::uint64_t count,
                            std::uint64_t of, std::string detail) {
    MetricEvidence evidence{.metric = std::string(metric),
                            .says = std::string(candidate.instances == 0 ? no_data : ok)};
    if (tripped) evidence.says = worse;
    evidence.count = count;
    evidence.of = of;
    evidence.detail = std::move(detail);
    to.push_back(std::move(evidence));
  };
  // Going back to a release that fails as well would help nobody.
  const bool both = baseline && is_down(*baseline);
  if (!is_down(candidate) || both) {
    not_ready_since_.reset();
  } else if (!not_ready_since_) {
    not_ready_since_ = now;
  }
  not_ready_ = not_ready_ || (not_ready_since_ && now - *not_ready_since_ >= settings_.not_ready);
  add_trip("readiness", not_ready_, candidate.ready, candidate.instances,
           fmt::format("{} of {} instances answer their health check{}", candidate.ready,
                       candidate.instances, both ? "; neither do the release before's" : ""));

  crash_loop_ = crash_loop_ || (candidate.crash_loop && !(baseline && baseline->crash_loop));
  add_trip("crash_loop", crash_loop_, candidate.crash_loop ? 1 : 0, candidate.instances,
           candidate.crash_loop ? "an instance ended again and again and was given up"
                                : "no instance was given up");

  const std::uint64_t killed = grown(candidate.out_of_memory, first_oom_);
  const std::uint64_t killed_before =
      baseline ? grown(baseline->out_of_memory, first_baseline_oom_) : 0;
  out_of_memory_ = out_of_memory_ || killed > killed_before;
  add_trip("out_of_memory", out_of_memory_, killed, candidate.instances,
           killed == 0
               ? "no instance was killed for memory"
               : fmt::format("{} instances were killed for memory, {} of the release before",
                             killed, killed_before));
}

}  // namespace slipway
