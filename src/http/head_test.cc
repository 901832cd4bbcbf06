#include "http/head.h"

#include <gtest/gtest.h>

#include <memory>

namespace slipway {
namespace {

constexpr std::uint32_t limit = 64u << 10;

TEST(RequestParser, ReadsAHead) {
  RequestParser parser(limit);
  const std::string text =
      "POST /a?b HTTP/1.1\r\nHost: x.localhost:80\r\nContent-Length: 3\r\nX-Empty:\r\n"
      "X-Spaces: \t a b \t\r\nConnection: close, X-Hop , ,\r\n\r\nabc";
  ASSERT_EQ(parser.parse_head(text), HeadProgress::complete);
  const RequestHead& head = parser.head();
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/a?b");
  EXPECT_EQ(head.authority, "x.localhost:80");
  EXPECT_EQ(head.content_length, 3u);
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_FALSE(head.keep_alive);
  EXPECT_TRUE(head.connection_lists("x-hop"));
  EXPECT_EQ(head.connection_options.size(), 2u);
  EXPECT_EQ(head.fields[2].value, "");
  EXPECT_EQ(head.fields[3].value, "a b");
  std::vector<std::string_view> pieces;
  const BodyProgress body =
      parser.decode_body(std::string_view(text).substr(parser.head_bytes()), pieces);
  EXPECT_EQ(body.state, BodyProgress::State::done);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0], "abc");
}

TEST(RequestParser, KeepsItsViewsWhenTheBufferMoves) {
  const std::string text = "GET /path HTTP/1.1\r\nHost: first\r\nX-Last: last\r\n\r\n";
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    RequestParser parser(limit);
    auto before = std::make_unique<std::string>(text.substr(0, cut));
    ASSERT_EQ(parser.parse_head(*before), HeadProgress::need_more) << cut;
    const std::string after = text;
    before.reset();
    ASSERT_EQ(parser.parse_head(after), HeadProgress::complete) << cut;
    EXPECT_EQ(parser.head().target, "/path");
    EXPECT_EQ(parser.head().authority, "first");
    EXPECT_EQ(parser.head().fields[1].value, "last");
  }
}

TEST(RequestParser, CanBeUsedAgain) {
  RequestParser parser(limit);
  const std::string first = "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const std::string second = "GET /2 HTTP/1.1\r\nHost: b\r\n\r\n";
  ASSERT_EQ(parser.parse_head(first), HeadProgress::complete);
  parser.reset();
  ASSERT_EQ(parser.parse_head(second), HeadProgress::complete);
  EXPECT_EQ(parser.head().target, "/2");
  EXPECT_EQ(parser.head().fields.size(), 1u);
  EXPECT_TRUE(parser.head().keep_alive);
}

TEST(RequestParser, DecodesChunksHoweverTheyAreCut) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string body = "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: 1\r\n\r\n";
  for (std::size_t step = 1; step <= body.size(); ++step) {
    RequestParser parser(limit);
    ASSERT_EQ(parser.parse_head(head), HeadProgress::complete);
    std::string buffer, content;
    for (std::size_t at = 0; at < body.size() && !parser.body_done(); at += step) {
      buffer += body.substr(at, step);
      std::vector<std::string_view> pieces;
      const BodyProgress progress = parser.decode_body(buffer, pieces);
      ASSERT_NE(progress.state, BodyProgress::State::bad) << step;
      for (const std::string_view piece : pieces) content += piece;
      buffer.erase(0, progress.consumed);
    }
    EXPECT_TRUE(parser.body_done()) << step;
    EXPECT_EQ(content, "abcdefg") << step;
    EXPECT_EQ(buffer, "");
  }
}

TEST(RequestParser, SaysWhatAFieldMeans) {
  RequestParser parser(limit);
  const std::string text =
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Anything: 1\r\nx_real_ip: 1\r\nX-Request-ID: 1\r\n"
      "TE: trailers\r\nX-Other: 1\r\nContent_Length: 5\r\n\r\n";
  ASSERT_EQ(parser.parse_head(text), HeadProgress::complete);
  std::vector<FieldKind> kinds;
  for (const HeadField& field : parser.head().fields) kinds.push_back(field.kind);
  using enum FieldKind;
  EXPECT_EQ(kinds,
            (std::vector{host, forwarded, forwarded, request_id, connection, other, forwarded}));
}

TEST(ResponseParser, KnowsWhichAnswersHaveABody) {
  const auto has_body = [](std::string text, ResponseParser::To to) {
    ResponseParser parser(limit);
    parser.reset(to);
    EXPECT_EQ(parser.parse_head(text), HeadProgress::complete) << text;
    return !parser.body_done();
  };
  using enum ResponseParser::To;
  EXPECT_TRUE(has_body("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", other_request));
  EXPECT_FALSE(has_body("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", head_request));
  EXPECT_FALSE(has_body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", other_request));
  EXPECT_FALSE(has_body("HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n", other_request));
  EXPECT_FALSE(has_body("HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", other_request));
  EXPECT_TRUE(has_body("HTTP/1.1 200 OK\r\n\r\n", other_request));
}

TEST(ResponseParser, ReadsABodyUntilTheEnd) {
  ResponseParser parser(limit);
  parser.reset(ResponseParser::To::other_request);
  ASSERT_EQ(parser.parse_head("HTTP/1.0 200 OK\r\n\r\n"), HeadProgress::complete);
  EXPECT_TRUE(parser.until_close());
  std::vector<std::string_view> pieces;
  EXPECT_EQ(parser.decode_body("anything", pieces).consumed, 8u);
  EXPECT_FALSE(parser.body_done());
}

TEST(HostName, NormalizesAndRefuses) {
  EXPECT_EQ(host_name("App.LocalHost:7070"), "app.localhost");
  EXPECT_EQ(host_name("localhost."), "localhost");
  EXPECT_EQ(host_name("[::1]:80"), "[::1]");
  EXPECT_EQ(host_name("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(host_name("a:"), "a");
  for (const char* text : {"", ":80", ".", "a b", "a/b", "a:b", "user@a", "[::1", "[::1]x", "a,b",
                           "a\\b", "<x>", "[a b]"})
    EXPECT_FALSE(host_name(text).has_value()) << text;
}

TEST(ListHas, ComparesTokens) {
  EXPECT_TRUE(list_has("a, B ;q=1,c", "b"));
  EXPECT_FALSE(list_has("ab, c", "b"));
  EXPECT_FALSE(list_has("", "b"));
}

// Small servers leave the reason out together with the space before it; curl, nginx and Node
// understand them.
TEST(ResponseParser, UnderstandsAStatusLineWithoutAReason) {
  const std::string text = "HTTP/1.1 200\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi";
  for (std::size_t step : {std::size_t{1}, text.size()}) {
    ResponseParser parser(65536);
    parser.reset(ResponseParser::To::other_request);
    HeadProgress progress = HeadProgress::need_more;
    for (std::size_t n = step; progress == HeadProgress::need_more && n <= text.size(); n += step)
      progress = parser.parse_head(std::string_view(text).substr(0, n));
    ASSERT_EQ(progress, HeadProgress::complete) << step;
    EXPECT_EQ(parser.head().status, 200);
    EXPECT_EQ(parser.head().reason, "");
    EXPECT_EQ(parser.head().content_length, 2u);
    EXPECT_EQ(parser.head_bytes(), text.size() - 2);
    std::vector<std::string_view> pieces;
    EXPECT_EQ(parser.decode_body("hi", pieces).state, BodyProgress::State::done);
    EXPECT_EQ(pieces.at(0), "hi");
    // The next one on the same connection.
    parser.reset(ResponseParser::To::other_request);
    ASSERT_EQ(parser.parse_head("HTTP/1.1 204 No Content\r\n\r\n"), HeadProgress::complete);
    EXPECT_EQ(parser.head_bytes(), 27u);
  }
  ResponseParser strict(65536);
  strict.reset(ResponseParser::To::other_request);
  EXPECT_EQ(strict.parse_head("HTTP/1.1 20\r\n\r\n"), HeadProgress::bad);
}

}  // namespace
}  // namespace slipway
