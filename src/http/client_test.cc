#include "http/client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "http/testing/scripted_server.h"

namespace slipway {
namespace {

using testing::RawPeer;
using testing::ScriptedServer;

HttpClient client_of(const ScriptedServer& server, std::string_view host = "127.0.0.1") {
  auto client = HttpClient::create(fmt::format("http://{}:{}", host, server.port()));
  EXPECT_TRUE(client.has_value());
  client->set_timeout(std::chrono::seconds{10});
  return *std::move(client);
}

TEST(HttpClient, RefusesWhatIsNoUrl) {
  for (const char* text : {"", "localhost:7070", "ftp://x", "http://", "http://u:p@x", "http://x:0",
                           "http://x?q", "http://x:99999"})
    EXPECT_FALSE(HttpClient::create(text).has_value()) << text;
}

TEST(HttpClient, KeepsTheConnectionAndSendsItsHeaders) {
  ScriptedServer server([](RawPeer& peer, int) {
    for (;;) {
      const std::string request = peer.read_message();
      if (request.empty()) return;
      peer.send(
          fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", request.size(), request));
    }
  });
  HttpClient client = client_of(server);
  client.set_header("Authorization", "Bearer one");
  client.set_header("authorization", "Bearer two");
  const auto first = client.request("POST", "/v1/x?y=1", R"({"a":1})");
  ASSERT_TRUE(first.has_value()) << first.error().message;
  EXPECT_EQ(first->status, 200);
  EXPECT_TRUE(first->body.starts_with("POST /v1/x?y=1 HTTP/1.1\r\n"));
  EXPECT_NE(first->body.find("Authorization: Bearer two\r\n"), std::string::npos);
  EXPECT_EQ(first->body.find("Bearer one"), std::string::npos);
  EXPECT_NE(first->body.find("Content-Type: application/json\r\n"), std::string::npos);
  EXPECT_TRUE(first->body.ends_with("\r\n\r\n{\"a\":1}"));
  ASSERT_TRUE(client.request("GET", "/again").has_value());
  EXPECT_EQ(server.accepted(), 1);
}

TEST(HttpClient, ResolvesNamesBelowLocalhostItself) {
  ScriptedServer server([](RawPeer& peer, int) {
    const std::string request = peer.read_message();
    peer.send(request.find("Host: some-app.localhost:") != std::string::npos
                  ? "HTTP/1.1 204 No Content\r\n\r\n"
                  : "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  });
  HttpClient client = client_of(server, "some-app.localhost");
  const auto answer = client.request("GET", "/");
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->status, 204);
}

TEST(HttpClient, ConnectsAgainAfterTheServerClosedAKeptConnection) {
  ScriptedServer server([](RawPeer& peer, int) {
    peer.read_message();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer.read_message();  // takes the second request and hangs up without an answer
  });
  HttpClient client = client_of(server);
  ASSERT_TRUE(client.request("GET", "/").has_value());
  const auto second = client.request("GET", "/");
  ASSERT_TRUE(second.has_value()) << second.error().message;
  EXPECT_EQ(second->body, "ok");
  EXPECT_EQ(server.accepted(), 2);
}

TEST(HttpClient, DoesNotRepeatAPostThatMayHaveArrived) {
  ScriptedServer server([](RawPeer& peer, int) {
    peer.read_message();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer.read_message();
  });
  HttpClient client = client_of(server);
  ASSERT_TRUE(client.request("GET", "/").has_value());
  const auto second = client.request("POST", "/", "{}");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::unavailable);
  EXPECT_EQ(server.accepted(), 1);
}

TEST(HttpClient, UploadsInChunks) {
  ScriptedServer server([](RawPeer& peer, int) {
    const std::string head = peer.read_until("\r\n\r\n");
    const std::string body = peer.read_until("0\r\n\r\n");
    const bool right = head.find("Transfer-Encoding: chunked\r\n") != std::string::npos &&
                       body == "3\r\none\r\n5\r\nthree\r\n0\r\n\r\n";
    peer.send(right ? "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
                    : "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  });
  HttpClient client = client_of(server);
  std::vector<std::string> pieces{"one", "three", ""};
  std::size_t next = 0;
  const auto answer = client.upload(
      "PUT", "/pack", [&]() -> Result<std::string_view> { return pieces[next++]; }, "x/pack");
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->status, 201);
}

TEST(HttpClient, TakesAnEarlyAnswerToAnUpload) {
  ScriptedServer server([](RawPeer& peer, int) {
    peer.read_until("\r\n\r\n");
    peer.send(
        "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
    peer.shut_write();
    while (peer.more()) peer.read_all();
  });
  HttpClient client = client_of(server);
  const std::string piece(60'000, 'x');
  const auto answer =
      client.upload("PUT", "/", [&]() -> Result<std::string_view> { return piece; }, "x/pack");
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(answer->body, "big");
}

TEST(HttpClient, AFailingSourceIsTheError) {
  ScriptedServer server([](RawPeer& peer, int) { peer.read_all(); });
  HttpClient client = client_of(server);
  const auto answer = client.upload(
      "PUT", "/", []() -> Result<std::string_view> { return fail(Errc::io, "disk"); }, "x/pack");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().message, "disk");
}

TEST(HttpClient, StreamsPiecesAndStopsWhenToldTo) {
  ScriptedServer server([](RawPeer& peer, int) {
    peer.read_message();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    peer.read_all();  // until the client goes
  });
  HttpClient client = client_of(server);
  std::string seen;
  const auto answer = client.stream("GET", "/events", [&](std::string_view piece) -> Status {
    seen += piece;
    return fail(Errc::canceled, "enough");
  });
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().message, "enough");
  EXPECT_EQ(seen, "first");
}

TEST(HttpClient, AnErrorStatusOfAStreamIsAResponseWithItsBody) {
  ScriptedServer server([](RawPeer& peer, int) {
    peer.read_message();
    peer.send("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope");
  });
  HttpClient client = client_of(server);
  const auto answer = client.stream("GET", "/", [](std::string_view) -> Status {
    return fail(Errc::internal, "must not be called");
  });
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body, "nope");
}

TEST(HttpClient, ReadsABodyThatEndsWithTheConnection) {
  ScriptedServer server([](RawPeer& peer, int) {
    peer.read_message();
    peer.send("HTTP/1.0 200 OK\r\n\r\nall of it");
  });
  HttpClient client = client_of(server);
  const auto answer = client.request("GET", "/");
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->body, "all of it");
}

TEST(HttpClient, ABrokenOffBodyIsAnError) {
  ScriptedServer server([](RawPeer& peer, int) {
    peer.read_message();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
  });
  HttpClient client = client_of(server);
  const auto answer = client.request("GET", "/");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Errc::unavailable);
}

TEST(HttpClient, GivesUpOnASilentServer) {
  ScriptedServer server([](RawPeer& peer, int) { peer.read_all(); });
  HttpClient client = client_of(server);
  client.set_timeout(std::chrono::milliseconds{50});
  const auto answer = client.request("GET", "/");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Errc::deadline_exceeded);
}

TEST(HttpClient, SaysWhereNobodyListens) {
  int port = 0;
  {
    port = ScriptedServer([](RawPeer&, int) {}).port();
  }
  auto client = HttpClient::create(fmt::format("http://127.0.0.1:{}", port));
  const auto answer = client->request("GET", "/");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Errc::unavailable);
  EXPECT_NE(answer.error().message.find(std::to_string(port)), std::string::npos);
}

TEST(HttpClient, RefusesToInjectHeaders) {
  ScriptedServer server([](RawPeer& peer, int) { peer.read_all(); });
  HttpClient client = client_of(server);
  EXPECT_EQ(client.request("GET", "/a\r\nX: y").error().code, Errc::invalid_argument);
  EXPECT_EQ(client.request("GET", "no-slash").error().code, Errc::invalid_argument);
  client.set_header("X", "a\r\nY: b");
  EXPECT_EQ(client.request("GET", "/").error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace slipway
