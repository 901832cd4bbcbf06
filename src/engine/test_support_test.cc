#include "engine/test_support.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace slipway {
namespace fs = std::filesystem;

using namespace std::chrono_literals;

namespace {
TempDir make_directory() {
  auto directory = TempDir::create(fs::temp_directory_path(), "slipway-engine-");
  if (!directory) throw std::runtime_error(directory.error().message);
  return std::move(*directory);
}
}  // namespace

SandboxSettings EngineBench::settings(const fs::path& directory) {
  SandboxSettings settings;
  settings.state_dir = directory / "state";
  settings.orphan_check = 20ms;
  settings.self_exe = fs::canonical("/proc/self/exe");
  return settings;
}

std::string EngineBench::why_not() {
  if (::geteuid() != 0) return "real sandboxes need root";
  if (const auto runtime = find_runtime({}); !runtime) return runtime.error().message;
  if (!fs::exists(SandboxSettings{}.seccomp_list)) return "no seccomp list is installed";
  return "";
}

EngineBench::EngineBench() : directory_(make_directory()) { reopen(); }

EngineBench::~EngineBench() {
  if (!engine_) reopen();  // a failed test may leave what runs without a server
  if (const auto all = engine_->list())
    for (const SandboxInfo& info : *all) std::ignore = engine_->stop(info.id, 0s);
}

void EngineBench::reopen() {
  engine_.reset();
  auto engine = SandboxEngine::open(settings(directory_.path()), clock_);
  if (!engine) throw std::runtime_error(engine.error().message);
  engine_ = std::move(*engine);
}

SandboxSpec EngineBench::shell(std::string script, Egress egress) {
  SandboxSpec spec;
  spec.id = "test-" + random_id();
  spec.cgroup = "tests";
  spec.root.upper = directory_.path() / "uppers" / spec.id;
  spec.argv = {"/bin/sh", "-c", std::move(script)};
  spec.egress = egress;
  spec.limits.memory_bytes = 256u << 20;
  return spec;
}

EngineBench::Ran EngineBench::run(const SandboxSpec& spec) {
  Ran ran;
  auto outcome =
      engine_->run(spec, 60s, 16u << 20, [&](std::string_view bytes) { ran.output += bytes; }, {});
  if (outcome) {
    ran.outcome = *outcome;
  } else {
    ADD_FAILURE() << outcome.error().message;
  }
  return ran;
}

bool eventually(const std::function<bool()>& condition) {
  const SystemClock clock;
  const Deadline deadline = Deadline::after(clock, 60s);
  while (!condition()) {
    if (deadline.passed(clock)) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

std::string text_of(const fs::path& path) {
  const auto text = read_file(path);
  return text ? *text : std::string();
}

std::string http_get(const Dialer& dialer, int port) {
  auto socket = dialer.dial(port);
  if (!socket) return "";
  // A wait ends with EINTR when the process was stopped and goes on: that is no answer.
  const auto ready = [&](short events) {
    pollfd poll{socket->get(), events, 0};
    int n = 0;
    do n = ::poll(&poll, 1, 20'000);
    while (n < 0 && errno == EINTR);
    return n > 0;
  };
  if (!ready(POLLOUT)) return "";
  constexpr std::string_view request = "GET / HTTP/1.0\r\nHost: app\r\n\r\n";
  if (::send(socket->get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  std::string answer;
  for (;;) {
    if (!ready(POLLIN)) return answer;
    std::array<char, 4096> buffer;
    const ssize_t n = ::recv(socket->get(), buffer.data(), buffer.size(), 0);
    if (n <= 0) return answer;
    answer.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace slipway
