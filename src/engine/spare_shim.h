#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/task_group.h"
#include "sys/process.h"

namespace slipway {

// A shim that was started before there is a job for it, so that a start does not wait for a program
// to be loaded and, longer, for the kernel to move it into its control group (15 ms where nobody
// did so lately). There is one at the most, made on a thread of this object's own, and none while
// nobody starts anything. Thread-safe.
class SpareShim {
 public:
  // `self_exe`, `cgroup_mount` and `state_dir` as in SandboxSettings, the last only so that a list
  // of processes tells whose it is; `runtime` is what the shim will run, `blank_image` answers what
  // its job is likely to name (ShimJob), on this object's thread. `clock` must outlive it.
  SpareShim(std::filesystem::path self_exe, std::filesystem::path cgroup_mount, std::string runtime,
            std::filesystem::path state_dir, std::function<std::string()> blank_image,
            const Clock& clock);
  // The spare ends.
  ~SpareShim();
  SpareShim(const SpareShim&) = delete;
  SpareShim& operator=(const SpareShim&) = delete;

  // A start is likely within a tenth of a second. Does not block.
  void expect();

  struct Shim {
    Pidfd process;
    Fd control;  // our end
  };
  // Gives the spare its job: `fds` are those of shim_job.h, in their order, and stay the caller's.
  // Nothing when there is no spare; start a shim then. Waits for one that is just being made.
  [[nodiscard]] std::optional<Shim> hand_over(std::span<const int> fds);

 private:
  void keep_up(const std::stop_token& stop);
  [[nodiscard]] std::optional<Shim> make() const;
  static void end(std::optional<Shim> spare);

  const std::filesystem::path self_exe_, cgroup_mount_;
  const std::string runtime_;
  const std::filesystem::path state_dir_;
  const std::function<std::string()> blank_image_;
  const Clock& clock_;
  Mutex mutex_;
  CondVar changed_;
  std::optional<Shim> spare_ SLIPWAY_GUARDED_BY(mutex_);
  bool making_ SLIPWAY_GUARDED_BY(mutex_) = false;
  // By Clock::monotonic(): no spare is made before the one, none is kept after the other.
  Duration make_at_ SLIPWAY_GUARDED_BY(mutex_){};
  Duration keep_until_ SLIPWAY_GUARDED_BY(mutex_);
  Worker worker_{"spare shim"};  // last: it uses the others
};

}  // namespace slipway
