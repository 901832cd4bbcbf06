#include "router/connections.h"

#include <gmock/gmock.h>

#include <future>

#include "router/testing.h"

namespace slipway {
namespace {

using namespace slipway::testing;
using ::testing::HasSubstr;

TEST(Connections, AreAsManyAsDescriptorsAllowWithAPartKept) {
  EXPECT_EQ(connections_for(1024), 384u);  // 256 are kept; each may need a second one
  EXPECT_EQ(connections_for(4096), 1536u);
  EXPECT_EQ(connections_for(1 << 20), 20'000u);
  EXPECT_EQ(connections_for(64), 16u);
}

TEST(Connections, OfOneAddressAreAShare) {
  Connections connections(100, 2);
  const std::string one = connection_key("192.0.2.1");
  EXPECT_EQ(connections.enter(one), Connections::Verdict::welcome);
  EXPECT_EQ(connections.enter(one), Connections::Verdict::welcome);
  EXPECT_EQ(connections.enter(one), Connections::Verdict::too_many_of_address);
  EXPECT_EQ(connections.enter(connection_key("192.0.2.2")), Connections::Verdict::welcome);
  connections.leave(one);
  EXPECT_EQ(connections.enter(one), Connections::Verdict::welcome);
  EXPECT_EQ(connections.open(), 3u);
  // A client with IPv6 has a whole network of addresses.
  EXPECT_EQ(connection_key("2001:db8::1"), connection_key("2001:db8::ffff"));
  EXPECT_NE(connection_key("2001:db8::1"), connection_key("2001:db8:0:1::1"));
  // This machine's own are counted in all only.
  EXPECT_EQ(connection_key("127.0.0.1"), "");
  EXPECT_EQ(connection_key("::1"), "");
}

std::string ask(RawPeer& peer) {
  peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  return body_of(peer.read_message());
}

// A thousand connections that say nothing took production down.
TEST(Connections, ThoseThatRestGiveWayAndThoseThatServeGoOn) {
  RouterWorld world(answering([](const std::string&) { return ok("hi"); }),
                    {.max_connections = 16});
  RawPeer old = world.connect();
  ASSERT_EQ(ask(old), "hi");
  std::vector<RawPeer> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(world.connect());
    if (i % 10 == 0) EXPECT_EQ(body_of(world.get("/")), "hi") << "a new connection, after " << i;
  }
  EXPECT_EQ(ask(old), "hi") << "it has been of use before: the silent ones go first";
  EXPECT_TRUE(silent.front().closed());
}

TEST(Connections, AtTheLimitNobodyIsLetInUntilOneEnds) {
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future();
  RouterWorld world(answering([&](const std::string&) {
                      gone.wait();
                      return ok("late");
                    }),
                    {.max_connections = 4});
  std::vector<RawPeer> busy;
  for (int i = 0; i < 4; ++i) {
    busy.push_back(world.connect());
    busy.back().send("GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n");
    while (world.upstream->accepted() <= i) std::this_thread::yield();
  }
  RawPeer fifth = world.connect();  // in the kernel's line
  fifth.send("GET /v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(world.router->counters().connections, 4u);
  go.set_value();
  for (RawPeer& peer : busy) EXPECT_EQ(body_of(peer.read_all()), "late");
  EXPECT_EQ(status_of(fifth.read_all()), 200);
}

TEST(Connections, AProxysClientsAreNotOneClient) {
  const std::vector<std::string> loopback{"127.0.0.1"};
  RouterWorld world(answering([](const std::string& request) { return ok(request); }),
                    {.trusted_proxies = TrustedProxies::parse(loopback).value()});
  const std::string seen = body_of(
      world.get("/", "app.localhost",
                "X-Forwarded-For: 198.51.100.7, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"));
  EXPECT_THAT(seen, HasSubstr("X-Forwarded-For: 203.0.113.9\r\n"));
  EXPECT_THAT(seen, HasSubstr("X-Forwarded-Proto: https\r\n"));
}

TEST(Connections, OfAStrangerNothingIsBelieved) {
  RouterWorld world(answering([](const std::string& request) { return ok(request); }));
  const std::string seen = body_of(
      world.get("/", "app.localhost",
                "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"
                "X-Forwarded-Host: bank.example\r\nForwarded: for=203.0.113.9;proto=https\r\n"));
  EXPECT_THAT(seen, HasSubstr("X-Forwarded-For: 127.0.0.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("X-Forwarded-Proto: http\r\n"));
  EXPECT_THAT(seen, HasSubstr("X-Forwarded-Host: app.localhost\r\n"));
  EXPECT_THAT(seen, ::testing::Not(HasSubstr("203.0.113.9")));
}

// What frameworks and servers take for the client's address when nothing removed it.
TEST(Connections, NoClaimAboutTheClientPasses) {
  RouterWorld world(answering([](const std::string& request) { return ok(request); }));
  for (const char* name : {"Client-IP",
                           "X-Original-Forwarded-For",
                           "X-Envoy-External-Address",
                           "Fastly-Client-IP",
                           "X-ProxyUser-Ip",
                           "True-Client-IP",
                           "CF-Connecting-IP",
                           "Via",
                           "X-Real-IP",
                           "Client_IP",
                           "WL-Proxy-Client-IP",
                           "X-Azure-ClientIP",
                           "Remote-User",
                           "Proxy",
                           "Forwarded-For",
                           "Forwarded-Host",
                           "Fly-Client-IP",
                           "X-Nf-Client-Connection-IP",
                           "X-Vercel-Forwarded-For",
                           "X-Forward-For",
                           "DO-Connecting-IP",
                           "Incap-Client-IP"})
    EXPECT_THAT(body_of(world.get("/", "app.localhost", std::string(name) + ": 6.6.6.6\r\n")),
                ::testing::Not(HasSubstr("6.6.6.6")))
        << name;
}

}  // namespace
}  // namespace slipway
