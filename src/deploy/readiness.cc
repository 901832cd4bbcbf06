#include "deploy/readiness.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>

#include "http/probe.h"

namespace slipway {

using namespace std::chrono_literals;

namespace {

// An app may open a port of minor interest (a debugger, metrics) before its real one.
constexpr Duration other_port_patience = 400ms;
// Most apps start within seconds: ask often then (to be refused costs some 80 us), seldom later.
constexpr Duration early_time = 3s, early_pause = 2ms, late_pause = 50ms;
// To list what listens takes the kernel milliseconds where its table of connections is large.
constexpr Duration list_interval = 100ms;
// How long an app may take for its first byte when it is first asked; twice as long the next time.
constexpr Duration first_answer = 5s;
// Less says nothing: a busy kernel needs a moment to tell that nobody listens.
constexpr Duration least_answer = 100ms;

struct Observation {
  enum class Kind { refused, silent, not_http, status } kind = Kind::refused;
  int status = 0;
};

Observation look(const ReadinessQuestion& question, int port, bool ipv6, Duration timeout,
                 const std::stop_token& stop) {
  auto socket = question.dialer->dial(port, ipv6);
  if (!socket) return {};
  // Whoever is told to stop does not wait for the answer.
  const Fd same(::fcntl(socket->get(), F_DUPFD_CLOEXEC, 0));
  const std::stop_callback on_stop(stop, [&same] { ::shutdown(same.get(), SHUT_RDWR); });
  const auto answer = probe_http(*std::move(socket), question.host, question.health_path, timeout);
  if (answer) return {Observation::Kind::status, *answer};
  if (answer.error().code == Errc::corrupt) return {Observation::Kind::not_http};
  if (answer.error().code == Errc::deadline_exceeded) return {Observation::Kind::silent};
  return {};
}

bool is_ready(const Observation& seen, std::string_view health_path) {
  if (seen.kind == Observation::Kind::not_http) return true;
  if (seen.kind != Observation::Kind::status) return false;
  return is_good_answer(seen.status, health_path);
}

}  // namespace

bool is_good_answer(int status, std::string_view health_path) {
  return health_path == "/" || (status >= 200 && status < 400);
}

int expected_port(const EnvVars& env, const Unit& unit) {
  const auto given = env.find("PORT");
  if (given != env.end()) {
    int port = 0;
    const std::string& text = given->second;
    std::from_chars(text.data(), text.data() + text.size(), port);
    if (port > 0 && port < 65'536) return port;
  }
  return unit.artifact->port.value_or(default_port);
}

int expected_port(const Deployment& deployment, const Unit& unit) {
  return expected_port(deployment.options.env, unit);
}

std::optional<Backend::Endpoint> answers_at(const ReadinessQuestion& question, int port,
                                            Duration timeout) {
  for (const bool ipv6 : {false, true})
    if (is_ready(look(question, port, ipv6, timeout, {}), question.health_path))
      return Backend::Endpoint{.dialer = question.dialer, .port = port, .ipv6 = ipv6};
  return std::nullopt;
}

Result<Backend::Endpoint> wait_for_readiness(const ReadinessQuestion& question, const Clock& clock,
                                             std::stop_token stop, const ExitWatch& exited) {
  const Deadline deadline = Deadline::after(clock, question.timeout);
  std::optional<Duration> others_since;
  Observation last;
  int last_port = 0;
  Duration answer_time = first_answer;
  Duration pause = early_pause, next_list = clock.monotonic() + list_interval / 2;
  while (!deadline.passed(clock)) {
    if (stop.stop_requested()) return fail(Errc::canceled, "canceled while starting");
    if (exited(pause)) return fail(Errc::start_failed, "the app ended before it was ready");
    const bool early = deadline.left(clock) > question.timeout - early_time;
    pause = std::min<Duration>(pause * 5 / 4, early ? early_pause : late_pause);

    bool heard = false;
    const auto ask = [&](int port) -> std::optional<Backend::Endpoint> {
      for (const bool ipv6 : {false, true}) {
        const Duration left = deadline.left(clock);
        const Observation seen =
            look(question, port, ipv6, std::min(answer_time, std::max(left, least_answer)), stop);
        if (seen.kind == Observation::Kind::refused) continue;
        if (seen.kind == Observation::Kind::silent) {
          // What it said when it had its time says more than silence for the rest of it.
          if (left < answer_time && last_port != 0) return std::nullopt;
          answer_time *= 2;
        }
        heard = true;
        last = seen;
        last_port = port;
        if (is_ready(seen, question.health_path))
          return Backend::Endpoint{.dialer = question.dialer, .port = port, .ipv6 = ipv6};
        break;
      }
      return std::nullopt;
    };
    if (auto endpoint = ask(question.port)) return *std::move(endpoint);
    if (heard || clock.monotonic() < next_list) continue;
    next_list = clock.monotonic() + list_interval;
    auto ports = question.dialer->listening_ports();
    if (ports && question.other_listener != question.port)
      std::erase(*ports, question.other_listener);
    if (!ports || ports->empty() || std::ranges::find(*ports, question.port) != ports->end())
      continue;
    if (!others_since) others_since = clock.monotonic();
    if (clock.monotonic() - *others_since < other_port_patience) continue;
    if (auto endpoint = ask(ports->front())) return *std::move(endpoint);
  }
  const std::string waited = format_duration(question.timeout);
  Error error{.code = Errc::start_failed, .phase = "start", .cause = "timeout"};
  if (last_port == 0) {
    error.cause = "wrong_port";
    error.message = fmt::format("the app did not listen on any port within {}", waited);
    error.hint =
        "listen on the port in the environment variable PORT; if it only needs longer, raise "
        "instances.start_timeout";
  } else if (last.kind == Observation::Kind::silent) {
    error.message = fmt::format("the app listens on port {}, but did not answer {} within {}",
                                last_port, question.health_path, waited);
    error.hint =
        "it may only be slow: answer before the rest is loaded, or raise instances.start_timeout";
  } else {
    error.message = fmt::format("{} on port {} answered with status {} for {}",
                                question.health_path, last_port, last.status, waited);
    error.hint = "the health path must answer with a status below 400";
  }
  return fail(std::move(error));
}

}  // namespace slipway
