// Requests to Slipway's own API, over real sockets.

#include <fcntl.h>
#include <gmock/gmock.h>

#include <future>

#include "router/query.h"
#include "router/testing.h"

namespace slipway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using namespace slipway::testing;

std::string api_get(const RouterWorld& world, std::string_view path) {
  return world.get(path, "localhost");
}

TEST(Api, IsReachedByItsOwnNamesOnly) {
  RouterWorld world;
  for (const char* host :
       {"localhost", "localhost:7070", "LOCALHOST:1", "127.0.0.1:7070", "[::1]:80"})
    EXPECT_EQ(body_of(world.get("/v1/x", host)), "GET /v1/x") << host;
  for (const char* host : {"evil.example", "localhost.evil.example", "api.localhost", "10.0.0.1"})
    EXPECT_EQ(status_of(world.get("/v1/x", host)), 404) << host;
}

TEST(Api, GetsTheRequestDecoded) {
  std::promise<ApiRequest> got;
  RouterWorld world({}, {}, [&](ApiRequest& request) {
    got.set_value(std::move(request));
    return ApiResponse{.status = 204};
  });
  EXPECT_EQ(status_of(world.get("/a%20b/c?x=1%26&y=a+b&z", "localhost", "X-Test: 1\r\n")), 204);
  const ApiRequest request = got.get_future().get();
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/a b/c");
  EXPECT_THAT(request.query, ElementsAre(Pair("x", "1&"), Pair("y", "a b"), Pair("z", "")));
  EXPECT_EQ(find_header(request.headers, "x-test"), "1");
  EXPECT_EQ(request.remote_address, "127.0.0.1");
}

TEST(Api, ABrokenEscapeIsRefusedAsJson) {
  RouterWorld world;
  const std::string answer = api_get(world, "/%zz");
  EXPECT_EQ(status_of(answer), 400);
  EXPECT_EQ(header_of(answer, "Content-Type"), "application/problem+json");
}

TEST(Api, ReadsSmallBodiesIntoMemory) {
  RouterWorld world({}, {}, [](ApiRequest& request) {
    return ApiResponse{.status = 201, .headers = {{"X-A", "b"}}, .body = request.body};
  });
  RawPeer peer = world.connect();
  for (int i = 0; i < 2; ++i) {
    peer.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
    const std::string answer = peer.read_message();
    EXPECT_EQ(status_of(answer), 201);
    EXPECT_EQ(header_of(answer, "X-A"), "b");
    EXPECT_EQ(body_of(answer), "hello");
  }
}

TEST(Api, SpoolsLargeBodiesToAFile) {
  constexpr std::size_t size = 3u << 20;
  RouterWorld world({}, {}, [](ApiRequest& request) {
    if (!request.body_file.valid() || !request.body.empty() || request.body_bytes != size)
      return ApiResponse{.status = 500};
    std::string bytes(size, '\0');
    const bool right = ::read(request.body_file.get(), bytes.data(), size) == ssize_t{size} &&
                       bytes == std::string(size, 'x');
    return ApiResponse{.status = right ? 200 : 500};
  });
  RawPeer peer = world.connect();
  peer.send(
      "PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(peer.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  for (int i = 0; i < 3; ++i) peer.send("100000\r\n" + std::string(1 << 20, 'x') + "\r\n");
  peer.send("0\r\n\r\n");
  EXPECT_EQ(status_of(peer.read_message()), 200);
}

TEST(Api, RefusesBodiesBeyondTheLimitWithoutReadingThem) {
  RouterWorld world({}, {.max_api_body_bytes = 1000});
  const std::string announced = world.ask(
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(status_of(announced), 413);
  RawPeer peer = world.connect();
  peer.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
            std::string(1001, 'x'));
  const std::string streamed = peer.read_all();
  EXPECT_EQ(status_of(streamed), 413);
  EXPECT_THAT(streamed, HasSubstr("\"too_large\""));
}

TEST(Api, AHandlerThatThrowsIsA500) {
  RouterWorld world({}, {}, [](ApiRequest&) -> ApiResponse { throw std::runtime_error("secret"); });
  const std::string answer = api_get(world, "/");
  EXPECT_EQ(status_of(answer), 500);
  EXPECT_THAT(answer, ::testing::Not(HasSubstr("secret")));
}

TEST(Api, SendsFiles) {
  const auto directory = TempDir::create("/tmp", "router-test-");
  ASSERT_TRUE(directory.has_value());
  const auto path = directory->path() / "file";
  const std::string content(300'000, 'f');
  ASSERT_TRUE(write_file_atomic(path, content).has_value());
  RouterWorld world({}, {}, [&](ApiRequest&) {
    return ApiResponse{
        .body = ApiResponse::File{.fd = *open_file(path, O_RDONLY), .bytes = content.size()}};
  });
  EXPECT_EQ(body_of(api_get(world, "/")), content);
  const std::string head =
      world.ask("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(header_of(head, "Content-Length"), "300000");
  EXPECT_EQ(body_of(head), "");
}

TEST(Api, StreamsWhatAHandlerWrites) {
  std::promise<void> first_seen;
  RouterWorld world({}, {}, [&](ApiRequest&) {
    return ApiResponse{.headers = {{"Content-Type", "text/event-stream"}},
                       .body = ApiResponse::Stream([&](StreamWriter& writer) {
                         EXPECT_TRUE(writer.write("data: 1\n\n").has_value());
                         first_seen.get_future().wait();
                         EXPECT_TRUE(writer.write("data: 2\n\n").has_value());
                       })};
  });
  RawPeer peer = world.connect();
  peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(header_of(peer.read_until("\r\n\r\n"), "Content-Type"), "text/event-stream");
  EXPECT_EQ(peer.read_until("\n\n\r\n"), "9\r\ndata: 1\n\n\r\n");
  first_seen.set_value();
  EXPECT_EQ(peer.read_until("\n\n\r\n"), "9\r\ndata: 2\n\n\r\n");
  EXPECT_EQ(peer.read_until("0\r\n\r\n"), "0\r\n\r\n");
  peer.send("GET / HTTP/1.1\r\nHost: api\r\n\r\n");
  EXPECT_EQ(status_of(peer.read_message()), 404) << "the connection goes on";
}

TEST(Api, AStreamIsHeldBackByASlowClientAndEndsWithIt) {
  std::promise<Errc> ended;
  std::atomic<std::uint64_t> written{0};
  RouterWorld world({}, {}, [&](ApiRequest&) {
    return ApiResponse{.body = ApiResponse::Stream([&](StreamWriter& writer) {
                         const std::string piece(64u << 10, 'x');
                         for (;;) {
                           if (Status status = writer.write(piece); !status)
                             return ended.set_value(status.error().code);
                           written += piece.size();
                         }
                       })};
  });
  RawPeer peer = world.connect();
  peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  peer.read_until("\r\n\r\n");
  while (written < (256u << 10)) std::this_thread::yield();
  peer.close();
  EXPECT_EQ(ended.get_future().get(), Errc::canceled);
  EXPECT_LT(written, 64u << 20) << "what the client did not take is not kept";
}

TEST(Api, StoppingEndsStreams) {
  std::promise<void> started;
  RouterWorld world({}, {}, [&](ApiRequest&) {
    return ApiResponse{.body = ApiResponse::Stream([&](StreamWriter& writer) {
                         started.set_value();
                         while (!writer.closed()) std::this_thread::yield();
                       })};
  });
  RawPeer peer = world.connect();
  peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  started.get_future().wait();
  world.router->stop(std::chrono::seconds{10});
  EXPECT_TRUE(peer.read_all().ends_with("0\r\n\r\n"));
}

TEST(Query, DecodesAndRefusesBrokenEscapes) {
  EXPECT_EQ(percent_decode("a%2Fb"), "a/b");
  for (const char* text : {"%", "%4", "%4g", "%00"}) EXPECT_FALSE(percent_decode(text)) << text;
  EXPECT_FALSE(parse_query("a=%zz"));
  EXPECT_EQ(percent_encode_path("/a b/\xc3\xa4"), "/a%20b/%C3%A4");
}

}  // namespace
}  // namespace slipway
