#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

using Duration = std::chrono::microseconds;
// UTC, microseconds.
using Timestamp = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

// The only source of time below main(). Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall clock: for records and expiry.
  [[nodiscard]] virtual Timestamp now() const = 0;
  // Never goes back: for durations and deadlines.
  [[nodiscard]] virtual Duration monotonic() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override;
  [[nodiscard]] Duration monotonic() const override;
};

// Stands still until told to advance. For tests.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start = Timestamp{std::chrono::seconds{1'800'000'000}})
      : now_(start) {}
  [[nodiscard]] Timestamp now() const override;
  [[nodiscard]] Duration monotonic() const override;
  void advance(Duration by);

 private:
  mutable std::mutex mutex_;
  Timestamp now_;
};

// A point on Clock::monotonic() after which waiting stops.
class Deadline {
 public:
  static Deadline after(const Clock& clock, Duration wait) {
    return Deadline{clock.monotonic() + wait};
  }
  [[nodiscard]] bool passed(const Clock& clock) const { return clock.monotonic() >= at_; }
  // Zero when passed.
  [[nodiscard]] Duration left(const Clock& clock) const;

 private:
  explicit Deadline(Duration at) : at_(at) {}
  Duration at_;
};

// RFC 3339 in UTC: "2026-01-02T03:04:05.678Z" (milliseconds).
[[nodiscard]] std::string to_rfc3339(Timestamp time);
[[nodiscard]] std::optional<Timestamp> parse_rfc3339(std::string_view text);
// "90s", "15m", "24h", "7d", "1h30m", or a bare number of seconds. Nothing for anything else,
// negatives and what does not fit.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);
// The shortest exact form of the above; sub-second parts as "250ms".
[[nodiscard]] std::string format_duration(Duration duration);

}  // namespace slipway
