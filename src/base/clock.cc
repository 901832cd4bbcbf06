#include "base/clock.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <charconv>
#include <ctime>
#include <limits>

namespace slipway {

using namespace std::chrono_literals;

Timestamp SystemClock::now() const {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

Duration SystemClock::monotonic() const {
  return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch());
}

Timestamp ManualClock::now() const {
  std::lock_guard lock(mutex_);
  return now_;
}

Duration ManualClock::monotonic() const { return now().time_since_epoch(); }

void ManualClock::advance(Duration by) {
  std::lock_guard lock(mutex_);
  now_ += by;
}

Duration Deadline::left(const Clock& clock) const {
  const Duration now = clock.monotonic();
  return now >= at_ ? Duration::zero() : at_ - now;
}

std::string to_rfc3339(Timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(time - seconds).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds.time_since_epoch().count()),
                     millis);
}

namespace {

// Reads exactly `width` digits at `at`; -1 when they are not all digits.
int digits(std::string_view text, std::size_t at, std::size_t width) {
  if (at + width > text.size()) return -1;
  int value = 0;
  for (char c : text.substr(at, width)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (year < 0 || month < 1 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60)
    return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' ||
      text[16] != ':')
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  std::size_t at = 19;
  std::int64_t micros = 0;
  if (at < text.size() && text[at] == '.') {
    std::int64_t unit = 100'000;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
      micros += unit * (text[at] - '0');
  }
  if (text.substr(at) != "Z" && text.substr(at) != "z" && text.substr(at) != "+00:00")
    return std::nullopt;
  return Timestamp{std::chrono::sys_days{date}.time_since_epoch()} + std::chrono::hours{hour} +
         std::chrono::minutes{minute} + std::chrono::seconds{second} + Duration{micros};
}

std::optional<Duration> parse_duration(std::string_view text) {
  constexpr std::int64_t limit = std::numeric_limits<std::int64_t>::max() / 1'000'000 / 1000;
  if (text.empty()) return std::nullopt;
  Duration total{};
  while (!text.empty()) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || number < 0 || number > limit / 86'400) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const auto unit_length = std::min(text.find_first_of("0123456789"), text.size());
    const std::string_view unit = text.substr(0, unit_length);
    if (unit == "d")
      total += number * std::chrono::hours{24};
    else if (unit == "h")
      total += number * 1h;
    else if (unit == "m")
      total += number * 1min;
    else if (unit == "s" || (unit.empty() && total == Duration{}))
      total += number * 1s;
    else if (unit == "ms")
      total += number * 1ms;
    else
      return std::nullopt;
    text.remove_prefix(unit_length);
  }
  return total;
}

std::string format_duration(Duration duration) {
  std::string out;
  const auto take = [&](Duration unit, std::string_view name) {
    if (duration < unit) return;
    out += fmt::format("{}{}", duration / unit, name);
    duration %= unit;
  };
  take(std::chrono::hours{24}, "d");
  take(1h, "h");
  take(1min, "m");
  take(1s, "s");
  take(1ms, "ms");
  return out.empty() ? "0s" : out;
}

}  // namespace slipway
