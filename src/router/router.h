#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "http/message.h"
#include "router/proxies.h"
#include "router/route_table.h"

namespace slipway {

struct RouterSettings {
  std::string listen_address = "127.0.0.1";
  int port = 7070;                   // 0: any free one, see Router::port()
  std::string domain = "localhost";  // of the API itself; apps live below it
  TrustedProxies trusted_proxies;    // their word about a client is taken
  std::uint32_t threads = 1;         // event loops
  std::uint32_t api_threads = 8;
  // Near the limit those that rest are closed first; at it nobody is let in until one ends.
  std::uint32_t max_connections = 20'000;
  // Of one client address; 0: any number. This machine's own and trusted proxies have no limit.
  std::uint32_t max_per_address = 0;
  std::uint32_t max_header_bytes = 64u << 10;
  Duration header_timeout = std::chrono::seconds{15};
  Duration idle_timeout = std::chrono::seconds{75};
  Duration upstream_connect_timeout = std::chrono::seconds{5};
  Duration wake_timeout = std::chrono::seconds{60};
  Duration body_timeout = std::chrono::seconds{60};  // no progress either way of a body
  // A client that sends the body of its request slower than this is cut off: bytes a second, while
  // the router waits for it, once the grace is spent. 0: no limit.
  std::uint64_t min_body_rate = 512;
  Duration body_grace = std::chrono::seconds{30};
  enum class AccessLog { off, on } access_log = AccessLog::off;  // a log line for each request
  Duration response_timeout = std::chrono::seconds{300};         // an app's first byte of an answer
  Duration tunnel_idle_timeout = std::chrono::minutes{60};       // WebSocket and event streams
  Duration upstream_idle_timeout = std::chrono::seconds{4};      // below Node's and uvicorn's 5 s
  std::uint32_t upstream_idle_connections = 64;                  // kept per instance and thread
};

// The one listening port: requests for the API's own host go to `api`, all others by `routes`. Owns
// its threads. Everything it is given must outlive it.
class Router {
 public:
  // `wake` is called (any thread, must not block) when a request meets a sleeping backend; the
  // fleet then moves the backend to ready or crashed, and the held requests go on.
  using Wake = std::function<void(const std::shared_ptr<Backend>&)>;
  [[nodiscard]] static Result<std::unique_ptr<Router>> start(RouterSettings settings,
                                                             const Clock& clock, RouteTable& routes,
                                                             Api& api, Wake wake);
  virtual ~Router() = default;
  [[nodiscard]] virtual int port() const = 0;
  // Stops accepting, lets requests in flight end until `grace`, then closes. Called once.
  virtual void stop(Duration grace) = 0;

  struct Counters {
    std::uint64_t requests = 0, errors_5xx = 0, bytes_in = 0, bytes_out = 0;
    std::uint64_t connections = 0, wakes = 0;
  };
  [[nodiscard]] virtual Counters counters() const = 0;
};

}  // namespace slipway
