// Requests to a host whose traffic is split between releases, over real sockets.

#include <gmock/gmock.h>

#include <future>

#include "router/placement.h"
#include "router/testing.h"
#include "router/traffic.h"

namespace slipway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using namespace slipway::testing;
using std::chrono::milliseconds;

constexpr std::string_view host = "shop.localhost";

// One release: instances that answer by the same script.
class AppRelease {
 public:
  AppRelease(RouterWorld& world, ScriptedServer::Script script, int instances = 1) {
    for (int i = 0; i < instances; ++i) {
      servers.push_back(std::make_unique<ScriptedServer>(script));
      backends.push_back(std::make_shared<Backend>(DeploymentId::random()));
      backends.back()->set_ready({.dialer = world.dialer, .port = servers.back()->port()});
      pool->add(backends.back());
    }
  }
  [[nodiscard]] TrafficSplit::Arm arm(std::uint32_t share = TrafficSplit::places) const {
    return {.target = pool, .stats = stats, .share = share};
  }
  std::vector<std::unique_ptr<ScriptedServer>> servers;
  std::vector<std::shared_ptr<Backend>> backends;
  std::shared_ptr<BackendPool> pool = std::make_shared<BackendPool>();
  std::shared_ptr<TrafficStats> stats = std::make_shared<TrafficStats>();
};

ScriptedServer::Script saying(std::string text) {
  return answering([text = std::move(text)](const std::string&) { return ok(text); });
}

// Nobody listens there.
int closed_port() {
  return ScriptedServer([](RawPeer&, int) {}).port();
}

class Split : public ::testing::Test {
 protected:
  explicit Split(RouterSettings settings = {}) : world_({}, settings) {}

  void publish(std::vector<TrafficSplit::Arm> arms, std::string salt = "rol_a") {
    auto split = std::make_shared<TrafficSplit>();
    split->arms = std::move(arms);
    split->salt = std::move(salt);
    world_.routes.publish(
        {{std::string(host), RouteTarget(std::shared_ptr<const TrafficSplit>(split))}});
  }
  std::string get(std::string_view path = "/", std::string_view headers = "") {
    return world_.get(path, host, headers);
  }
  static std::string request(std::string_view path, std::string_view headers = "") {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n" +
           std::string(headers) + "\r\n";
  }
  // Until the router has counted so many; then they are all there are.
  static TrafficSample sample(const AppRelease& release, std::uint64_t requests) {
    TrafficSample now = release.stats->sample();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (now.requests < requests && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
      now = release.stats->sample();
    }
    return now;
  }

  RouterWorld world_;
};

// ---- clients and their place

TEST_F(Split, WithOneArmSetsNoCookie) {
  const AppRelease release(world_, saying("one"));
  publish({release.arm()});
  const std::string answer = get();
  EXPECT_EQ(body_of(answer), "one");
  EXPECT_EQ(header_of(answer, "Set-Cookie"), "");
  EXPECT_EQ(release.backends[0]->open_requests(), 0);
}

TEST_F(Split, WithTwoArmsKeepsAClientByItsCookieWhateverElseChanges) {
  const AppRelease old(world_, saying("old")), next(world_, saying("new"));
  publish({old.arm(5'000), next.arm(5'000)});
  std::set<std::string> seen;
  for (int client = 0; client < 16; ++client) {
    const std::string first = get("/", "User-Agent: " + std::to_string(client) + "\r\n");
    const std::string set = header_of(first, "Set-Cookie");
    EXPECT_THAT(set, AllOf(StartsWith("slipway_canary="),
                           HasSubstr("; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"),
                           Not(HasSubstr("Secure"))));
    const std::string cookie = set.substr(0, set.find(';'));
    for (int i = 0; i < 3; ++i) {
      const std::string later =
          get("/", "Cookie: x=y; " + cookie + "\r\nUser-Agent: other" + std::to_string(i) + "\r\n");
      EXPECT_EQ(body_of(later), body_of(first));
      EXPECT_EQ(header_of(later, "Set-Cookie"), "") << "it has a good one";
    }
    seen.insert(body_of(first));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"old", "new"}));
}

TEST_F(Split, PlacesAClientWithoutCookiesByWhatIsKnownOfIt) {
  const AppRelease old(world_, saying("old")), next(world_, saying("new"));
  publish({old.arm(5'000), next.arm(5'000)});
  for (const char* who : {"User-Agent: a\r\n", "User-Agent: b\r\nX-Forwarded-For: 1.2.3.4, 9.9\r\n",
                          "X-Forwarded-For: 1.2.3.5\r\n", ""}) {
    const std::string first = get("/", who), again = get("/", who);
    EXPECT_EQ(header_of(again, "Set-Cookie"), header_of(first, "Set-Cookie")) << who;
    EXPECT_EQ(body_of(again), body_of(first)) << who;
  }
  std::set<std::string> behind_a_proxy;
  for (int i = 0; i < 16; ++i)
    behind_a_proxy.insert(
        body_of(get("/", "X-Forwarded-For: 1.2.3." + std::to_string(i) + "\r\n")));
  EXPECT_EQ(behind_a_proxy.size(), 2u) << "clients of one proxy are several";
}

TEST_F(Split, TheCookieOfAnEarlierRolloutIsReplaced) {
  const AppRelease old(world_, saying("old")), next(world_, saying("new"));
  publish({old.arm(10'000), next.arm(0)}, "rol_b");
  const std::string answer =
      get("/", "Cookie: slipway_canary=" + placement_cookie("rol_a", 9'999) + "\r\n");
  EXPECT_EQ(body_of(answer), "old");
  EXPECT_THAT(header_of(answer, "Set-Cookie"), StartsWith("slipway_canary="));
}

TEST_F(Split, TheCookieIsSecureBehindHttps) {
  const AppRelease old(world_, saying("old")), next(world_, saying("new"));
  publish({old.arm(10'000), next.arm(0)});
  EXPECT_THAT(header_of(get("/", "X-Forwarded-Proto: https\r\n"), "Set-Cookie"),
              HasSubstr("; Secure"));
}

TEST_F(Split, TheAppsOwnCookiesPassBesideOurs) {
  const auto script =
      answering([](const std::string& request) { return ok(request, "Set-Cookie: mine=1\r\n"); });
  const AppRelease old(world_, script), next(world_, script);
  publish({old.arm(5'000), next.arm(5'000)});
  EXPECT_THAT(get(),
              AllOf(HasSubstr("Set-Cookie: mine=1\r\n"), HasSubstr("Set-Cookie: slipway_canary=")));
}

TEST_F(Split, AppsNeverSeeOurCookie) {
  const AppRelease release(world_,
                           answering([](const std::string& request) { return ok(request); }));
  world_.backend->set_ready({.dialer = world_.dialer, .port = release.servers[0]->port()});
  publish({release.arm()});
  for (const std::string_view to : {host, std::string_view("app.localhost")}) {
    const std::string some =
        body_of(world_.get("/", to, "Cookie: a=b; slipway_canary=1.0123456789abcdef; c=d\r\n"));
    EXPECT_THAT(some, HasSubstr("Cookie: a=b; c=d\r\n"));
    const std::string none =
        body_of(world_.get("/", to, "Cookie: slipway_canary=1.0123456789abcdef\r\n"));
    EXPECT_THAT(none, Not(HasSubstr("Cookie")));
  }
}

TEST_F(Split, AStaticReleaseIsAnArmLikeAnyOther) {
  auto directory = TempDir::create("/tmp", "router-split-");
  ASSERT_TRUE(directory.has_value());
  auto blobs = BlobStore::open(directory->path());
  ASSERT_TRUE(blobs.has_value());
  const auto digest = blobs->put("static");
  Manifest manifest;
  manifest.entries.push_back(
      {.path = "index.html", .mode = FileMode::regular, .size = 6, .digest = *digest});
  const auto site =
      StaticSite::create(DeploymentId::random(), *blobs->put(manifest.to_text()),
                         StaticFallback::not_found_page, *blobs, world_.clock.monotonic());
  const AppRelease old(world_, saying("old"));
  const auto stats = std::make_shared<TrafficStats>();
  publish({old.arm(0), {.target = site, .stats = stats, .share = 10'000}});
  const std::string answer = get();
  EXPECT_EQ(body_of(answer), "static");
  EXPECT_THAT(header_of(answer, "Set-Cookie"), StartsWith("slipway_canary="));
  EXPECT_EQ(status_of(get("/missing")), 404);
  EXPECT_EQ(stats->sample().requests, 2u);
  EXPECT_EQ(stats->sample().errors, 0u);
}

// ---- statistics

TEST_F(Split, CountsAnswersOnTheirArm) {
  const AppRelease old(world_, saying("old")), next(world_, answering([](const std::string&) {
                                                      return std::string(
                                                          "HTTP/1.1 500 Oh\r\nContent-Length: "
                                                          "0\r\n\r\n");
                                                    }));
  publish({old.arm(5'000), next.arm(5'000)});
  const std::string to_old = "Cookie: slipway_canary=" + placement_cookie("rol_a", 0) + "\r\n";
  const std::string to_new = "Cookie: slipway_canary=" + placement_cookie("rol_a", 9'999) + "\r\n";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status_of(get("/", to_old)), 200);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(status_of(get("/", to_new)), 500);
  EXPECT_EQ(old.stats->sample().requests, 3u);
  EXPECT_EQ(old.stats->sample().errors, 0u);
  EXPECT_EQ(next.stats->sample().requests, 2u);
  EXPECT_EQ(next.stats->sample().errors, 2u);
}

TEST_F(Split, NoAnswerFromTheAppIsAnError) {
  const AppRelease breaking(world_, [](RawPeer& peer, int) { peer.read_message(); });
  publish({breaking.arm()});
  EXPECT_EQ(status_of(get()), 502);
  breaking.backends[0]->set_ready({.dialer = world_.dialer, .port = closed_port()});
  EXPECT_EQ(status_of(get()), 502);
  breaking.backends[0]->set_crashed({.code = Errc::start_failed, .message = "it ended"});
  EXPECT_EQ(status_of(get()), 502);
  EXPECT_EQ(breaking.stats->sample().requests, 3u);
  EXPECT_EQ(breaking.stats->sample().errors, 3u);
}

TEST_F(Split, WhatAClientDoesWrongIsNotCounted) {
  std::promise<void> arrived;
  const AppRelease release(world_, [&](RawPeer& peer, int connection) {
    peer.read_until("\r\n\r\n");
    if (connection == 0) arrived.set_value();
    peer.read_all();
  });
  publish({release.arm()});
  RawPeer leaving = world_.connect();
  leaving.send(request("/"));
  arrived.get_future().wait();
  leaving.close();
  while (release.pool->open_requests() != 0) std::this_thread::yield();
  EXPECT_EQ(status_of(world_.ask("POST / HTTP/1.1\r\nHost: " + std::string(host) +
                                 "\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")),
            400);
  EXPECT_EQ(release.stats->sample().requests, 0u);
}

TEST_F(Split, TheTimeIsThatOfTheFirstByteNotOfTheWholeAnswer) {
  std::promise<void> read;
  const auto seen = read.get_future().share();
  const AppRelease release(world_, [&](RawPeer& peer, int) {
    peer.read_message();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    seen.wait();
    peer.send("b");
    peer.read_all();
  });
  publish({release.arm()});
  RawPeer peer = world_.connect();
  peer.send(request("/"));
  EXPECT_EQ(peer.read_until("\r\n\r\na").substr(9, 3), "200");
  EXPECT_EQ(sample(release, 1).requests, 1u) << "counted while the answer is under way";
  read.set_value();
  EXPECT_EQ(peer.read_exactly(1), "b");
}

// ---- several instances

TEST_F(Split, SpreadsOpenRequestsOverTheInstances) {
  std::promise<void> enough;
  const auto go_on = enough.get_future().share();
  const AppRelease release(
      world_,
      [go_on](RawPeer& peer, int) {
        while (!peer.read_message().empty()) {
          go_on.wait();
          if (!peer.send(ok("late"))) return;
        }
      },
      3);
  publish({release.arm()});
  std::vector<RawPeer> peers;
  for (int i = 0; i < 9; ++i) {
    peers.push_back(world_.connect());
    peers.back().send(request("/"));
  }
  while (release.pool->open_requests() < 9) std::this_thread::yield();
  for (const auto& backend : release.backends) EXPECT_EQ(backend->open_requests(), 3);
  enough.set_value();
  for (RawPeer& peer : peers) EXPECT_EQ(body_of(peer.read_message()), "late");
}

TEST_F(Split, ARefusedRequestGoesToAnotherInstanceBeforeAnybodyNotices) {
  const AppRelease release(
      world_, answering([](const std::string& request) { return ok(request.substr(0, 4)); }), 3);
  for (const int broken : {0, 2})
    release.backends[static_cast<std::size_t>(broken)]->set_ready(
        {.dialer = world_.dialer, .port = closed_port()});
  publish({release.arm()});
  for (int i = 0; i < 6; ++i) EXPECT_EQ(status_of(get()), 200);
  EXPECT_EQ(body_of(world_.ask("POST / HTTP/1.1\r\nHost: " + std::string(host) +
                               "\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab")),
            "POST")
      << "nothing of it had been sent";
  EXPECT_EQ(release.stats->sample().errors, 0u);
  EXPECT_EQ(release.pool->open_requests(), 0);
}

TEST_F(Split, ARestartingInstanceIsPassedOver) {
  const AppRelease release(world_, saying("hi"), 2);
  release.backends[0]->set_waking();
  publish({release.arm()});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(body_of(get()), "hi");
  EXPECT_EQ(release.servers[0]->accepted(), 0);
}

TEST_F(Split, ARequestWaitsForTheOnlyInstanceAndWakesNothing) {
  const AppRelease release(world_, saying("hi"));
  release.backends[0]->set_waking();
  publish({release.arm()});
  RawPeer peer = world_.connect();
  peer.send(request("/"));
  while (release.pool->open_requests() == 0) std::this_thread::yield();
  release.backends[0]->set_ready({.dialer = world_.dialer, .port = release.servers[0]->port()});
  EXPECT_EQ(body_of(peer.read_message()), "hi");
  EXPECT_EQ(world_.wakes, 0);
}

TEST_F(Split, WithoutAnyInstanceSaysSoAndCountsIt) {
  const AppRelease release(world_, saying("hi"), 0);
  publish({release.arm()});
  EXPECT_EQ(status_of(get()), 503);
  EXPECT_EQ(release.stats->sample().errors, 1u);
}

class QuickSplit : public Split {
 protected:
  QuickSplit() : Split({.upstream_idle_timeout = milliseconds{100}}) {}  // a fine clock
};

TEST_F(QuickSplit, AWaitingRequestTakesAnInstanceThatJoinsMeanwhile) {
  const AppRelease release(world_, saying("hi"), 2);
  release.pool->remove(release.backends[1].get());
  release.backends[0]->set_waking();
  publish({release.arm()});
  RawPeer peer = world_.connect();
  peer.send(request("/"));
  while (release.pool->open_requests() == 0) std::this_thread::yield();
  release.pool->add(release.backends[1]);
  EXPECT_EQ(body_of(peer.read_message()), "hi");
  while (release.pool->open_requests() != 0) std::this_thread::yield();
}

TEST_F(QuickSplit, ARequestThatMissedTheSwitchFollowsIt) {
  const AppRelease old(world_, saying("old")), next(world_, saying("new"));
  old.backends[0]->set_waking();
  publish({old.arm()});
  RawPeer peer = world_.connect();
  peer.send(request("/"));
  while (old.pool->open_requests() == 0) std::this_thread::yield();
  publish({next.arm()});
  EXPECT_EQ(body_of(peer.read_message()), "new");
  EXPECT_EQ(next.stats->sample().requests, 1u);
  EXPECT_EQ(old.stats->sample().requests, 0u);
}

// ---- switching

// Echoes a WebSocket's bytes; sends downloads piece by piece, one for each message from `pace`;
// tells its name and the length of a body.
ScriptedServer::Script mixed(std::string name, std::shared_future<void> go_on) {
  return [name = std::move(name), go_on = std::move(go_on)](RawPeer& peer, int) {
    for (;;) {
      const std::string request = peer.read_message();
      if (request.empty()) return;
      if (request.starts_with("GET /socket")) {
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
        for (;;) {
          const std::string line = peer.read_until("\n");
          if (line.empty() || !peer.send(name + " " + line)) return;
        }
      }
      if (request.starts_with("GET /download")) {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + std::string(100'000, 'a'));
        go_on.wait();
        peer.send(std::string(100'000, 'b'));
        continue;
      }
      if (!peer.send(ok(name + " " + std::to_string(body_of(request).size())))) return;
    }
  };
}

class Switch : public Split {
 protected:
  std::promise<void> switched_;
  std::shared_future<void> go_on_ = switched_.get_future().share();
  AppRelease old_{world_, mixed("old", go_on_)}, next_{world_, mixed("new", go_on_)};
};

TEST_F(Switch, RequestsUnderWayGoOnToTheirEndAndNewOnesGoToTheNewRelease) {
  publish({old_.arm()});
  RawPeer download = world_.connect(), socket = world_.connect(), upload = world_.connect(),
          resting = world_.connect();
  download.send(request("/download"));
  EXPECT_EQ(status_of(download.read_until("\r\n\r\n")), 200);
  socket.send(request("/socket", "Connection: Upgrade\r\nUpgrade: x\r\n"));
  EXPECT_EQ(status_of(socket.read_until("\r\n\r\n")), 101);
  upload.send("POST / HTTP/1.1\r\nHost: " + std::string(host) +
              "\r\nContent-Length: 100000\r\n\r\n" + std::string(50'000, 'x'));
  resting.send(request("/"));
  EXPECT_EQ(body_of(resting.read_message()), "old 0");
  while (old_.pool->open_requests() < 3) std::this_thread::yield();

  publish({next_.arm()});
  switched_.set_value();
  EXPECT_EQ(download.read_exactly(200'000), std::string(100'000, 'a') + std::string(100'000, 'b'));
  socket.send("still there?\n");
  EXPECT_EQ(socket.read_until("\n"), "old still there?\n");
  upload.send(std::string(50'000, 'x'));
  EXPECT_EQ(body_of(upload.read_message()), "old 100000");
  for (RawPeer* peer : {&download, &upload, &resting}) {
    peer->send(request("/"));
    EXPECT_EQ(body_of(peer->read_message()), "new 0") << "the same connection, the next request";
  }
  EXPECT_EQ(old_.pool->open_requests(), 1) << "the socket";
  socket.close();
  while (old_.pool->open_requests() != 0) std::this_thread::yield();
  const TrafficSample old = old_.stats->sample();
  EXPECT_EQ(old.requests, 4u);
  EXPECT_EQ(old.errors, 0u);
}

TEST_F(Switch, BackAndForthUnderLoadFailsNoRequest) {
  publish({old_.arm()});
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0, answers = 0;
  const auto check = [&](const std::string& answer, std::string_view size) {
    const std::string body = body_of(answer);
    const bool good = status_of(answer) == 200 &&
                      (body == "old " + std::string(size) || body == "new " + std::string(size));
    ++answers;
    if (!good) ++wrong;
  };
  std::vector<std::jthread> clients;
  clients.emplace_back([&] {  // pipelined, kept alive
    RawPeer peer = world_.connect();
    while (!stop) {
      peer.send(request("/1") + request("/2") + request("/3"));
      for (int i = 0; i < 3; ++i) check(peer.read_message(), "0");
    }
  });
  clients.emplace_back([&] {  // bodies in two parts
    RawPeer peer = world_.connect();
    while (!stop) {
      peer.send("POST / HTTP/1.1\r\nHost: " + std::string(host) +
                "\r\nContent-Length: 6000\r\n\r\n" + std::string(1'000, 'x'));
      peer.send(std::string(5'000, 'y'));
      check(peer.read_message(), "6000");
    }
  });
  clients.emplace_back([&] {  // a connection each
    while (!stop) check(get(), "0");
  });
  for (int round = 0; round < 200; ++round) {
    publish({round % 2 == 0 ? next_.arm() : old_.arm()});
    const int before = answers;
    while (answers < before + 3) std::this_thread::yield();
  }
  stop = true;
  clients.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(old_.stats->sample().errors + next_.stats->sample().errors, 0u);
  EXPECT_GT(old_.stats->sample().requests, 0u);
  EXPECT_GT(next_.stats->sample().requests, 0u);
}

}  // namespace
}  // namespace slipway
