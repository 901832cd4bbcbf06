// Requests that meet a backend which does not run.

#include <gmock/gmock.h>

#include <future>

#include "router/testing.h"

namespace slipway {
namespace {

using ::testing::HasSubstr;
using namespace slipway::testing;
using std::chrono::milliseconds;

int free_port() {
  return ScriptedServer([](RawPeer&, int) {}).port();
}

class Wake : public ::testing::Test {
 protected:
  ScriptedServer app_{
      answering([](const std::string& request) { return ok(request.substr(0, 4)); })};
  RouterWorld world_;

  Backend::Endpoint endpoint() const { return {.dialer = world_.dialer, .port = app_.port()}; }
};

TEST_F(Wake, HoldsTheRequestUntilTheAppIsReady) {
  world_.on_wake = [&](const std::shared_ptr<Backend>& backend) {
    backend->set_waking();
    std::thread([this, backend] { backend->set_ready(endpoint()); }).detach();
  };
  const std::string answer = world_.get("/");
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_EQ(world_.wakes, 1);
  EXPECT_EQ(world_.router->counters().wakes, 1u);
}

TEST_F(Wake, ManyRequestsWakeOnce) {
  std::promise<std::shared_ptr<Backend>> asked;
  world_.on_wake = [&](const std::shared_ptr<Backend>& backend) { asked.set_value(backend); };
  std::vector<RawPeer> peers;
  for (int i = 0; i < 20; ++i) {
    peers.push_back(world_.connect());
    peers.back().send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  }
  const std::shared_ptr<Backend> backend = asked.get_future().get();
  while (backend->open_requests() < 20) std::this_thread::yield();
  backend->set_waking();
  backend->set_ready(endpoint());
  for (RawPeer& peer : peers) EXPECT_EQ(status_of(peer.read_message()), 200);
  EXPECT_EQ(world_.wakes, 1);
}

TEST_F(Wake, KeepsTheBodyOfAHeldRequest) {
  world_.on_wake = [&](const std::shared_ptr<Backend>& backend) { backend->set_ready(endpoint()); };
  const std::string answer = world_.ask(
      "POST / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\nContent-Length: "
      "3\r\n\r\nabc");
  EXPECT_EQ(body_of(answer), "POST");
}

TEST_F(Wake, AnAppThatCrashesWhileWakingIsShownAsCrashed) {
  world_.on_wake = [&](const std::shared_ptr<Backend>& backend) {
    backend->set_crashed({.code = Errc::start_failed, .message = "exited with 1 <b>"});
  };
  const std::string answer = world_.get("/");
  EXPECT_EQ(status_of(answer), 502);
  EXPECT_NE(header_of(answer, "Retry-After"), "");
  EXPECT_THAT(answer, HasSubstr("exited with 1 &lt;b&gt;"));
}

TEST_F(Wake, AWakeThatTakesTooLongIs503AndTheNextOneTriesAgain) {
  RouterWorld world({}, {.wake_timeout = milliseconds{40}});
  for (int i = 1; i <= 2; ++i) {
    const std::string answer = world.get("/");
    EXPECT_EQ(status_of(answer), 503);
    EXPECT_NE(header_of(answer, "Retry-After"), "");
    EXPECT_EQ(world.wakes, i);
  }
  EXPECT_EQ(world.backend->open_requests(), 0);
}

TEST_F(Wake, ARequestWhoseClientLeavesWhileHeldEnds) {
  std::promise<void> asked;
  world_.on_wake = [&](const std::shared_ptr<Backend>&) { asked.set_value(); };
  RawPeer peer = world_.connect();
  peer.send("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n");
  asked.get_future().wait();
  peer.close();
  while (world_.backend->open_requests() != 0) std::this_thread::yield();
  world_.backend->set_ready(endpoint());
  EXPECT_EQ(app_.accepted(), 0);
}

TEST_F(Wake, AnInstanceThatWentToSleepBetweenIsWokenNot502) {
  // The route says ready, but nobody listens any more; the fleet notices a moment later.
  world_.backend->set_ready({.dialer = world_.dialer, .port = free_port()});
  world_.on_wake = [&](const std::shared_ptr<Backend>& backend) { backend->set_ready(endpoint()); };
  std::thread fleet([&] {
    while (world_.dialer->dials == 0) std::this_thread::yield();
    world_.backend->set_asleep();
  });
  EXPECT_EQ(status_of(world_.get("/")), 200);
  fleet.join();
}

TEST_F(Wake, ARefusedConnectionIsTriedAgainShortlyAndThenShownAsCrashed) {
  world_.backend->set_ready({.dialer = world_.dialer, .port = free_port()});
  const std::string answer = world_.get("/");
  EXPECT_EQ(status_of(answer), 502);
  EXPECT_NE(header_of(answer, "Retry-After"), "");
  EXPECT_GT(world_.dialer->dials, 1);
}

TEST(BackendState, TellsWaitersAtOnceWhenThereIsNothingToWaitFor) {
  Backend backend(DeploymentId::random());
  int calls = 0;
  backend.set_crashed({});
  backend.when_settled([&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST(BackendState, TellsWaitersOnceAtTheNextChange) {
  Backend backend(DeploymentId::random());
  int calls = 0;
  backend.when_settled([&] { ++calls; });
  backend.set_waking();
  EXPECT_EQ(calls, 0);
  backend.set_asleep();
  backend.set_crashed({});
  EXPECT_EQ(calls, 1);
}

TEST(BackendState, LetsOneCallerWake) {
  Backend backend(DeploymentId::random());
  EXPECT_TRUE(backend.claim_wake());
  EXPECT_FALSE(backend.claim_wake());
  backend.give_up_wake();
  EXPECT_TRUE(backend.claim_wake());
  backend.set_asleep();
  EXPECT_TRUE(backend.claim_wake());
  backend.set_crashed({});
  EXPECT_FALSE(backend.claim_wake()) << "nothing to wake";
}

}  // namespace
}  // namespace slipway
