#pragma once

#include <bitset>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace slipway {

// When a scheduled job runs: the five fields of crontab(5) in UTC (lists, ranges, steps, names of
// months and days; Sunday is 0 or 7), or @hourly, @daily, @weekly, @monthly, @yearly. A value.
class CronSchedule {
 public:
  // Errors: invalid_argument, naming the field.
  [[nodiscard]] static Result<CronSchedule> parse(std::string_view text);
  // The first minute after `time` that matches; nothing when none does within five years ("0 0 30
  // 2 *").
  [[nodiscard]] std::optional<Timestamp> next_after(Timestamp time) const;

 private:
  [[nodiscard]] bool on_day(std::chrono::sys_days day) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<8> weekdays_;
  // As in crontab: when both say something, either suffices.
  bool any_day_ = true, any_weekday_ = true;
};

}  // namespace slipway
