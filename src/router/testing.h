#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "http/testing/scripted_server.h"
#include "router/router.h"
#include "sys/files.h"

namespace slipway::testing {

// Leads to a port of this host's loopback.
class LocalDialer final : public Dialer {
 public:
  [[nodiscard]] Result<Fd> dial(int port, bool ipv6) const override {
    (void)ipv6;
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ++dials;
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS)
      return fail_errno(errno, "connect");
    return fd;
  }
  [[nodiscard]] Result<std::vector<int>> listening_ports() const override {
    return std::vector<int>{};
  }
  mutable std::atomic<int> dials{0};
};

// An API that one function answers, for everybody.
class OpenApi final : public Api {
 public:
  using Answer = std::function<ApiResponse(ApiRequest&)>;
  explicit OpenApi(Answer answer) : answer_(std::move(answer)) {}

  [[nodiscard]] ApiPlan plan(const ApiRequest& request) const override {
    return on_plan ? on_plan(request) : ApiPlan{.body_limit = 8u << 20};
  }
  [[nodiscard]] ApiAdmission admit(ApiRequest& request) override {
    return on_admit ? on_admit(request) : ApiAdmission{.principal = "somebody"};
  }
  [[nodiscard]] ApiResponse answer(ApiRequest& request) override { return answer_(request); }
  [[nodiscard]] Status probe() override { return on_probe ? on_probe() : Status(); }
  [[nodiscard]] ApiResponse health(std::span<const HealthReason> reasons) const override {
    std::string body;
    for (const HealthReason& each : reasons) body += each.part + ": " + each.detail + "\n";
    return {.status = reasons.empty() ? 200 : 503, .body = body};
  }

  std::function<ApiPlan(const ApiRequest&)> on_plan;
  std::function<ApiAdmission(ApiRequest&)> on_admit;
  std::function<Status()> on_probe;

 private:
  Answer answer_;
};

// A router on a free port, with one app "app.localhost" behind it.
class RouterWorld {
 public:
  explicit RouterWorld(ScriptedServer::Script app = {}, RouterSettings settings = {},
                       OpenApi::Answer answer = {})
      : api(answer ? std::move(answer)
                   : [](ApiRequest& request) {
                       return ApiResponse{.body = request.method + " " + request.path};
                     }),
        backend(std::make_shared<Backend>(DeploymentId::random())) {
    if (app) {
      upstream = std::make_unique<ScriptedServer>(std::move(app));
      backend->set_ready({.dialer = dialer, .port = upstream->port()});
    }
    routes.publish({{"app.localhost", RouteTarget(backend)}});
    settings.port = 0;
    auto started =
        Router::start(settings, clock, routes, api, [this](const std::shared_ptr<Backend>& asleep) {
          ++wakes;
          if (on_wake) on_wake(asleep);
        });
    EXPECT_TRUE(started.has_value()) << (started ? "" : started.error().message);
    router = *std::move(started);
  }

  [[nodiscard]] RawPeer connect() const { return RawPeer::connect(router->port()); }
  // One request on a connection of its own; the whole of what comes back.
  [[nodiscard]] std::string ask(std::string_view request) const {
    RawPeer peer = connect();
    peer.send(request);
    return peer.read_all();
  }
  [[nodiscard]] std::string get(std::string_view path, std::string_view host = "app.localhost",
                                std::string_view headers = "") const {
    return ask("GET " + std::string(path) + " HTTP/1.1\r\nHost: " + std::string(host) +
               "\r\nConnection: close\r\n" + std::string(headers) + "\r\n");
  }

  SystemClock clock;
  OpenApi api;
  RouteTable routes;
  std::shared_ptr<LocalDialer> dialer = std::make_shared<LocalDialer>();
  std::shared_ptr<Backend> backend;
  std::unique_ptr<ScriptedServer> upstream;
  std::function<void(const std::shared_ptr<Backend>&)> on_wake;
  std::atomic<int> wakes{0};
  std::unique_ptr<Router> router;  // last made, first gone
};

inline int status_of(std::string_view answer) {
  return answer.size() > 12 ? std::atoi(std::string(answer.substr(9, 3)).c_str()) : 0;
}
inline std::string body_of(std::string_view answer) {
  const auto end = answer.find("\r\n\r\n");
  return end == std::string_view::npos ? "" : std::string(answer.substr(end + 4));
}
inline std::string header_of(std::string_view answer, std::string_view name) {
  const std::string head(answer.substr(0, answer.find("\r\n\r\n") + 2));
  const auto at = to_lower(head).find("\r\n" + to_lower(name) + ": ");
  if (at == std::string::npos) return "";
  const auto begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

// Serves requests one after another: `answer` turns each (head and body) into raw bytes.
inline ScriptedServer::Script answering(std::function<std::string(const std::string&)> answer) {
  return [answer = std::move(answer)](RawPeer& peer, int) {
    for (;;) {
      const std::string request = peer.read_message();
      if (request.empty() || !peer.send(answer(request))) return;
    }
  };
}
inline std::string ok(std::string_view body, std::string_view headers = "") {
  return "HTTP/1.1 200 OK\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace slipway::testing
