#include "cli/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/api_client.h"

namespace slipway::cli {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(SseParser, ReadsTheSameEventsHoweverTheBytesAreCut) {
  const std::string bytes =
      ": comment\nevent: step\r\ndata: {\"a\":1}\r\n\r\nevent: log\ndata: x\ndata: y\n\ndata:z\n\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    SseParser parser;
    std::vector<std::pair<std::string, std::string>> events;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      ASSERT_TRUE(parser.feed(std::string_view(bytes).substr(at, piece),
                              [&](std::string_view event, std::string_view data) -> Status {
                                events.emplace_back(event, data);
                                return {};
                              }));
    EXPECT_THAT(events,
                ElementsAre(Pair("step", "{\"a\":1}"), Pair("log", "x\ny"), Pair("message", "z")))
        << "pieces of " << piece;
  }
}

TEST(SseParser, StopsWhereItsReaderStops) {
  SseParser parser;
  int taken = 0;
  const Status status =
      parser.feed("data: 1\n\ndata: 2\n\n", [&](std::string_view, std::string_view) -> Status {
        ++taken;
        return fail(Errc::canceled, "enough");
      });
  EXPECT_FALSE(status);
  EXPECT_EQ(taken, 1);
}

TEST(LineSplitter, RefusesALineWithoutEnd) {
  LineSplitter splitter;
  const std::string megabyte(1 << 20, 'x');
  Status status;
  for (int i = 0; i < 20 && status; ++i)
    status = splitter.feed(megabyte, [](std::string_view) -> Status { return {}; });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::too_large);
}

TEST(Targets, CarryWhateverTheUserCallsADeployment) {
  EXPECT_EQ(deployment_target("dpl_k3x7m2p5qa"), "/v1/deployments/dpl_k3x7m2p5qa");
  EXPECT_EQ(deployment_target("http://shop-k3x7m2p5qa.localhost:7070/a?b#c"),
            "/v1/deployments/shop-k3x7m2p5qa.localhost");
  EXPECT_EQ(deployment_target("https://shop.example.com"), "/v1/deployments/shop.example.com");
  EXPECT_EQ(deployment_target("../../etc"), "/v1/deployments/..%2F..%2Fetc");
  EXPECT_EQ(url_encode("a b&c=ü"), "a%20b%26c%3D%C3%BC");
}

TEST(PrintableJson, LeavesNothingThatATerminalObeys) {
  const std::string text = printable_json(json::object{{"a", "\x1b[2J\x7f\xc2\x9b\xe2\x80\xae z"}});
  EXPECT_EQ(text.find_first_of("\x1b\x7f\xc2\xe2"), std::string::npos) << text;
  EXPECT_EQ(parse_json(text)->at("a").as_string(), "\x1b[2J\x7f\xc2\x9b\xe2\x80\xae z");
}

}  // namespace
}  // namespace slipway::cli
