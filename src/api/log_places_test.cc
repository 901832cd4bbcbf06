#include "api/log_places.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace slipway {
namespace {

Timestamp at(std::int64_t micros) { return Timestamp{std::chrono::microseconds{micros}}; }

using Records = std::vector<std::pair<std::string, std::int64_t>>;  // service, time

// The records that a reader with this cursor is shown, and the cursor after them.
std::pair<Records, std::string> read(const Records& log, std::string_view cursor) {
  LogPlaces places = LogPlaces::parse(cursor).value();
  Records shown;
  for (const auto& record : log)
    if (places.take(record.first, at(record.second))) shown.push_back(record);
  return {shown, places.cursor()};
}

TEST(LogPlaces, GoOnBehindAnyRecordWithoutGapOrRepetition) {
  // Several at once, and a clock that goes back.
  const Records log{{"", 10}, {"", 10}, {"", 10}, {"", 11}, {"", 15}, {"", 15}, {"", 20}};
  for (std::size_t first = 0; first <= log.size(); ++first) {
    const Records seen(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(first));
    const std::string cursor = read(seen, "").second;
    EXPECT_EQ(read(log, cursor).first,
              Records(log.begin() + static_cast<std::ptrdiff_t>(first), log.end()))
        << cursor;
  }
}

// What another service writes late stands before what was shown already when the logs are merged
// again.
TEST(LogPlaces, AreKeptForEachService) {
  const Records before{{"web", 10}, {"worker", 12}, {"web", 15}};
  const std::string cursor = read(before, "").second;
  EXPECT_EQ(cursor, "web:15.1,worker:12.1");
  const Records now{{"web", 10}, {"worker", 12}, {"worker", 14}, {"web", 15}, {"cron", 11}};
  EXPECT_EQ(read(now, cursor).first, (Records{{"worker", 14}, {"cron", 11}}));
}

TEST(LogPlaces, AServiceThatSaysNothingMoreKeepsItsPlace) {
  const std::string cursor = read({{"web", 10}, {"worker", 12}}, "").second;
  EXPECT_EQ(read({{"web", 10}, {"web", 11}}, cursor).second, "web:11.1,worker:12.1");
}

TEST(LogPlaces, GoOnAfterAClockThatWentBack) {
  EXPECT_EQ(read({{"", 50}, {"", 60}, {"", 5}, {"", 6}}, "50.1").first,
            (Records{{"", 60}, {"", 5}, {"", 6}}));
}

TEST(LogPlaces, RefuseWhatIsNoCursor) {
  for (const char* text : {"x", "1", "1.", ".1", "1.2.3", "web:", "1.1,", "1.-1"})
    EXPECT_EQ(LogPlaces::parse(text).error().code, Errc::invalid_argument) << text;
}

}  // namespace
}  // namespace slipway
