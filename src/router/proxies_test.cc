#include "router/proxies.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

TrustedProxies proxies(std::vector<std::string> networks) {
  return TrustedProxies::parse(networks).value();
}

// The client of a request with these fields, from a peer at 10.0.0.1.
struct Asked {
  explicit Asked(const std::string& fields)
      : text("GET / HTTP/1.1\r\nHost: app.example\r\n" + fields + "\r\n") {
    EXPECT_EQ(parser.parse_head(text), HeadProgress::complete);
  }
  ClientIdentity from(const TrustedProxies& trusted, std::string_view peer = "10.0.0.1") {
    return client_of(parser.head(), peer, trusted);
  }
  std::string text;
  RequestParser parser{65536};
};

TEST(TrustedProxies, AreAddressesAndNetworks) {
  const TrustedProxies some = proxies({"127.0.0.1", "10.0.0.0/8", "fd00::/8", "192.0.2.128/25"});
  for (const char* each : {"127.0.0.1", "10.255.0.1", "fd12::1", "192.0.2.200"})
    EXPECT_TRUE(some.contains(each)) << each;
  for (const char* each : {"127.0.0.2", "11.0.0.1", "fe00::1", "192.0.2.127", "", "somebody"})
    EXPECT_FALSE(some.contains(each)) << each;
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "example.com", "", "::/129"})
    EXPECT_FALSE(TrustedProxies::parse(std::vector<std::string>{bad})) << bad;
  EXPECT_TRUE(proxies({"0.0.0.0/0"}).contains("203.0.113.9"));
}

TEST(ClientOf, IsTheNearestAddressThatIsNoProxy) {
  const TrustedProxies trusted = proxies({"10.0.0.0/8"});
  // What the client itself wrote stands before what the proxies added.
  EXPECT_EQ(Asked("X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.7\r\n").from(trusted).address,
            "203.0.113.9");
  EXPECT_EQ(
      Asked("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.9\r\n").from(trusted).address,
      "203.0.113.9");
  EXPECT_EQ(Asked("X-Forwarded-For: [2001:db8::7]:4711\r\n").from(trusted).address, "2001:db8::7");
  EXPECT_EQ(Asked("X-Forwarded-For: 203.0.113.9:80\r\n").from(trusted).address, "203.0.113.9");
  EXPECT_EQ(Asked("X-Forwarded-For: 203.0.113.9, nonsense\r\n").from(trusted).address, "10.0.0.1");
  EXPECT_EQ(Asked("").from(trusted).address, "10.0.0.1");
  EXPECT_EQ(Asked("X-Forwarded-For: 203.0.113.9\r\n").from(trusted, "203.0.113.1").address,
            "203.0.113.1")
      << "not from a proxy";
}

TEST(ClientOf, TakesSchemeAndHost) {
  const TrustedProxies trusted = proxies({"10.0.0.1"});
  Asked both("X-Forwarded-Proto: HTTPS\r\nX-Forwarded-Host: shop.example:8443\r\n");
  EXPECT_EQ(both.from(trusted).scheme, "https");
  EXPECT_EQ(both.from(trusted).authority, "shop.example:8443");
  Asked standard(
      "Forwarded: for=\"[2001:db8::7]:1\";proto=https;host=shop.example, for=10.0.0.1\r\n");
  EXPECT_EQ(standard.from(trusted).address, "2001:db8::7");
  EXPECT_EQ(standard.from(trusted).scheme, "https");
  EXPECT_EQ(standard.from(trusted).authority, "shop.example");
  EXPECT_EQ(Asked("X-Forwarded-Proto: gopher\r\n").from(trusted).scheme, "http");
  EXPECT_EQ(both.from(proxies({})).scheme, "http");
}

}  // namespace
}  // namespace slipway
