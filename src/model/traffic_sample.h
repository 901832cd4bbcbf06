#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace slipway {

// Times to the first byte of an answer, counted in buckets that grow by about a quarter: four to
// each doubling, from 64 µs to over an hour. A plain value.
struct LatencyHistogram {
  static constexpr std::size_t size = 128;
  std::array<std::uint64_t, size> counts{};

  // The bucket of a time in microseconds; the last one has all that is longer.
  [[nodiscard]] static std::size_t bucket(std::uint64_t micros);
  // The upper edge of a bucket, in microseconds.
  [[nodiscard]] static std::uint64_t upper_edge(std::size_t bucket);

  [[nodiscard]] std::uint64_t total() const;
  // The upper edge of the bucket in which the share `q` (0..1) is reached; 0 when empty.
  [[nodiscard]] std::uint64_t quantile(double q) const;
  // How many took longer than the bucket whose upper edge is `micros`.
  [[nodiscard]] std::uint64_t slower_than(std::uint64_t micros) const;

  bool operator==(const LatencyHistogram&) const = default;
};

// What one release has answered since something began: counts only grow. A plain value.
struct TrafficSample {
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;  // of those, 5xx, and those the app gave no answer to
  LatencyHistogram latency;

  bool operator==(const TrafficSample&) const = default;
};
// What happened between two samples of the same thing.
[[nodiscard]] TrafficSample operator-(const TrafficSample& later, const TrafficSample& earlier);
[[nodiscard]] TrafficSample operator+(const TrafficSample& a, const TrafficSample& b);

}  // namespace slipway
