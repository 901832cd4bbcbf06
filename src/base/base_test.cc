#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/text.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

TEST(Errc, EveryNameFindsItsCodeAgain) {
  for (int i = 0; i <= static_cast<int>(Errc::internal); ++i) {
    const auto code = static_cast<Errc>(i);
    EXPECT_EQ(errc_from_name(info(code).name), code);
  }
  EXPECT_EQ(errc_from_name("from_the_future"), Errc::internal);
}

TEST(FailErrno, AFullDiskIsItsOwnCode) {
  EXPECT_EQ(fail_errno(ENOSPC, "write").error().code, Errc::disk_full);
  EXPECT_EQ(fail_errno(ENOENT, "open").error().code, Errc::not_found);
}

TEST(Digest, MatchesThePublishedVectorOfFips180) {
  EXPECT_EQ(sha256("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, ParsesItsOwnTextAndNothingElse) {
  const Digest digest = sha256("x");
  EXPECT_EQ(Digest::parse(digest.str()), digest);
  EXPECT_EQ(Digest::parse(digest.hex()), digest);
  EXPECT_EQ(Digest::parse("sha256:abc"), std::nullopt);
  EXPECT_EQ(Digest::parse(std::string(64, 'G')), std::nullopt);
}

TEST(Base32, MatchesRfc4648) {
  const std::uint8_t foobar[] = {'f', 'o', 'o', 'b', 'a', 'r'};
  EXPECT_EQ(base32(foobar), "mzxw6ytboi");
}

TEST(Ids, RandomOnesAreDistinctAndParse) {
  const DeploymentId a = DeploymentId::random(), b = DeploymentId::random();
  EXPECT_NE(a, b);
  EXPECT_EQ(DeploymentId::parse(a.str()), a);
  EXPECT_EQ(a.tail().size(), 10u);
  EXPECT_EQ(DeploymentId::parse("dpl_../../etc"), std::nullopt);
  EXPECT_EQ(DeploymentId::parse(UploadId::random().str()), std::nullopt);
}

TEST(Time, Rfc3339RoundTrips) {
  const Timestamp time{1'700'000'000'123'000us};
  EXPECT_EQ(to_rfc3339(time), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(parse_rfc3339(to_rfc3339(time)), time);
  EXPECT_EQ(parse_rfc3339("2023-02-30T00:00:00Z"), std::nullopt);
  EXPECT_EQ(parse_rfc3339("yesterday"), std::nullopt);
}

TEST(Durations, ReadAsPeopleWriteThem) {
  EXPECT_EQ(parse_duration("24h"), 24h);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("90"), 90s);
  EXPECT_EQ(parse_duration("7d"), 168h);
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("-1h"), std::nullopt);
  EXPECT_EQ(parse_duration("1 hour"), std::nullopt);
  EXPECT_EQ(parse_duration("99999999999999999999h"), std::nullopt);
  EXPECT_EQ(format_duration(90min), "1h30m");
}

TEST(SanitizeLine, MakesEscapesVisible) {
  EXPECT_EQ(sanitize_line("\x1b]0;title\x07hi"), "\\x1b]0;title\\x07hi");
  EXPECT_EQ(sanitize_line("\x1b[31mred\x1b[0m"), "red");
  EXPECT_EQ(sanitize_line("\x1b[31mred", Colors::keep), "\x1b[31mred");
  EXPECT_EQ(sanitize_line("a\rb\nc"), "a\\x0db\\x0ac");
  EXPECT_EQ(sanitize_line("\xe2\x80\xaetxt"), "\\u{202e}txt");
  EXPECT_EQ(sanitize_line("\xff\xc0\xafz"), "\\xff\\xc0\\xafz");
  EXPECT_EQ(sanitize_line("grüße\t✓"), "grüße\t✓");
}

TEST(Slug, MakesHostNamesOfAnything) {
  EXPECT_EQ(slug("My Cool App!"), "my-cool-app");
  EXPECT_EQ(slug("123 go"), "go");
  EXPECT_EQ(slug("a--b"), "a-b");
  EXPECT_EQ(slug("日本"), "app");
  EXPECT_TRUE(is_slug("shop-2"));
  EXPECT_FALSE(is_slug("Shop"));
  EXPECT_FALSE(is_slug("a--b"));
}

TEST(ShellQuote, KeepsPlainWordsAndQuotesTheRest) {
  EXPECT_EQ(shell_quote("server.js"), "server.js");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
}

TEST(FormatBytes, IsShort) {
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1234), "1.2 KB");
  EXPECT_EQ(format_bytes(56'000'000), "56 MB");
}

}  // namespace
}  // namespace slipway
