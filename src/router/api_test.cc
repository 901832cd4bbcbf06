// Requests to Slipway's own API, over real sockets.

#include <fcntl.h>
#include <gmock/gmock.h>

#include <future>

#include "router/body_pipe.h"
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

// What a client with a token of `limit` bytes may send.
ApiPlan plan_with(CallKind kind, std::uint64_t limit = 0) {
  return {.kind = kind, .body_limit = limit};
}
constexpr std::string_view chunked_put =
    "PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    "Expect: 100-continue\r\n\r\n";

TEST(Api, AnUploadIsReadAsItComes) {
  constexpr std::size_t piece = 1u << 20, count = 16;
  std::promise<void> go;
  std::atomic<std::size_t> read{0};
  RouterWorld world({}, {}, [&](ApiRequest& request) {
    std::vector<char> buffer(100'000);
    for (bool waited = false;; waited = true) {
      const auto n = request.body_comes->read(buffer);
      if (!n) return ApiResponse{.status = 500};
      if (*n == 0) break;
      read += *n;
      if (!waited) go.get_future().wait();
    }
    return ApiResponse{.body = std::to_string(read)};
  });
  world.api.on_plan = [](const ApiRequest&) { return plan_with(CallKind::upload); };
  RawPeer peer = world.connect();
  peer.send(chunked_put);
  EXPECT_EQ(peer.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  std::atomic<std::size_t> sent{0};
  std::thread sender([&] {
    for (std::size_t i = 0; i < count; ++i, sent += piece)
      peer.send("100000\r\n" + std::string(piece, 'x') + "\r\n");
    peer.send("0\r\n\r\n");
  });
  while (read == 0) std::this_thread::yield();
  go.set_value();
  const std::string answer = peer.read_message();
  sender.join();
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_EQ(body_of(answer), std::to_string(piece * count));
}

TEST(BodyPipe, AsksForNothingBeforeTheFirstReadAndHoldsNoMoreThanSome) {
  std::atomic<int> news{0};
  BodyPipe pipe([&] { ++news; });
  EXPECT_FALSE(pipe.wants()) << "nobody reads yet";
  std::vector<char> buffer(1u << 20);
  std::thread reader([&] { EXPECT_EQ(pipe.read(buffer).value(), 3u); });
  while (news == 0) std::this_thread::yield();
  EXPECT_TRUE(pipe.wants());
  pipe.push("abc");
  reader.join();
  std::size_t pushed = 0;
  for (const std::string piece(64u << 10, 'x'); pipe.wants() && pushed < (64u << 20);
       pushed += piece.size())
    pipe.push(piece);
  EXPECT_LE(pushed, 512u << 10);
  const int before = news;
  EXPECT_EQ(pipe.read(buffer).value(), pushed);
  EXPECT_EQ(news, before + 1) << "there is room again";
  EXPECT_TRUE(pipe.wants());
  pipe.end();
  EXPECT_EQ(pipe.read(buffer).value(), 0u);
  pipe.fail({.code = Errc::canceled, .message = "the client is gone"});
  EXPECT_EQ(pipe.read(buffer).error().code, Errc::canceled);
}

TEST(Api, AnUploadWhoseHandlerHasEnoughIsAnsweredInTheMiddle) {
  RouterWorld world({}, {}, [&](ApiRequest& request) {
    char some[10];
    std::ignore = request.body_comes->read(some);
    return ApiResponse{.status = 413, .body = "enough"};
  });
  world.api.on_plan = [](const ApiRequest&) { return plan_with(CallKind::upload); };
  RawPeer peer = world.connect();
  peer.send("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n0123456789");
  const std::string answer = peer.read_all();
  EXPECT_EQ(status_of(answer), 413);
  EXPECT_EQ(header_of(answer, "Connection"), "close");
}

TEST(Api, AnUploadThatBreaksOffFailsItsReader) {
  std::promise<Errc> told;
  RouterWorld world({}, {}, [&](ApiRequest& request) {
    char some[10];
    for (;;) {
      const auto n = request.body_comes->read(some);
      if (n && *n > 0) continue;
      told.set_value(n ? Errc::internal : n.error().code);
      return ApiResponse{};
    }
  });
  world.api.on_plan = [](const ApiRequest&) { return plan_with(CallKind::upload); };
  RawPeer peer = world.connect();
  peer.send("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n0123456789");
  peer.close();
  EXPECT_EQ(told.get_future().get(), Errc::canceled);
}

// Nothing of a body is read before it is known who asks.
TEST(Api, ABodyIsAskedForOnlyOnceItsSenderMaySendIt) {
  std::atomic<int> asked{0}, answered{0};
  RouterWorld world({}, {}, [&](ApiRequest&) {
    ++answered;
    return ApiResponse{};
  });
  world.api.on_admit = [&](ApiRequest& request) {
    ++asked;
    EXPECT_TRUE(request.body.empty());
    return ApiAdmission{.refusal = ApiResponse{.status = 401}, .principal = ""};
  };
  for (const CallKind kind : {CallKind::call, CallKind::upload}) {
    world.api.on_plan = [kind](const ApiRequest&) { return plan_with(kind, 1000); };
    // No "100 Continue" comes before the refusal.
    EXPECT_EQ(status_of(world.ask(chunked_put)), 401);
  }
  EXPECT_EQ(asked, 2);
  world.api.on_plan = [](const ApiRequest&) {
    return ApiPlan{.answer = ApiResponse{.status = 404}};
  };
  EXPECT_EQ(status_of(world.ask(chunked_put)), 404);
  EXPECT_EQ(asked, 2) << "nobody was asked about a path that is not there";
  EXPECT_EQ(answered, 0);
}

TEST(Api, RefusesBodiesBeyondTheLimitWithoutReadingThem) {
  RouterWorld world;
  world.api.on_plan = [](const ApiRequest&) { return plan_with(CallKind::call, 1000); };
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

// Bodies that are on their way are bounded for each principal: another one's is taken all the same.
TEST(Api, BodiesOnTheirWayAreBoundedForEachPrincipal) {
  RouterWorld world;
  world.api.on_plan = [](const ApiRequest&) { return plan_with(CallKind::call, 64u << 20); };
  world.api.on_admit = [](ApiRequest& request) {
    return ApiAdmission{.principal = std::string(*find_header(request.headers, "X-Who"))};
  };
  const auto post = [](std::string_view who) {
    return "POST / HTTP/1.1\r\nHost: localhost\r\nX-Who: " + std::string(who) +
           "\r\nContent-Length: 60000000\r\nExpect: 100-continue\r\n\r\n";
  };
  RawPeer first = world.connect(), other = world.connect();
  first.send(post("greedy"));
  EXPECT_THAT(first.read_until("\r\n\r\n"), HasSubstr("100 Continue"));
  const std::string second = world.ask(post("greedy"));
  EXPECT_EQ(status_of(second), 503);
  EXPECT_EQ(header_of(second, "Retry-After"), "1");
  other.send(post("modest"));
  EXPECT_THAT(other.read_until("\r\n\r\n"), HasSubstr("100 Continue"));
  first.close();
  // What the greedy one held is given back once its connection is gone.
  std::string again;
  do {
    RawPeer peer = world.connect();
    peer.send(post("greedy"));
    again = peer.read_until("\r\n\r\n");
  } while (status_of(again) == 503);
  EXPECT_THAT(again, HasSubstr("100 Continue"));
}

// Handlers of one kind that all wait keep nobody of another kind waiting, and one principal's keep
// nobody else's waiting.
class Kinds : public ::testing::Test {
 protected:
  Kinds() {
    world.api.on_plan = [](const ApiRequest& request) {
      if (request.path == "/health") return ApiPlan{.health = ApiPlan::Health::asked};
      return plan_with(request.path == "/brake"   ? CallKind::brake
                       : request.path == "/waits" ? CallKind::waits
                                                  : CallKind::call);
    };
    world.api.on_admit = [](ApiRequest& request) {
      const std::string who(find_header(request.headers, "X-Who").value_or("somebody"));
      return ApiAdmission{.principal = who,
                          .work = who == "agent" ? WorkClass::preview : WorkClass::release};
    };
  }
  ~Kinds() override { release(); }
  void release() {
    if (!released_) go_.set_value();
    released_ = true;
  }
  // A request that is not answered before release().
  void hang(std::string_view path, std::string_view who) {
    hanging_.push_back(world.connect());
    hanging_.back().send("GET " + std::string(path) +
                         "?hang=1 HTTP/1.1\r\nHost: localhost\r\nX-Who: " + std::string(who) +
                         "\r\n\r\n");
  }
  void wait_for_hanging(int count) const {
    while (in_ < count) std::this_thread::yield();
  }
  int status(std::string_view path, std::string_view who) const {
    return status_of(world.get(path, "localhost", "X-Who: " + std::string(who) + "\r\n"));
  }

  std::promise<void> go_;
  std::shared_future<void> gone_ = go_.get_future();
  std::atomic<int> in_{0};
  RouterWorld world{{}, {}, [this](ApiRequest& request) {
                      if (request.query_value("hang")) {
                        ++in_;
                        gone_.wait();
                      }
                      return ApiResponse{};
                    }};
  std::vector<RawPeer> hanging_;
  bool released_ = false;
};

TEST_F(Kinds, CallsThatWaitKeepNoOtherKindWaiting) {
  for (int i = 0; i < 30; ++i) hang("/waits", i % 2 == 0 ? "agent" : "ann");
  wait_for_hanging(12);
  EXPECT_EQ(status("/call", "agent"), 200);
  EXPECT_EQ(status("/brake", "agent"), 200);
  EXPECT_EQ(status("/waits", "bob"), 200) << "somebody else's share is free";
  EXPECT_EQ(status("/health", ""), 200);
}

TEST_F(Kinds, OnePrincipalHasAShareOfTheThreadsAndABoundedLine) {
  for (int i = 0; i < 40; ++i) hang("/waits", "ann");
  wait_for_hanging(8);
  // 8 are being answered, 32 wait; one of the next is refused at once, when all of those are in.
  std::string refused;
  while (status_of(refused) != 429) {
    RawPeer peer = world.connect();
    timeval brief{.tv_sec = 0, .tv_usec = 50'000};
    ::setsockopt(peer.fd(), SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof brief);
    peer.send("GET /waits?hang=1 HTTP/1.1\r\nHost: localhost\r\nX-Who: ann\r\n\r\n");
    refused = peer.read_until("\r\n\r\n");
    hanging_.push_back(std::move(peer));
  }
  EXPECT_EQ(header_of(refused, "Retry-After"), "1");
  EXPECT_EQ(in_, 8);
}

TEST_F(Kinds, HealthNamesWorkersThatDoNotAnswer) {
  for (int i = 0; i < 8; ++i) hang("/call", i % 2 == 0 ? "ann" : "bob");
  wait_for_hanging(8);
  const std::string ill = world.get("/health", "localhost");
  EXPECT_EQ(status_of(ill), 503);
  EXPECT_THAT(body_of(ill), ::testing::StartsWith("workers: has not answered for"));
  release();
  while (status_of(world.get("/health", "localhost")) != 200) std::this_thread::yield();
}

TEST_F(Kinds, HealthNamesAStoreThatDoesNotAnswerOrFails) {
  world.api.on_probe = [this]() -> Status {
    gone_.wait();
    return fail(Errc::io, "the disk is gone");
  };
  EXPECT_THAT(body_of(world.get("/health", "localhost")),
              ::testing::StartsWith("store: has not answered for"));
  release();
  std::string ill;
  do ill = body_of(world.get("/health", "localhost"));
  while (ill.find("not answered") != std::string::npos);
  EXPECT_EQ(ill, "store: the disk is gone\n");
}

TEST_F(Kinds, StreamsHaveASharePerPrincipal) {
  world.api.on_admit = [](ApiRequest& request) {
    return ApiAdmission{
        .principal = std::string(find_header(request.headers, "X-Who").value_or("somebody"))};
  };
  std::atomic<int> streams{0};
  RouterWorld streaming({}, {}, [&](ApiRequest&) {
    return ApiResponse{.body = ApiResponse::Stream([&](StreamWriter& out) {
                         ++streams;
                         std::ignore = out.write("x");
                         gone_.wait();
                       })};
  });
  streaming.api.on_plan = [](const ApiRequest&) { return plan_with(CallKind::call); };
  streaming.api.on_admit = world.api.on_admit;
  std::vector<RawPeer> open;
  for (int i = 0; i < 32; ++i) {
    open.push_back(streaming.connect());
    open.back().send("GET / HTTP/1.1\r\nHost: localhost\r\nX-Who: agent\r\n\r\n");
    open.back().read_until("\r\n\r\n");
  }
  EXPECT_EQ(status_of(streaming.get("/", "localhost", "X-Who: agent\r\n")), 429);
  RawPeer admin = streaming.connect();
  admin.send("GET / HTTP/1.1\r\nHost: localhost\r\nX-Who: admin\r\n\r\n");
  EXPECT_EQ(status_of(admin.read_until("\r\n\r\n")), 200);
  release();
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
