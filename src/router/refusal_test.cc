// What the router refuses: shapes that two readers could understand in two ways, unknown hosts,
// slow clients, too many connections.

#include <gmock/gmock.h>

#include <future>

#include "router/testing.h"

namespace slipway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace slipway::testing;
using namespace std::string_literals;
using std::chrono::milliseconds;

class Refusal : public ::testing::Test {
 protected:
  std::atomic<int> seen_{0};
  RouterWorld world_{answering([this](const std::string& request) {
    ++seen_;
    return ok(request);
  })};

  void expect_refused(const std::string& request, int status = 400) {
    RawPeer peer = world_.connect();
    peer.send(request);
    const std::string answer = peer.read_all();  // ends: the connection is closed
    EXPECT_EQ(status_of(answer), status) << request;
    EXPECT_EQ(header_of(answer, "Connection"), "close") << request;
    EXPECT_EQ(seen_, 0) << request;
  }
};

TEST_F(Refusal, AmbiguousBodyLengths) {
  const std::string post = "POST / HTTP/1.1\r\nHost: app.localhost\r\n";
  for (const std::string fields : {
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
           "Content-Length: 5\r\nContent-Length: 6\r\n",
           "Content-Length: 5\r\nContent-Length: 5\r\n",
           "Content-Length: 5, 5\r\n",
           "Content-Length: +5\r\n",
           "Content-Length: -5\r\n",
           "Content-Length: 0x5\r\n",
           "Content-Length: 5 5\r\n",
           "Content-Length: \r\n",
           "Content-Length: 99999999999999999999999\r\n",
           "Transfer-Encoding: identity\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: chunked, chunked\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: xchunked\r\n",
           "Transfer-Encoding: chunked;q=1\r\n",
           "Transfer-Encoding:\r\n",
           "Transfer-Encoding: \vchunked\r\n",
           "Transfer-Encoding : chunked\r\n",
       })
    expect_refused(post + fields + "\r\nhello");
  expect_refused(
      "POST / HTTP/1.0\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

TEST_F(Refusal, MalformedHeads) {
  for (const std::string head : {
           "GET / HTTP/1.1\nHost: app.localhost\n\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\nX: a\nY: b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\nX: a\rY: b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\nX: a\r\n b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\nX:\r\n b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\nX: \r\n \r\n\r\n",
           "GET / HTTP/1.1\r\n Host: app.localhost\r\n\r\n",
           "GET / HTTP/1.1\r\nHost : app.localhost\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\nX Y: 1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\n: empty\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\nno-colon\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\nX\x01: 1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\nX: \x01\r\n\r\n",
           "GET  / HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
           "GET / HTTP/1.1 \r\nHost: app.localhost\r\n\r\n",
           "GET / HTTP/2.0\r\nHost: app.localhost\r\n\r\n",
           "GET / http/1.1\r\nHost: app.localhost\r\n\r\n",
           "GET /\x01 HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
           "GE(T / HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
           "GET relative HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
           "GET * HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
           "CONNECT app.localhost:80 HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
           "\x16\x03\x01\x02\x00\x01\r\n\r\n",
       })
    expect_refused(head);
  expect_refused("GET / HTTP/1.1\r\nHost: app.localhost\r\nX: a\0b\r\n\r\n"s);
}

TEST_F(Refusal, HostsThatAreMissingRepeatedOrContradicted) {
  for (const std::string head : {
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost:\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\nHost: app.localhost\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost\r\nhost: other.localhost\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost, other\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: user@app.localhost\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost/x\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: app.localhost:8x\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
           "GET http://other.localhost/ HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
           "GET http://app.localhost:99/ HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
           "GET http://user@app.localhost/ HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
       })
    expect_refused(head);
}

TEST(Refusals, ABrokenChunkedBody) {
  RouterWorld world([](RawPeer& peer, int) { peer.read_all(); });
  for (const std::string body :
       {"x\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\nabc\n0\n\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n", "fffffffffffffffff\r\nabc\r\n", "3;\x01\r\nabc\r\n0\r\n\r\n"}) {
    RawPeer peer = world.connect();
    peer.send("POST / HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n" +
              body);
    EXPECT_EQ(status_of(peer.read_all()), 400) << body;
  }
}

TEST_F(Refusal, TheAbsoluteFormIsForwardedAsOriginForm) {
  const std::string answer = world_.ask(
      "GET http://APP.localhost/x?y HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_THAT(body_of(answer), ::testing::StartsWith("GET /x?y HTTP/1.1\r\n"));
}

TEST_F(Refusal, HeadsBeyondTheLimit) {
  expect_refused(
      "GET / HTTP/1.1\r\nHost: app.localhost\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n", 431);
  expect_refused("GET /" + std::string(70'000, 'x') + " HTTP/1.1\r\nHost: app.localhost\r\n\r\n",
                 431);
  std::string many = "GET / HTTP/1.1\r\nHost: app.localhost\r\n";
  for (int i = 0; i < 600; ++i) many += "X: 1\r\n";
  expect_refused(many + "\r\n");
}

TEST_F(Refusal, AHeadNearTheLimitPasses) {
  const std::string answer =
      world_.get("/", "app.localhost", "X: " + std::string(60'000, 'x') + "\r\n");
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_GT(body_of(answer).size(), 60'000u);
}

TEST_F(Refusal, AHeadThatComesByteByByteIsRead) {
  RawPeer peer = world_.connect();
  for (const char c :
       std::string("GET /slow HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n"))
    peer.send({&c, 1});
  EXPECT_THAT(peer.read_all(), HasSubstr("GET /slow HTTP/1.1"));
}

TEST(Limits, ASlowHeadIsAnswered408) {
  RouterWorld world({}, {.header_timeout = milliseconds{40}});
  RawPeer peer = world.connect();
  peer.send("GET / HTTP/1.1\r\nHost: ");
  EXPECT_EQ(status_of(peer.read_all()), 408);
}

TEST(Limits, ASilentConnectionIsClosedWithoutAWord) {
  RouterWorld world({}, {.header_timeout = milliseconds{40}});
  RawPeer peer = world.connect();
  EXPECT_EQ(peer.read_all(), "");
}

TEST(Limits, AnIdleKeptConnectionIsClosed) {
  RouterWorld world(answering([](const std::string&) { return ok("hi"); }),
                    {.idle_timeout = milliseconds{40}});
  RawPeer peer = world.connect();
  peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  peer.read_message();
  EXPECT_TRUE(peer.closed());
}

TEST(Limits, AStalledUploadEnds) {
  std::promise<std::string> got;
  RouterWorld world([&](RawPeer& peer, int) { got.set_value(peer.read_all()); },
                    {.body_timeout = milliseconds{40}});
  RawPeer peer = world.connect();
  peer.send("POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 100\r\n\r\nonly this");
  EXPECT_THAT(peer.read_all(), Not(HasSubstr(" 200 "))) << "nobody answered half of an upload";
  EXPECT_THAT(got.get_future().get(), ::testing::EndsWith("only this"))
      << "the app was told of the end";
  while (world.backend->open_requests() != 0) std::this_thread::yield();
}

// A byte now and then is progress, and would keep a connection and an app's request for ever.
TEST(Limits, ABodyThatTricklesIsCutOff) {
  std::promise<std::string> got;
  RouterWorld world([&](RawPeer& peer, int) { got.set_value(peer.read_all()); },
                    {.min_body_rate = 1'000'000, .body_grace = milliseconds{50}});
  RawPeer peer = world.connect();
  peer.send("POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 1000000\r\n\r\n");
  while (peer.send("x")) std::this_thread::yield();  // until the router has closed
  EXPECT_THAT(got.get_future().get(), HasSubstr("POST / HTTP/1.1"));
  while (world.backend->open_requests() != 0) std::this_thread::yield();
}

TEST(Limits, ATricklingBodyForTheApiIsCutOff) {
  RouterWorld world({}, {.min_body_rate = 1'000'000, .body_grace = milliseconds{50}});
  RawPeer peer = world.connect();
  peer.send("POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
  while (peer.send("x")) std::this_thread::yield();
  EXPECT_EQ(peer.read_all(), "");
}

// The time that an app takes is not the client's.
TEST(Limits, ASlowAppCostsTheClientNothing) {
  std::promise<void> full;
  RouterWorld world(
      [&](RawPeer& peer, int) {
        peer.read_until("\r\n\r\n");
        full.get_future().wait();  // reads nothing until the client has sent all it could
        for (std::size_t got = 0; got < (32u << 20);) {
          const std::size_t n = peer.read_exactly(1 << 20).size();
          if (n == 0) return;
          got += n;
        }
        peer.send(ok("taken"));
        peer.read_all();
      },
      {.min_body_rate = 1000, .body_grace = std::chrono::seconds{10}});
  RawPeer peer = world.connect();
  peer.send("POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 33554432\r\n\r\n");
  std::thread sender([&] { peer.send(std::string(32u << 20, 'x')); });
  while (world.upstream->accepted() == 0) std::this_thread::yield();
  full.set_value();
  sender.join();
  EXPECT_EQ(body_of(peer.read_message()), "taken");
}

// Trailers are dropped, in any number that fits a head; they cannot fill the memory.
TEST(Limits, TrailersAreBounded) {
  RouterWorld world([](RawPeer& peer, int) {
    peer.read_until("0\r\n\r\n");
    peer.send(ok("done"));
    peer.read_all();
  });
  RawPeer peer = world.connect();
  peer.send(
      "POST / HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: "
      "chunked\r\n\r\n1\r\nx\r\n0\r\n");
  const std::string line = "X-Trailer: " + std::string(1000, 't') + "\r\n";
  bool open = true;
  std::size_t sent = 0;
  for (; open && sent < (64u << 20); sent += line.size()) open = peer.send(line);
  EXPECT_FALSE(open) << "took " << sent << " bytes of trailers";
  while (world.backend->open_requests() != 0) std::this_thread::yield();
}

TEST(Limits, AnAppThatSaysNothingIsAnswered504) {
  RouterWorld world([](RawPeer& peer, int) { peer.read_all(); },
                    {.response_timeout = milliseconds{40}});
  EXPECT_EQ(status_of(world.get("/")), 504);
}

TEST(Limits, AnIdleTunnelIsClosed) {
  RouterWorld world(
      [](RawPeer& peer, int) {
        peer.read_message();
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
        peer.read_all();
      },
      {.tunnel_idle_timeout = milliseconds{40}});
  RawPeer peer = world.connect();
  peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
  EXPECT_EQ(status_of(peer.read_until("\r\n\r\n")), 101);
  EXPECT_TRUE(peer.closed());
}

TEST(Stopping, LetsARequestInFlightEndAndThenCloses) {
  std::promise<void> arrived, stopping;
  RouterWorld world([&](RawPeer& peer, int) {
    peer.read_message();
    arrived.set_value();
    stopping.get_future().wait();
    peer.send(ok("late"));
    peer.read_all();
  });
  RawPeer peer = world.connect(), resting = world.connect();
  peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  arrived.get_future().wait();
  std::thread stopper([&] { world.router->stop(std::chrono::seconds{10}); });
  EXPECT_TRUE(resting.closed());
  stopping.set_value();
  const std::string answer = peer.read_all();
  EXPECT_EQ(header_of(answer, "Connection"), "close");
  EXPECT_EQ(body_of(answer), "late");
  stopper.join();
}

TEST(Stopping, CutsWhatTakesLongerThanTheGrace) {
  RouterWorld world([&](RawPeer& peer, int) { peer.read_all(); });
  RawPeer peer = world.connect();
  peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  while (world.upstream->accepted() == 0) std::this_thread::yield();
  world.router->stop(milliseconds{10});
  EXPECT_TRUE(peer.closed());
}

TEST(Starting, SaysThatThePortIsTaken) {
  RouterWorld world;
  RouteTable routes;
  const auto second =
      Router::start({.port = world.router->port()}, world.clock, routes, world.api, {});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::conflict);
}

TEST(Starting, SeveralThreadsShareThePort) {
  RouterWorld world(answering([](const std::string&) { return ok("hi"); }), {.threads = 3});
  std::vector<RawPeer> peers;
  for (int i = 0; i < 9; ++i) peers.push_back(world.connect());
  for (RawPeer& peer : peers) peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  for (RawPeer& peer : peers) EXPECT_EQ(body_of(peer.read_message()), "hi");
}

}  // namespace
}  // namespace slipway
