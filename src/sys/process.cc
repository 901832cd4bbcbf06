#include "sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
extern "C" {  // glibc 2.36 forgot to say so itself
#include <sys/pidfd.h>
}
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "sys/files.h"
#include "sys/limits.h"

namespace slipway {
namespace {

constexpr std::size_t output_limit = 64u << 10;

// The deadline of a helper program is real time: there is no Clock to fake in a child process.
Duration elapsed_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::duration_cast<Duration>(std::chrono::seconds{now.tv_sec} +
                                              std::chrono::nanoseconds{now.tv_nsec});
}

int poll_timeout(Duration left) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 1 << 30));
}

std::vector<char*> pointers(std::span<const std::string> strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

Result<Pidfd> Pidfd::open(pid_t pid) {
  Fd fd(pid > 0 ? ::pidfd_open(pid, 0) : -1);
  if (fd.valid()) return Pidfd(std::move(fd), pid);
  if (pid <= 0 || errno == ESRCH) return fail(Errc::not_found, fmt::format("no process {}", pid));
  return fail_errno(errno, fmt::format("pidfd_open {}", pid));
}

Result<Pidfd> Pidfd::open(pid_t pid, std::uint64_t start_time) {
  SLIPWAY_TRY(Pidfd process, open(pid));
  // The descriptor is held while the time is read, so both speak of the same process.
  SLIPWAY_TRY(const std::uint64_t actual, process_start_time(pid));
  if (actual != start_time)
    return fail(Errc::not_found, fmt::format("process {} is another one now", pid));
  return process;
}

Status Pidfd::signal(int number) const {
  if (::pidfd_send_signal(fd_.get(), number, nullptr, 0) == 0 || errno == ESRCH) return {};
  return fail_errno(errno, fmt::format("signal process {}", pid_));
}

bool Pidfd::wait_exit(Duration wait) const {
  const Duration end = elapsed_now() + wait;
  for (;;) {
    pollfd poll{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    const int n = ::poll(&poll, 1, poll_timeout(end - elapsed_now()));
    if (n > 0) return true;
    if (n == 0 && elapsed_now() >= end) return false;
    if (n < 0 && errno != EINTR) return false;
  }
}

std::optional<ProcessExit> Pidfd::reap() const {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(fd_.get()), &info, WEXITED | WNOHANG) != 0 ||
      info.si_pid == 0)
    return std::nullopt;
  if (info.si_code == CLD_EXITED) return ProcessExit{info.si_status, 0};
  return ProcessExit{128 + info.si_status, info.si_status};
}

namespace {

// Field `wanted` of /proc/PID/stat, a number behind the name.
Result<std::uint64_t> stat_field(pid_t pid, int wanted) {
  SLIPWAY_TRY(const std::string stat, read_file(fmt::format("/proc/{}/stat", pid), 4096));
  // The name in parentheses may hold anything; fields are counted from behind it (field 3 first).
  const std::size_t end_of_name = stat.rfind(')');
  std::size_t at = end_of_name == std::string::npos ? stat.size() : end_of_name + 2;
  for (int field = 3; field < wanted && at < stat.size(); ++field) {
    at = stat.find(' ', at);
    at = at == std::string::npos ? stat.size() : at + 1;
  }
  std::uint64_t number = 0;
  if (std::from_chars(stat.data() + at, stat.data() + stat.size(), number).ec != std::errc{})
    return fail(Errc::io, fmt::format("/proc/{}/stat has no field {}", pid, wanted));
  return number;
}

}  // namespace

Result<std::uint64_t> process_start_time(pid_t pid) { return stat_field(pid, 22); }

Result<pid_t> process_parent(pid_t pid) {
  SLIPWAY_TRY(const std::uint64_t parent, stat_field(pid, 4));
  return static_cast<pid_t>(parent);
}

Result<Pidfd> spawn(std::span<const std::string> argv, const SpawnOptions& options) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  struct Cleanup {
    posix_spawn_file_actions_t& actions;
    posix_spawnattr_t& attributes;
    ~Cleanup() {
      ::posix_spawn_file_actions_destroy(&actions);
      ::posix_spawnattr_destroy(&attributes);
    }
  } cleanup{actions, attributes};

  // Moved out of the way first, so that no target number overwrites a source that is still needed.
  std::vector<Fd> moved;
  for (int standard = 0; standard < 3; ++standard)
    ::posix_spawn_file_actions_addopen(&actions, standard, "/dev/null", O_RDWR, 0);
  for (const auto& [ours, theirs] : options.fds) {
    moved.emplace_back(::fcntl(ours, F_DUPFD_CLOEXEC, 64));
    if (!moved.back().valid()) return fail_errno(errno, "dup");
    ::posix_spawn_file_actions_adddup2(&actions, moved.back().get(), theirs);
  }
  sigset_t all, none;
  ::sigfillset(&all);
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  if (options.session == SpawnOptions::Session::own) flags |= POSIX_SPAWN_SETSID;
  ::posix_spawnattr_setflags(&attributes, flags);

  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, argv[0].c_str(), &actions, &attributes,
                                  pointers(argv).data(), pointers(options.env).data());
  if (error != 0) return fail_errno(error, "start " + argv[0]);
  if (const auto limit = descriptor_limit_of_children())
    ::prlimit(pid, RLIMIT_NOFILE, &*limit, nullptr);
  return Pidfd::open(pid);
}

Result<CommandOutput> run_command(std::span<const std::string> argv, std::string_view input,
                                  Duration time_limit) {
  std::array<int, 2> in{}, out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  Fd in_read(in[0]), in_write(in[1]);
  if (::pipe2(out.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  Fd out_read(out[0]), out_write(out[1]);

  SpawnOptions options;
  options.fds = {{in_read.get(), 0}, {out_write.get(), 1}, {out_write.get(), 2}};
  options.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
  SLIPWAY_TRY(const Pidfd process, spawn(argv, options));
  in_read.reset();
  out_write.reset();
  ::fcntl(in_write.get(), F_SETFL, O_NONBLOCK);
  if (input.empty()) in_write.reset();

  CommandOutput result;
  const Duration end = elapsed_now() + time_limit;
  while (true) {
    std::array<pollfd, 2> polls{pollfd{out_read.get(), POLLIN, 0},
                                pollfd{in_write.get(), POLLOUT, 0}};
    const Duration left = end - elapsed_now();
    if (left <= Duration{0}) {
      std::ignore = process.signal(SIGKILL);
      std::ignore = process.wait_exit(std::chrono::seconds{2});
      std::ignore = process.reap();
      return fail(Errc::deadline_exceeded, argv[0] + " did not end in time");
    }
    if (::poll(polls.data(), polls.size(), poll_timeout(left)) < 0 && errno != EINTR) break;
    if ((polls[1].revents & (POLLOUT | POLLERR)) != 0) {
      const ssize_t n = ::write(in_write.get(), input.data(), input.size());
      if (n > 0) input.remove_prefix(static_cast<std::size_t>(n));
      if (input.empty() || (n < 0 && errno != EAGAIN && errno != EINTR)) in_write.reset();
    }
    if ((polls[0].revents & (POLLIN | POLLHUP)) != 0) {
      std::array<char, 4096> buffer;
      const ssize_t n = ::read(out_read.get(), buffer.data(), buffer.size());
      if (n == 0) break;
      if (n > 0 && result.output.size() < output_limit)
        result.output.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }
  if (!process.wait_exit(std::max(end - elapsed_now(), Duration{0}))) {
    std::ignore = process.signal(SIGKILL);
    std::ignore = process.wait_exit(std::chrono::seconds{2});
    std::ignore = process.reap();
    return fail(Errc::deadline_exceeded, argv[0] + " did not end in time");
  }
  result.exit = process.reap().value_or(ProcessExit{});
  return result;
}

}  // namespace slipway
