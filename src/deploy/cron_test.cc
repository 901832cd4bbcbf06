#include "deploy/cron.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

std::string next(std::string_view schedule, std::string_view time) {
  const auto parsed = CronSchedule::parse(schedule);
  if (!parsed) return parsed.error().message;
  const auto at = parsed->next_after(parse_rfc3339(time).value());
  return at ? to_rfc3339(*at).substr(0, 16) : "never";
}

TEST(Cron, FindsTheNextMinuteThatMatches) {
  EXPECT_EQ(next("* * * * *", "2026-01-31T23:59:30Z"), "2026-02-01T00:00");
  EXPECT_EQ(next("*/15 * * * *", "2026-01-01T10:15:00Z"), "2026-01-01T10:30");
  EXPECT_EQ(next("0 3 * * *", "2026-01-01T03:00:00Z"), "2026-01-02T03:00");
  EXPECT_EQ(next("30 9-17/4 * * mon-fri", "2026-01-02T17:31:00Z"), "2026-01-05T09:30");
  EXPECT_EQ(next("0 0 29 feb *", "2026-01-01T00:00:00Z"), "2028-02-29T00:00");
  EXPECT_EQ(next("@weekly", "2026-01-01T00:00:00Z"), "2026-01-04T00:00");
  EXPECT_EQ(next("5,10 1 * * 7", "2026-01-04T01:05:00Z"), "2026-01-04T01:10");
}

TEST(Cron, WhenBothKindsOfDayAreGivenEitherSuffices) {
  EXPECT_EQ(next("0 0 13 * fri", "2026-01-01T00:00:00Z"), "2026-01-02T00:00");
  EXPECT_EQ(next("0 0 13 * fri", "2026-01-09T12:00:00Z"), "2026-01-13T00:00");
}

TEST(Cron, ADayThatNeverComesIsNoEndlessSearch) {
  EXPECT_EQ(next("0 0 30 2 *", "2026-01-01T00:00:00Z"), "never");
}

TEST(Cron, SaysWhichFieldIsWrong) {
  EXPECT_EQ(next("60 * * * *", "2026-01-01T00:00:00Z"), "'60' is no minute of a schedule");
  EXPECT_EQ(next("* * * 13 *", "2026-01-01T00:00:00Z"), "'13' is no month of a schedule");
  EXPECT_EQ(next("* * * *", "2026-01-01T00:00:00Z"), "'* * * *' is no schedule: it has 4 fields");
  EXPECT_EQ(next("*/0 * * * *", "2026-01-01T00:00:00Z"), "'*/0' is no minute of a schedule");
  EXPECT_EQ(next("5-1 * * * *", "2026-01-01T00:00:00Z"), "'5-1' is no minute of a schedule");
}

}  // namespace
}  // namespace slipway
