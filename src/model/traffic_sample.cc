#include "model/traffic_sample.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace slipway {

namespace {

// A count that has shrunk is one that began again: nothing is known of the time between.
std::uint64_t grown(std::uint64_t later, std::uint64_t earlier) {
  return later > earlier ? later - earlier : 0;
}

}  // namespace

// An octave from 64 µs on has four buckets of equal width; a bucket has its upper edge in it.
std::size_t LatencyHistogram::bucket(std::uint64_t micros) {
  if (micros <= 64) return 0;
  const std::uint64_t below = micros - 1;
  const auto octave = static_cast<unsigned>(std::bit_width(below)) - 7U;
  const std::uint64_t quarter = (below >> (octave + 4U)) & 3U;
  return std::min<std::size_t>((4UL * octave) + quarter + 1, size - 1);
}

std::uint64_t LatencyHistogram::upper_edge(std::size_t bucket) {
  const std::size_t at = std::min(bucket, size - 1);
  return std::uint64_t{4 + (at % 4)} << (4 + (at / 4));
}

std::uint64_t LatencyHistogram::total() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::uint64_t LatencyHistogram::quantile(double q) const {
  const std::uint64_t all = total();
  if (all == 0) return 0;
  const double wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(all);
  const auto rank =
      std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(wanted)), 1, all);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < size; ++i) {
    seen += counts[i];
    if (seen >= rank) return upper_edge(i);
  }
  return upper_edge(size - 1);
}

std::uint64_t LatencyHistogram::slower_than(std::uint64_t micros) const {
  const auto first = static_cast<std::ptrdiff_t>(bucket(micros)) + 1;
  return std::accumulate(counts.begin() + first, counts.end(), std::uint64_t{0});
}

TrafficSample operator-(const TrafficSample& later, const TrafficSample& earlier) {
  TrafficSample difference;
  difference.requests = grown(later.requests, earlier.requests);
  difference.errors = grown(later.errors, earlier.errors);
  for (std::size_t i = 0; i < LatencyHistogram::size; ++i) {
    difference.latency.counts[i] = grown(later.latency.counts[i], earlier.latency.counts[i]);
  }
  return difference;
}

TrafficSample operator+(const TrafficSample& a, const TrafficSample& b) {
  TrafficSample sum;
  sum.requests = a.requests + b.requests;
  sum.errors = a.errors + b.errors;
  for (std::size_t i = 0; i < LatencyHistogram::size; ++i) {
    sum.latency.counts[i] = a.latency.counts[i] + b.latency.counts[i];
  }
  return sum;
}

}  // namespace slipway
