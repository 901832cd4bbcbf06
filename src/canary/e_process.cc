#include "canary/e_process.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace slipway {

namespace {

constexpr double grid_step = 1.3;          // between neighbouring ratios of odds
constexpr std::uint64_t looks_apart = 10;  // between starts
constexpr double first_stake = 0.5;
constexpr double most_wealth = 1e290;  // clamped: less evidence than there is, never more
constexpr double most_log_factor = 600;

EProcess::Counts sane(EProcess::Counts counts) {
  const auto finite = [](double x) { return std::isfinite(x) && x > 0 ? x : 0.0; };
  const double of = finite(counts.of);
  return {.hits = finite(counts.hits), .of = of};
}

// The largest p in [low, high] for which `divergence(p)`, growing, is at most `limit`.
template <class Divergence>
double largest(double low, double high, double limit, const Divergence& divergence) {
  for (int i = 0; i < 200 && high - low > 1e-15 * high; ++i) {
    const double middle = (low + high) / 2;
    (divergence(middle) <= limit ? low : high) = middle;
  }
  return high;
}

double term(double x, double ratio) { return x > 0 ? x * std::log(ratio) : 0; }

}  // namespace

template <class LogFactor>
void EProcess::look(const LogFactor& log_factor) {
  // The stake is decided by the number of the look alone, before what it saw counts.
  double stake = 0;
  if (looks_ == 0) {
    stake = first_stake;
  } else if (looks_ % looks_apart == 0) {
    const auto k = static_cast<double>(++starts_);
    stake = (1 - first_stake) / (k * (k + 1));
  }
  ++looks_;
  stake = std::min(stake, reserve_);
  reserve_ -= stake;
  double ratio = 1;
  for (double& wealth : wealth_) {
    ratio *= grid_step;
    const double factor = std::exp(std::min(log_factor(ratio), most_log_factor));
    wealth = std::min((wealth + stake / grid) * factor, most_wealth);
  }
  highest_ = std::max(highest_, value());
}

double EProcess::value() const {
  double sum = reserve_;
  for (const double wealth : wealth_) sum += wealth;
  return sum;
}

void EProcess::compare(Counts candidate, Counts baseline, double tolerance) {
  const Counts a = sane(candidate), b = sane(baseline);
  // Of a look in which one of them had no request nothing can be learned: w is 0 or 1.
  const double w = a.of > 0 ? a.of / (a.of + b.of) : 0;
  const double allowed = std::clamp(tolerance, 0.0, 1.0);
  look([&](double r) {
    const double down = 1 + w * (r - 1);
    double log_factor = a.hits * std::log(r) - (a.hits + b.hits) * std::log(down);
    if (allowed > 0) log_factor -= a.of * std::log1p(allowed * (r / down - 1));
    return w > 0 && w < 1 ? log_factor : 0.0;
  });
}

void EProcess::against(Counts candidate, double share) {
  const Counts a = sane(candidate);
  const double p = std::clamp(share, 1e-12, 1.0);
  look([&](double r) { return a.hits * std::log(r) - a.of * std::log1p(p * (r - 1)); });
}

void EProcess::rate(double hits, double expected) {
  const Counts a = sane({.hits = hits, .of = expected});
  look([&](double r) { return a.hits * std::log(r) - a.of * (r - 1); });
}

double upper_share(double hits, double of, double delta) {
  if (!(of > 0)) return 1;
  const double share = std::clamp(hits / of, 0.0, 1.0);
  if (share >= 1) return 1;
  return largest(share, 1, -std::log(delta) / of, [&](double p) {
    if (p >= 1) return std::numeric_limits<double>::infinity();
    return term(share, share / p) + (1 - share) * std::log((1 - share) / (1 - p));
  });
}

double upper_rate(double hits, double exposure, double delta) {
  if (!(exposure > 0)) return std::numeric_limits<double>::infinity();
  const double limit = -std::log(delta);
  // At four times this the divergence is beyond the limit for certain.
  const double mean = largest(hits, 4 * (hits + limit), limit,
                              [&](double m) { return m - hits + term(hits, hits / m); });
  return mean / exposure;
}

double upper_tail(double above, double of, double delta) {
  if (!(of > 0)) return 1;
  return std::min(1.0, above / of + std::sqrt(-std::log(delta) / (2 * of)));
}

}  // namespace slipway
