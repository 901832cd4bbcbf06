#include "build/host_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.h"
#include "sys/process.h"

namespace slipway {
namespace fs = std::filesystem;

std::vector<fs::path> find_on_path(const EnvVars& host_env, std::string_view name) {
  std::vector<fs::path> found;
  const auto path = host_env.find("PATH");
  if (path == host_env.end()) return found;
  std::vector<fs::path> real;
  for (std::string_view directory : split(path->second, ':')) {
    if (!directory.starts_with('/')) continue;
    const fs::path file = fs::path(directory) / name;
    std::error_code error;
    const fs::path target = fs::canonical(file, error);
    if (error || !fs::is_regular_file(target, error) || ::access(target.c_str(), X_OK) != 0)
      continue;
    if (std::ranges::find(real, target) != real.end()) continue;
    real.push_back(target);
    found.push_back(file);
  }
  return found;
}

Result<std::string> host_output(const std::vector<std::string>& argv, const EnvVars& host_env,
                                Duration time_limit) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  Fd reading(ends[0]), writing(ends[1]);
  SpawnOptions options;
  options.fds = {{writing.get(), 1}};
  options.session = SpawnOptions::Session::own;
  for (const auto& [name, value] : host_env) options.env.push_back(name + "=" + value);
  SLIPWAY_TRY(const Pidfd process, spawn(argv, options));
  writing.reset();

  const SystemClock clock;
  const Deadline deadline = Deadline::after(clock, time_limit);
  std::string output;
  constexpr std::size_t most = 64u << 10;
  bool timed_out = false;
  for (;;) {
    pollfd waiting{.fd = reading.get(), .events = POLLIN, .revents = 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.left(clock));
    const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      timed_out = true;
      break;
    }
    std::array<char, 4096> buffer;
    const ssize_t got = ::read(reading.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (output.size() < most) output.append(buffer.data(), static_cast<std::size_t>(got));
  }
  if (timed_out || !process.wait_exit(deadline.left(clock))) {
    timed_out = true;
    ::kill(-process.pid(), SIGKILL);  // its session: the shims of version managers are shells
    static_cast<void>(process.signal(SIGKILL));
    static_cast<void>(process.wait_exit(std::chrono::seconds{5}));
  }
  const auto exit = process.reap();
  if (timed_out)
    return fail(Errc::deadline_exceeded, fmt::format("{} did not answer in time", argv.front()));
  if (!exit || exit->code != 0)
    return fail(Errc::failed_precondition, fmt::format("{} failed", argv.front()));
  return output;
}

}  // namespace slipway
