// Slipway's router alone, as bench/router measures it: one thread, three names proxied to a port of
// this host: app.localhost as a preview is, release.localhost as a release is, canary.localhost as
// two releases are that share the traffic. Prints its port; ends with its standard input.
//
//     bench_router UPSTREAM_PORT

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>

#include "router/router.h"
#include "router/traffic.h"

namespace {

class LocalDialer final : public slipway::Dialer {
 public:
  [[nodiscard]] slipway::Result<slipway::Fd> dial(int port, bool) const override {
    slipway::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS)
      return slipway::fail_errno(errno, "connect");
    return fd;
  }
  [[nodiscard]] slipway::Result<std::vector<int>> listening_ports() const override {
    return std::vector<int>{};
  }
};

slipway::TrafficSplit::Arm arm_of(const std::shared_ptr<slipway::Backend>& backend,
                                  std::uint32_t share) {
  auto pool = std::make_shared<slipway::BackendPool>();
  pool->add(backend);
  return {.target = pool, .stats = std::make_shared<slipway::TrafficStats>(), .share = share};
}

slipway::RouteTarget split_of(std::vector<slipway::TrafficSplit::Arm> arms) {
  auto split = std::make_shared<slipway::TrafficSplit>();
  split->arms = std::move(arms);
  split->salt = "bench";
  return std::shared_ptr<const slipway::TrafficSplit>(std::move(split));
}

class NoApi final : public slipway::Api {
 public:
  [[nodiscard]] slipway::ApiPlan plan(const slipway::ApiRequest&) const override {
    return {.answer = slipway::ApiResponse{.status = 404}};
  }
  [[nodiscard]] slipway::ApiAdmission admit(slipway::ApiRequest&) override { return {}; }
  [[nodiscard]] slipway::ApiResponse answer(slipway::ApiRequest&) override {
    return {.status = 404};
  }
  [[nodiscard]] slipway::Status probe() override { return {}; }
  [[nodiscard]] slipway::ApiResponse health(std::span<const slipway::HealthReason>) const override {
    return {};
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: bench_router UPSTREAM_PORT\n");
    return 2;
  }
  const slipway::SystemClock clock;
  slipway::RouteTable routes;
  const auto backend = std::make_shared<slipway::Backend>(slipway::DeploymentId::random());
  backend->set_ready({.dialer = std::make_shared<LocalDialer>(), .port = std::atoi(argv[1])});
  routes.publish({{"app.localhost", slipway::RouteTarget(backend)},
                  {"release.localhost", split_of({arm_of(backend, 10'000)})},
                  {"canary.localhost", split_of({arm_of(backend, 9'500), arm_of(backend, 500)})}});
  NoApi api;
  auto router = slipway::Router::start({.port = 0}, clock, routes, api,
                                       [](const std::shared_ptr<slipway::Backend>&) {});
  if (!router) {
    fmt::print(stderr, "{}\n", router.error().message);
    return 1;
  }
  fmt::print("{}\n", (*router)->port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  (*router)->stop(std::chrono::seconds{1});
  return 0;
}
