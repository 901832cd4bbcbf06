#pragma once

#include <atomic>
#include <map>

#include "base/guarded.h"
#include "base/mutex.h"
#include "base/task_group.h"
#include "engine/netns_dialer.h"
#include "engine/sandbox.h"
#include "engine/sandbox_network.h"
#include "engine/shim_job.h"
#include "engine/spare_shim.h"
#include "sys/cgroup.h"
#include "sys/process.h"

namespace slipway {

// The inside of SandboxEngine, by files: sandbox.cc (instances), sandbox_launch.cc (making and
// removing one sandbox), sandbox_stop.cc (ending one in peace), sandbox_step.cc (builds),
// sandbox_recovery.cc (after a restart).
class SandboxEngine::State {
 public:
  State(SandboxSettings settings, const Clock& clock, CgroupTree cgroups)
      : settings_(std::move(settings)), clock_(clock), cgroups_(std::move(cgroups)) {}
  ~State();
  [[nodiscard]] Status open();

  [[nodiscard]] Status start(const SandboxSpec& spec, const std::filesystem::path& log_directory,
                             std::uint64_t log_limit_bytes);
  [[nodiscard]] Status stop(const std::string& id, Duration grace);
  [[nodiscard]] std::vector<SandboxInfo> list();
  [[nodiscard]] Result<Usage> usage(const std::string& id);
  [[nodiscard]] Result<std::shared_ptr<const Dialer>> dialer(const std::string& id);
  [[nodiscard]] ExitListener on_exit(ExitHandler handler);
  void expect_start() { spare_->expect(); }
  [[nodiscard]] Result<Outcome> run(const SandboxSpec& spec, Duration time_limit,
                                    std::uint64_t output_limit_bytes, const OutputSink& output,
                                    std::stop_token stop);

 private:
  // One instance. Its shim's end leads from running (or stopping) to ended or to removal.
  struct Instance {
    enum class Phase { starting, running, stopping, ended };
    Phase phase = Phase::starting;
    SandboxMeta meta;
    Pidfd shim;
    std::shared_ptr<NetnsDialer> dialer;
    std::optional<SandboxExit> exit;
    Duration started = Duration::min() / 2;  // by Clock::monotonic(); long ago when adopted
  };
  using InstancePtr = std::shared_ptr<Instance>;

  // sandbox_launch.cc
  struct Launch {
    Pidfd shim;
    Fd control;
    int init_pid = 0;
  };
  struct LaunchTarget {
    ShimJob::Kind kind = ShimJob::Kind::instance;
    std::filesystem::path log_directory;
    std::uint64_t log_limit_bytes = 0;
    const Fd* output = nullptr;  // of a step
  };
  [[nodiscard]] Status check(const SandboxSpec& spec) const;
  // The init that the app is started by, as its sandbox sees it; "" for none.
  [[nodiscard]] std::string init_of(const SandboxSpec& spec) const;
  // Records the sandbox on disk and takes what it needs of the network.
  [[nodiscard]] Result<SandboxMeta> prepare(const SandboxSpec& spec, ShimJob::Kind kind);
  [[nodiscard]] Result<Launch> launch(const SandboxSpec& spec, const SandboxMeta& meta,
                                      const LaunchTarget& target);
  // The image to copy for a sandbox; "" when it gets none, or none can be made here.
  static constexpr const char* blank_prefix = "blank-";
  [[nodiscard]] std::string blank_image(std::uint64_t disk_bytes);
  [[nodiscard]] Status await_report(Launch& launch) const;
  // Waits for a shim that was told to end; kills what does not listen. The sandbox's processes are
  // gone afterwards.
  [[nodiscard]] Status finish_off(const Pidfd& shim, const SandboxMeta& meta, Duration patience);
  // Removes all that is left of a sandbox whose processes are gone.
  [[nodiscard]] Status dispose(const SandboxMeta& meta);
  [[nodiscard]] std::optional<ExitRecord> exit_record(const std::string& id) const;
  [[nodiscard]] std::filesystem::path directory(const std::string& id) const {
    return settings_.state_dir / "sandboxes" / id;
  }

  // sandbox_recovery.cc
  [[nodiscard]] Status recover();
  [[nodiscard]] Status recover_one(const std::string& id);
  [[nodiscard]] bool shim_lives(const std::string& id) const;

  // sandbox_stop.cc
  // Its stop signal to the app, and up to `grace` for all of the app to end.
  void ask_to_end(const Instance& instance, Duration grace) const;
  void ask_app_below_init(const Instance& instance, const Deadline& deadline) const;

  // sandbox.cc
  void watch();
  void watch_shim(const Pidfd& shim) const;
  void wake_watcher() const;
  void shim_ended(int fd);
  void report_ended();

  SandboxSettings settings_;
  const Clock& clock_;
  CgroupTree cgroups_;
  std::string runtime_;
  struct Filter {
    std::string oci, program;  // the rules, and what they compile to ("" when they do not)
  };
  Filter filter_, step_filter_, image_build_filter_;
  std::string init_;
  std::string owner_;  // of what is started here: SandboxMeta::owner
  bool swap_accounting_ = false;
  std::uint64_t open_files_ceiling_ = 0;
  Fd home_;  // the host's network namespace
  Fd lock_;
  Guarded<std::map<std::uint64_t, std::string>> blank_images_;  // by limit
  std::unique_ptr<SandboxNetwork> network_;
  Error network_error_;  // why there is none
  std::unique_ptr<SpareShim> spare_;

  Fd epoll_, wake_;
  Worker watcher_{"sandboxes"};
  Mutex mutex_;
  CondVar changed_;
  bool closing_ SLIPWAY_GUARDED_BY(mutex_) = false;
  bool listed_ SLIPWAY_GUARDED_BY(mutex_) = false;
  ExitListeners exit_listeners_;
  std::map<std::string, InstancePtr> instances_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
