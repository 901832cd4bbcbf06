#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// How a process ended: its status, or 128 + the signal that killed it.
struct ProcessExit {
  int code = 0;
  int signal = 0;
};

// A process held by descriptor, so that its number cannot be reused under us. Move-only; does not
// end or reap the process when destroyed.
class Pidfd {
 public:
  Pidfd() = default;
  // Errors: not_found when there is no such process.
  [[nodiscard]] static Result<Pidfd> open(pid_t pid);
  // As open(), but only when the process is the one that started at `start_time` (see
  // process_start_time): not_found otherwise.
  [[nodiscard]] static Result<Pidfd> open(pid_t pid, std::uint64_t start_time);
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool valid() const { return fd_.valid(); }
  // A process that is gone already is fine.
  [[nodiscard]] Status signal(int number) const;
  // Whether it ended within `wait`.
  [[nodiscard]] bool wait_exit(Duration wait) const;
  // Reaps it when it ended and is a child of ours.
  [[nodiscard]] std::optional<ProcessExit> reap() const;

 private:
  Pidfd(Fd fd, pid_t pid) : fd_(std::move(fd)), pid_(pid) {}
  Fd fd_;
  pid_t pid_ = -1;
};

// Field 22 of /proc/PID/stat: with the pid it names one process for the life of the machine.
[[nodiscard]] Result<std::uint64_t> process_start_time(pid_t pid);

// Field 4 of /proc/PID/stat. Errors: not_found when there is no such process.
[[nodiscard]] Result<pid_t> process_parent(pid_t pid);

struct SpawnOptions {
  // {ours, the number it gets}; everything else is closed (all our descriptors are O_CLOEXEC).
  std::vector<std::pair<int, int>> fds;
  std::vector<std::string> env;  // "NAME=value"; exactly these
  enum class Session { same, own } session = Session::same;
};
// Starts argv[0], an absolute path, with an empty signal mask and default signal actions.
// Descriptors 0-2 are /dev/null unless given.
[[nodiscard]] Result<Pidfd> spawn(std::span<const std::string> argv, const SpawnOptions& options);

struct CommandOutput {
  ProcessExit exit;
  std::string output;  // stdout and stderr, the first 64 KiB
};
// Runs a helper program to its end. Errors: deadline_exceeded (it was killed), io.
[[nodiscard]] Result<CommandOutput> run_command(std::span<const std::string> argv,
                                                std::string_view input, Duration time_limit);

}  // namespace slipway
