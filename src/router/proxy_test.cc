// Requests through the router to an app, over real sockets.

#include <gmock/gmock.h>

#include <future>

#include "router/testing.h"

namespace slipway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using namespace slipway::testing;

TEST(Proxy, ForwardsARequestAndItsAnswer) {
  RouterWorld world(
      answering([](const std::string& request) { return ok(request, "X-App: yes\r\n"); }));
  const std::string answer = world.get("/path?q=1");
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_EQ(header_of(answer, "X-App"), "yes");
  EXPECT_THAT(body_of(answer), StartsWith("GET /path?q=1 HTTP/1.1\r\nHost: app.localhost\r\n"));
  EXPECT_EQ(world.router->counters().requests, 1u);
  EXPECT_EQ(world.backend->open_requests(), 0);
  EXPECT_GT(world.backend->bytes_sent(), 0u);
}

TEST(Proxy, ReplacesWhatTheClientClaimsAboutItself) {
  RouterWorld world(answering([](const std::string& request) { return ok(request); }));
  const std::string seen = body_of(
      world.get("/", "app.localhost:7070",
                "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
                "X-Forwarded-User: root\r\nX_Forwarded_For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n"
                "X-Real-IP: 6.6.6.6\r\nProxy: evil\r\nX-Request-Id: mine-1\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nHost: app.localhost:7070\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nX-Forwarded-For: 127.0.0.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nX-Forwarded-Proto: http\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nX-Forwarded-Host: app.localhost:7070\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nX-Request-Id: mine-1\r\n"));
  EXPECT_THAT(seen, Not(HasSubstr("6.6.6.6")));
  EXPECT_THAT(seen, Not(HasSubstr("evil")));
  EXPECT_THAT(seen, Not(HasSubstr("root")));
}

TEST(Proxy, RemovesHopByHopFieldsBothWays) {
  RouterWorld world(answering([](const std::string& request) {
    return ok(request,
              "Connection: X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\n");
  }));
  const std::string answer = world.ask(
      "GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n"
      "TE: trailers\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\nX-Kept: 2\r\n\r\n");
  EXPECT_EQ(header_of(answer, "X-Secret"), "");
  EXPECT_EQ(header_of(answer, "Keep-Alive"), "");
  EXPECT_EQ(header_of(answer, "X-Kept"), "1");
  EXPECT_EQ(header_of(answer, "Connection"), "close");
  const std::string seen = body_of(answer);
  for (const char* name : {"X-Hop", "TE:", "Keep-Alive", "Proxy-Connection", "Connection"})
    EXPECT_THAT(seen, Not(HasSubstr(name)));
  EXPECT_THAT(seen, HasSubstr("X-Kept: 2"));
}

TEST(Proxy, KeepsBothConnections) {
  RouterWorld world(answering([](const std::string&) { return ok("hi"); }));
  RawPeer peer = world.connect();
  for (int i = 0; i < 5; ++i) {
    peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
    EXPECT_EQ(body_of(peer.read_message()), "hi");
  }
  EXPECT_EQ(world.upstream->accepted(), 1);
  EXPECT_EQ(world.router->counters().connections, 1u);
}

TEST(Proxy, AnswersPipelinedRequestsInOrder) {
  RouterWorld world(answering(
      [](const std::string& request) { return ok(request.substr(4, request.find(" HTTP") - 4)); }));
  RawPeer peer = world.connect();
  std::string all;
  for (int i = 0; i < 20; ++i)
    all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: app.localhost\r\n\r\n";
  peer.send(all);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(body_of(peer.read_message()), "/" + std::to_string(i));
}

TEST(Proxy, ServesHttp10Clients) {
  RouterWorld world([](RawPeer& peer, int) {
    peer.read_message();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    peer.read_all();
  });
  const std::string answer = world.ask("GET / HTTP/1.0\r\nHost: app.localhost\r\n\r\n");
  EXPECT_EQ(header_of(answer, "Transfer-Encoding"), "");
  EXPECT_EQ(body_of(answer), "abc");
}

TEST(Proxy, KeepsAnHttp10ConnectionThatAsksForIt) {
  RouterWorld world(answering([](const std::string&) { return ok("hi"); }));
  RawPeer peer = world.connect();
  for (int i = 0; i < 2; ++i) {
    peer.send("GET / HTTP/1.0\r\nHost: app.localhost\r\nConnection: keep-alive\r\n\r\n");
    const std::string answer = peer.read_message();
    EXPECT_EQ(header_of(answer, "Connection"), "keep-alive");
    EXPECT_EQ(body_of(answer), "hi");
  }
}

TEST(Proxy, BodilessAnswersHaveNoBody) {
  RouterWorld world(answering([](const std::string& request) -> std::string {
    if (request.starts_with("HEAD")) return "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    if (request.starts_with("GET /204")) return "HTTP/1.1 204 No Content\r\n\r\n";
    return "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 7\r\n\r\n";
  }));
  RawPeer peer = world.connect();
  peer.send("HEAD / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  EXPECT_EQ(header_of(peer.read_until("\r\n\r\n"), "Content-Length"), "1000");
  peer.send("GET /204 HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  EXPECT_EQ(status_of(peer.read_until("\r\n\r\n")), 204);
  peer.send("GET /304 HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(body_of(peer.read_all()), "");
}

TEST(Proxy, RechunksAndDropsTrailers) {
  RouterWorld world([](RawPeer& peer, int) {
    const std::string head = peer.read_until("\r\n\r\n");
    const std::string body = peer.read_until("0\r\n\r\n");
    const std::string text = head + body;
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
    char line[32];
    std::snprintf(line, sizeof line, "%zx;ext=1\r\n", text.size());
    peer.send(line + text + "\r\n0\r\nX-Sum: 1\r\n\r\n");
    peer.read_all();
  });
  const std::string answer = world.ask(
      "POST / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\nHost: evil\r\n\r\n");
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_EQ(header_of(answer, "Trailer"), "");
  EXPECT_THAT(answer, HasSubstr("5\r\nabcde\r\n0\r\n\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("X-Trailer")));
  EXPECT_THAT(answer, Not(HasSubstr("X-Sum")));
  EXPECT_THAT(answer, Not(HasSubstr("evil")));
  EXPECT_TRUE(answer.ends_with("\r\n0\r\n\r\n"));
}

TEST(Proxy, TurnsABodyThatEndsWithTheConnectionIntoChunks) {
  RouterWorld world([](RawPeer& peer, int) {
    peer.read_message();
    peer.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
  });
  RawPeer peer = world.connect();
  peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  EXPECT_EQ(header_of(peer.read_until("\r\n\r\n"), "Transfer-Encoding"), "chunked");
  EXPECT_THAT(peer.read_until("0\r\n\r\n"), HasSubstr("until the end"));
  peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  EXPECT_EQ(status_of(peer.read_until("\r\n\r\n")), 200) << "the client's connection goes on";
}

TEST(Proxy, AHalfAnswerIsNotPassedOffAsAWholeOne) {
  RouterWorld world([](RawPeer& peer, int) {
    peer.read_message();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  });
  EXPECT_FALSE(world.get("/").ends_with("0\r\n\r\n"));
}

TEST(Proxy, StreamsEventsAsTheyCome) {
  RouterWorld world([](RawPeer& peer, int) {
    peer.read_message();
    peer.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; ++i) {
      peer.send("9\r\ndata: " + std::to_string(i) + "\n\n\r\n");
      if (peer.read_until("never").empty() && i == 2) return;
    }
  });
  RawPeer peer = world.connect();
  peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  peer.read_until("\r\n\r\n");
  EXPECT_EQ(peer.read_until("\n\n\r\n"), "9\r\ndata: 0\n\n\r\n") << "before the app sends more";
}

TEST(Proxy, AClientThatLeavesEndsTheAppsRequest) {
  std::promise<bool> ended;
  RouterWorld world([&](RawPeer& peer, int) {
    peer.read_message();
    ended.set_value(peer.closed());
  });
  {
    RawPeer peer = world.connect();
    peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
    while (world.upstream->accepted() == 0) std::this_thread::yield();
  }
  EXPECT_TRUE(ended.get_future().get());
}

TEST(Proxy, AnswersExpectContinueItself) {
  RouterWorld world(answering([](const std::string& request) { return ok(request); }));
  RawPeer peer = world.connect();
  peer.send(
      "POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 5\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(peer.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("hello");
  const std::string answer = peer.read_message();
  EXPECT_THAT(body_of(answer), Not(HasSubstr("Expect")));
  EXPECT_TRUE(answer.ends_with("hello"));
}

TEST(Proxy, PassesInterimAnswersBy) {
  RouterWorld world(answering([](const std::string&) {
    return "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok("hi");
  }));
  const std::string answer = world.get("/");
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_EQ(body_of(answer), "hi");
}

TEST(Proxy, PassesAnEarlyAnswerToAnUpload) {
  RouterWorld world([](RawPeer& peer, int) {
    peer.read_until("\r\n\r\n");
    peer.send(
        "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
    peer.close();
  });
  RawPeer peer = world.connect();
  peer.send("POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 100000000\r\n\r\n");
  peer.send(std::string(1 << 20, 'x'));
  const std::string answer = peer.read_message();
  EXPECT_EQ(status_of(answer), 413);
  EXPECT_EQ(header_of(answer, "Connection"), "close");
  EXPECT_EQ(body_of(answer), "big");
}

TEST(Proxy, LargeBodiesPassBothWaysInBoundedMemory) {
  constexpr std::size_t size = 64u << 20;
  RouterWorld world([](RawPeer& peer, int) {
    peer.read_until("\r\n\r\n");
    for (std::size_t got = 0; got < size;) {
      const std::size_t n = peer.read_exactly(1 << 20).size();
      if (n == 0) return;
      got += n;
    }
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
    const std::string piece(1 << 20, 'y');
    for (std::size_t sent = 0; sent < size; sent += piece.size()) peer.send(piece);
    peer.read_all();
  });
  RawPeer peer = world.connect();
  peer.send("POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: " + std::to_string(size) +
            "\r\n\r\n");
  const std::string piece(1 << 20, 'x');
  for (std::size_t sent = 0; sent < size; sent += piece.size()) ASSERT_TRUE(peer.send(piece));
  EXPECT_EQ(status_of(peer.read_until("\r\n\r\n")), 200);
  std::size_t got = 0;
  while (got < size) {
    const std::size_t n = peer.read_exactly(1 << 20).size();
    ASSERT_GT(n, 0u);
    got += n;
  }
  EXPECT_EQ(got, size);
}

TEST(Proxy, TunnelsAnUpgrade) {
  RouterWorld world([](RawPeer& peer, int) {
    const std::string head = peer.read_until("\r\n\r\n");
    if (head.find("Connection: Upgrade\r\nUpgrade: websocket\r\n") == std::string::npos) return;
    peer.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Accept: x\r\n\r\nfirst");
    while (peer.more()) {
      const std::string got = peer.read_exactly(4);
      peer.send("<" + got + ">");
      if (got == "quit") return;
    }
  });
  RawPeer peer = world.connect();
  peer.send(
      "GET /ws HTTP/1.1\r\nHost: app.localhost\r\nConnection: keep-alive, Upgrade\r\n"
      "Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n");
  const std::string head = peer.read_until("\r\n\r\n");
  EXPECT_EQ(status_of(head), 101);
  EXPECT_EQ(header_of(head, "Upgrade"), "websocket");
  EXPECT_EQ(header_of(head, "Sec-WebSocket-Accept"), "x");
  EXPECT_EQ(peer.read_exactly(5), "first");
  peer.send("ping");
  EXPECT_EQ(peer.read_exactly(6), "<ping>");
  peer.send("quit");
  EXPECT_EQ(peer.read_all(), "<quit>");
}

TEST(Proxy, DoesNotOpenAnH2cTunnel) {
  RouterWorld world(answering([](const std::string& request) { return ok(request); }));
  const std::string seen = body_of(world.ask(
      "GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
      "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"));
  EXPECT_THAT(seen, Not(HasSubstr("Upgrade")));
  EXPECT_THAT(seen, Not(HasSubstr("HTTP2-Settings")));
}

TEST(Proxy, AnUnaskedSwitchOfProtocolsIsABadAnswer) {
  RouterWorld world([](RawPeer& peer, int) {
    peer.read_message();
    peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    peer.read_all();
  });
  EXPECT_EQ(status_of(world.get("/")), 502);
}

TEST(Proxy, TakesAFreshConnectionWhenAppClosedTheRestingOne) {
  RouterWorld world([](RawPeer& peer, int) {
    peer.read_message();
    peer.send(ok("once"));
    peer.read_message();  // takes the next one, and hangs up
  });
  RawPeer peer = world.connect();
  for (int i = 0; i < 3; ++i) {
    peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
    EXPECT_EQ(body_of(peer.read_message()), "once");
  }
  EXPECT_EQ(world.upstream->accepted(), 3);
}

TEST(Proxy, DoesNotRepeatAPostThatTheAppMayHaveSeen) {
  std::atomic<int> posts{0};
  RouterWorld world([&](RawPeer& peer, int) {
    peer.read_message();
    peer.send(ok("once"));
    if (peer.read_message().starts_with("POST")) ++posts;
  });
  RawPeer peer = world.connect();
  peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  peer.read_message();
  peer.send("POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_EQ(status_of(peer.read_message()), 502);
  EXPECT_EQ(posts, 1);
}

TEST(Proxy, ConfinesCookiesToTheAppsHost) {
  RouterWorld world(answering([](const std::string&) {
    return ok("",
              "Set-Cookie: a=1; Domain=localhost; Path=/\r\nSet-Cookie: b=2; HttpOnly\r\n"
              "Set-Cookie: c=3; domain=.app.localhost; Secure\r\n");
  }));
  const std::string answer = world.get("/");
  EXPECT_THAT(answer, HasSubstr("\r\nSet-Cookie: a=1; Path=/\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nSet-Cookie: b=2; HttpOnly\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nSet-Cookie: c=3; domain=.app.localhost; Secure\r\n"));
}

TEST(Proxy, AnswersWithDefectsAreBadGateways) {
  const std::vector<std::string> bad{
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/1.1 99 No\r\n\r\n",
      "",
  };
  std::atomic<std::size_t> next{0};
  RouterWorld world([&](RawPeer& peer, int) {
    peer.read_message();
    peer.send(bad[next]);
  });
  for (; next < bad.size(); ++next) EXPECT_EQ(status_of(world.get("/")), 502) << bad[next];
}

}  // namespace
}  // namespace slipway
