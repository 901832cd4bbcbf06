#include "deploy/settings.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

using namespace std::chrono_literals;

TEST(Config, SetsWhatItNamesAndLeavesTheRest) {
  Settings settings;
  const Status applied = apply_config(settings, R"(
[server]
listen = "0.0.0.0:8000"
domain = "apps.example.com"
[previews]
idle = "2s"
max_running = 3
[builds]
memory = "2GiB"
[releases]
instances = 3
bake = "1h"
max_rollbacks = 0
[log]
format = "json"
)",
                                      "slipway-server.toml");
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(settings.listen_address, "0.0.0.0");
  EXPECT_EQ(settings.port, 8000);
  EXPECT_EQ(settings.domain, "apps.example.com");
  EXPECT_EQ(settings.previews.idle, 2s);
  EXPECT_EQ(settings.previews.max_running, 3u);
  EXPECT_EQ(settings.previews.ttl, 72h);
  EXPECT_EQ(settings.builds.limits.memory_bytes, 2ull << 30);
  EXPECT_EQ(settings.releases.instances, 3u);
  EXPECT_EQ(settings.releases.bake, 1h);
  EXPECT_EQ(settings.releases.max_rollbacks, 0u);
  EXPECT_EQ(settings.releases.drain, 30s);
  EXPECT_EQ(settings.log.format, LogFormat::json);
}

TEST(Config, NamesTheLineOfWhatIsWrong) {
  Settings settings;
  EXPECT_EQ(apply_config(settings, "[previews]\nidel = \"2s\"\n", "c.toml").error().message,
            "c.toml:2: unknown setting previews.idel");
  EXPECT_EQ(apply_config(settings, "[previews]\nidle = 2\n", "c.toml").error().message,
            "c.toml:2: previews.idle must be a duration such as \"15m\"");
  EXPECT_EQ(apply_config(settings, "x = 1\n", "c.toml").error().message,
            "c.toml:1: x stands outside a section");
  EXPECT_NE(apply_config(settings, "[previews\n", "c.toml")
                .error()
                .message.find("c.toml:1: not valid TOML"),
            std::string::npos);
}

TEST(Config, AProxyInFrontIsDescribed) {
  Settings settings;
  ASSERT_TRUE(apply_config(settings, R"(
[server]
public_url = "https://apps.example.com"
trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]
loops = 2
)",
                           "c.toml"));
  EXPECT_EQ(settings.public_url, "https://apps.example.com");
  EXPECT_EQ(settings.trusted_proxies, (std::vector<std::string>{"127.0.0.1", "10.0.0.0/8"}));
  EXPECT_EQ(settings.loops, 2u);
  EXPECT_EQ(parse_public_url("https://Apps.example.com/")->host, "apps.example.com");
  EXPECT_EQ(parse_public_url("https://apps.example.com")->port, 443);
  EXPECT_EQ(parse_public_url("http://apps.example.com:8080")->port, 8080);
  for (const char* bad : {"apps.example.com", "ftp://a", "https://", "https://a/b", "https://a:b",
                          "https://a:0", "https://a b"})
    EXPECT_FALSE(parse_public_url(bad)) << bad;
}

TEST(Config, TellsWhatItSets) {
  const auto values = config_values("[log]\nlevel = \"debug\"\n[server]\nloops = 2\n").value();
  EXPECT_EQ(values,
            (std::map<std::string, std::string>{{"log.level", "debug"}, {"server.loops", "2"}}));
}

TEST(Config, AMalformedHeaderIsAnErrorAndNoAbort) {
  Settings settings;
  for (const char* text : {"[[.a]\n", "[.a]\n", "[[]]\n", "[", "[[", "a.=1", "=1"})
    EXPECT_EQ(apply_config(settings, text, "c.toml").error().code, Errc::invalid_argument) << text;
}

TEST(Listen, TakesAddressesAndPorts) {
  Settings settings;
  ASSERT_TRUE(apply_listen(settings, "[::1]:80"));
  EXPECT_EQ(settings.listen_address, "::1");
  EXPECT_EQ(settings.port, 80);
  ASSERT_TRUE(apply_listen(settings, ":0"));
  EXPECT_EQ(settings.listen_address, "::1");
  EXPECT_EQ(settings.port, 0);
  EXPECT_FALSE(apply_listen(settings, "127.0.0.1:http"));
  EXPECT_FALSE(apply_listen(settings, "127.0.0.1:70000"));
}

TEST(Sizes, KnowDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_size("512MB"), 512'000'000u);
  EXPECT_EQ(parse_size("1 GiB"), 1ull << 30);
  EXPECT_EQ(parse_size("7"), 7u);
  EXPECT_EQ(parse_size("7 parsecs"), std::nullopt);
  EXPECT_EQ(parse_size("99999999999999999999"), std::nullopt);
  EXPECT_EQ(parse_size("99999999999T"), std::nullopt);
}

}  // namespace
}  // namespace slipway
