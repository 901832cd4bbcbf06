#include "audit/tile.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace slipway::tlog {
namespace {

TEST(Tile, NumbersAreWrittenAsTheSpecificationWantsThem) {
  EXPECT_EQ((TileNumber{.index = 1'234'067}.path()), "x001/x234/067");
  EXPECT_EQ((TileNumber{.index = 0, .width = 112}.path()), "000.p/112");
  EXPECT_EQ((TileNumber{.index = 1000}.path()), "x001/000");
  EXPECT_EQ((TileNumber{.index = 999}.path()), "999");
}

TEST(Tile, NothingButTheOneWayToWriteANumberIsRead) {
  for (const std::string_view text : {"",         "0",         "00",
                                      "0000",     "x000/001",  "x001",
                                      "001/x002", "001/002",   "x001/x002",
                                      "000.p/0",  "000.p/256", "000.p/01",
                                      "000.p/",   "000.p/1/1", "000/p/1",
                                      "-01",      "x1/002",    "000.p/1.p/1",
                                      "/000",     "000/",      "x999/x999/x999/x999/x999/x999/999"})
    EXPECT_FALSE(TileNumber::parse(text)) << text;
  for (const std::string_view text : {"", "00", "64", "-1", "x", "1 "})
    EXPECT_FALSE(parse_level(text)) << text;
  EXPECT_EQ(parse_level("63"), 63u);
}

RC_GTEST_PROP(TileProperty, ANumberIsReadBackAsItWasWritten, ()) {
  const TileNumber number{.index = *rc::gen::inRange<std::uint64_t>(0, 1'000'000'000'000),
                          .width = *rc::gen::inRange(1u, 257u)};
  RC_ASSERT(TileNumber::parse(number.path()).value() == number);
}

TEST(Tile, ABundleHasTheLengthBeforeEachEntry) {
  const std::vector<std::string> entries{"ab", std::string(300, 'c')};
  EXPECT_EQ(bundle_bytes(entries, 0).value(),
            std::string("\0\2ab\1\x2c", 6) + std::string(300, 'c'));
  const std::vector<std::string> large{"a", std::string(largest_entry + 1, 'x')};
  const auto refused = bundle_bytes(large, 6);
  EXPECT_EQ(refused.error().code, Errc::too_large);
  EXPECT_TRUE(refused.error().message.starts_with("entry 7 ")) << refused.error().message;
}

}  // namespace
}  // namespace slipway::tlog
