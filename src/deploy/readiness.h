#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "engine/engine.h"
#include "router/route_table.h"

namespace slipway {

// PORT as given to an app whose code names no port of its own.
inline constexpr int default_port = 8080;

// The port that an app was told to use (PORT in `env`), or that its code says.
[[nodiscard]] int expected_port(const EnvVars& env, const Unit& unit);
[[nodiscard]] int expected_port(const Deployment& deployment, const Unit& unit);

// Whether an answer of the health path is a good one: 2xx or 3xx; when the path is "/", any.
[[nodiscard]] bool is_good_answer(int status, std::string_view health_path);

struct ReadinessQuestion {
  std::shared_ptr<const Dialer> dialer;
  std::string host;  // sent as Host
  std::string health_path;
  int port = default_port;
  int other_listener = 0;  // a port inside that is Slipway's own (links.h), not the app's
  Duration timeout{};
};
// Waits up to the given time for the sandbox to end; how it ended, once it did.
using ExitWatch = std::function<std::optional<SandboxExit>(Duration wait)>;

// Waits until the app answers and says where. An app that ignores its port is found by what it
// listens on. Ready means: the health path answers 2xx or 3xx; when that is "/", any HTTP answer; a
// port that does not speak HTTP is ready when it accepts. One that is slow to answer is given more
// time at each turn. Errors: start_failed (ended, or nothing in time; the message says which),
// canceled.
[[nodiscard]] Result<Backend::Endpoint> wait_for_readiness(const ReadinessQuestion& question,
                                                           const Clock& clock, std::stop_token stop,
                                                           const ExitWatch& exited);

// Where the app answers at this very port as one that is ready does; nothing when it does not
// within `timeout`.
[[nodiscard]] std::optional<Backend::Endpoint> answers_at(const ReadinessQuestion& question,
                                                          int port, Duration timeout);

}  // namespace slipway
