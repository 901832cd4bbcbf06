#include "http/address_guard.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "http/client.h"
#include "http/testing/scripted_server.h"

namespace slipway {
namespace {

TEST(AddressGuard, KnowsWhatIsPublic) {
  for (const char* address : {"8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1",
                              "172.32.0.1", "192.167.1.1", "2606:4700::1111", "2a00:1450::1",
                              "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"})
    EXPECT_TRUE(is_public_address(address)) << address;
}

TEST(AddressGuard, KnowsWhatIsNotPublicInAllItsForms) {
  for (const char* address : {"127.0.0.1",
                              "127.1.2.3",
                              "0.0.0.0",
                              "0.1.2.3",
                              "10.1.2.3",
                              "100.64.0.1",
                              "100.127.255.255",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.0.1",
                              "192.0.0.1",
                              "192.0.2.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "198.51.100.1",
                              "203.0.113.1",
                              "224.0.0.1",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:127.0.0.1",
                              "::ffff:169.254.169.254",
                              "::ffff:10.0.0.1",
                              "::127.0.0.1",
                              "64:ff9b::7f00:1",
                              "64:ff9b::a9fe:a9fe",
                              "64:ff9b:1::1",
                              "2002:7f00:1::",
                              "2002:c0a8:1::",
                              "2001::1",
                              "2001:db8::1",
                              "fc00::1",
                              "fd00:ec2::254",
                              "fe80::1",
                              "fe80::1%eth0",
                              "fec0::1",
                              "ff02::1",
                              "100::1",
                              "3fff::1",
                              "",
                              "localhost",
                              "2130706433",
                              "0x7f000001",
                              "127.1"})
    EXPECT_FALSE(is_public_address(address)) << address;
}

TEST(AddressGuard, RefusesWithAReason) {
  EXPECT_TRUE(check_public_address("8.8.8.8").has_value());
  const Status refused = check_public_address("169.254.169.254");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
}

TEST(AddressGuard, IsAskedOfTheAddressThatIsConnectedToAndNothingIsSentWhenItRefuses) {
  testing::ScriptedServer server([](testing::RawPeer&, int) {});
  auto client = HttpClient::create(fmt::format("http://127.0.0.1:{}", server.port()));
  ASSERT_TRUE(client);
  std::vector<std::string> asked;
  client->set_address_check([&](std::string_view address) {
    asked.emplace_back(address);
    return check_public_address(address);
  });
  const auto answer = client->request("POST", "/", "{}");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::permission_denied);
  EXPECT_EQ(asked, std::vector<std::string>{"127.0.0.1"});
  EXPECT_EQ(server.accepted(), 0);
}

TEST(HttpClient, GivesUpAnAnswerThatDripsForLongerThanItsConnectionMayLive) {
  testing::ScriptedServer server([](testing::RawPeer& peer, int) {
    peer.read_message();
    // Each byte is progress; only the end of the connection's life stops this.
    while (peer.send("H")) {
    }
  });
  auto client = HttpClient::create(fmt::format("http://127.0.0.1:{}", server.port()));
  ASSERT_TRUE(client);
  client->set_life(Duration{1});
  const auto answer = client->request("GET", "/");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::deadline_exceeded);
}

}  // namespace
}  // namespace slipway
