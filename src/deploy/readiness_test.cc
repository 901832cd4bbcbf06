#include "deploy/readiness.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <future>

#include "engine/fake_engine.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

// Accepts connections, as the kernel does for whoever listens, and never answers.
class Silent {
 public:
  Silent() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(socket_.get(), 64), 0);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
  }
  [[nodiscard]] int port() const { return port_; }
  // Waits until somebody asks.
  void wait_for_question() const {
    const Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char request[4096];
    EXPECT_GT(::recv(client.get(), request, sizeof request, 0), 0);
    asked.set_value();
    std::ignore = ::recv(client.get(), request, sizeof request, 0);  // until the other end is gone
  }
  mutable std::promise<void> asked;

 private:
  Fd socket_;
  int port_ = 0;
};

class ReadinessTest : public ::testing::Test {
 protected:
  ReadinessTest() {
    engine.map_port(default_port, silent.port());
    SandboxSpec spec;
    spec.id = "app";
    spec.argv = {"true"};
    EXPECT_TRUE(engine.start(spec, {}, 0));
  }
  Result<Backend::Endpoint> wait(Duration timeout, std::stop_token stop) {
    return wait_for_readiness({.dialer = engine.dialer("app").value(),
                               .host = "shop.localhost",
                               .health_path = "/",
                               .timeout = timeout},
                              clock, std::move(stop),
                              [](Duration) { return std::optional<SandboxExit>(); });
  }

  Silent silent;
  FakeEngine engine;
  SystemClock clock;
};

TEST_F(ReadinessTest, WhatListensAndDoesNotAnswerIsSlowAndNotAtTheWrongPort) {
  const auto slow = wait(300ms, {});
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().code, Errc::start_failed);
  EXPECT_EQ(slow.error().cause, "timeout");
  EXPECT_NE(slow.error().message.find("listens on port 8080"), std::string::npos)
      << slow.error().message;
}

// Connections that the kernel has not refused yet when they are handed out.
class Undecided final : public Dialer {
 public:
  [[nodiscard]] Result<Fd> dial(int, bool) const override {
    return Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }
  [[nodiscard]] Result<std::vector<int>> listening_ports() const override {
    return std::vector<int>{};
  }
};

TEST(Readiness, AskedAtTheLastMomentWhatListensNowhereIsNotTakenForSlow) {
  ManualClock clock;
  const auto nobody = wait_for_readiness({.dialer = std::make_shared<Undecided>(),
                                          .host = "shop.localhost",
                                          .health_path = "/",
                                          .timeout = 1min},
                                         clock, {}, [&](Duration) {
                                           clock.advance(61s);
                                           return std::optional<SandboxExit>();
                                         });
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().cause, "wrong_port") << nobody.error().message;
}

TEST_F(ReadinessTest, WhoeverIsToldToStopDoesNotWaitForASlowAnswer) {
  std::stop_source stop;
  auto waits = std::async(std::launch::async, [&] { return wait(1h, stop.get_token()); });
  auto app = std::async(std::launch::async, [&] { silent.wait_for_question(); });
  silent.asked.get_future().wait();
  stop.request_stop();
  EXPECT_EQ(waits.get().error().code, Errc::canceled);
  app.get();
}

}  // namespace
}  // namespace slipway
