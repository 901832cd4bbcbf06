#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/reserves.h"

namespace slipway {

struct SandboxSettings {
  std::filesystem::path state_dir;  // the engine's own; made when absent, mode 0700
  std::filesystem::path self_exe;   // a program whose main() calls shim_main() (engine/shim.h)
  std::string runtime;              // OCI runtime; "" finds crun, else runc
  // SandboxLimits::disk_bytes of the instance that is likely to be started next; 0: not known.
  std::uint64_t usual_disk_bytes = 0;
  // What steps leave of the disk, in bytes: with less than that free every step ends (host_full)
  // but those of production.
  std::uint64_t keep_free = 0;
  // Name servers of the host that sandboxes' questions are passed on to; empty: those of
  // /etc/resolv.conf.
  std::vector<std::string> dns_upstreams;
  // "HOST:PORT" (IPv4 address or name) that Egress::registries may reach although it is private:
  // mirrors and proxies of the host's registry settings.
  std::vector<std::string> registry_hosts;
  // A /16 (its first address) that nothing else here uses; several servers of one machine share it
  // by blocks of 4,096 addresses. From the range that RFC 2544 keeps for benchmarks.
  std::string network = "198.19.0.0";
  std::filesystem::path run_dir = "/run/slipway";  // which server has which block
  std::uint32_t id_base = 1'000'000;               // host uid of slot 0's root
  std::filesystem::path seccomp_list = "/usr/share/containers/seccomp.json";
  MemoryReserves memory{};
  // How often a shim looks whether its server and data directory are gone; at the fifth time in a
  // row it ends its sandbox.
  Duration orphan_check = std::chrono::minutes{1};
  std::filesystem::path cgroup_mount = "/sys/fs/cgroup";
};

// Sandboxes by an OCI runtime on this machine. Needs root.
//
// Everything about one sandbox lies in "<state_dir>/sandboxes/<id>/"; a process beside it (shim.h)
// owns its mounts and devices, so that nothing outlives the two. Only one SandboxEngine at a time
// may be open on a state directory.
//
// While no server runs, instances go on but get no answers to DNS questions.
class SandboxEngine final : public Engine, public StepRunner {
 public:
  // Adopts instances that run, remembers those that ended (list() and the exit handler tell),
  // finishes off what a killed server or shim left. `clock` must outlive it. Errors:
  // failed_precondition with what to install or change; conflict when the directory is in use.
  [[nodiscard]] static Result<std::unique_ptr<SandboxEngine>> open(SandboxSettings settings,
                                                                   const Clock& clock);
  // Leaves instances running.
  ~SandboxEngine() override;

  [[nodiscard]] Status start(const SandboxSpec& spec, const std::filesystem::path& log_directory,
                             std::uint64_t log_limit_bytes) override;
  [[nodiscard]] Status stop(const std::string& id, Duration grace) override;
  [[nodiscard]] Result<std::vector<SandboxInfo>> list() override;
  [[nodiscard]] Result<Usage> usage(const std::string& id) override;
  [[nodiscard]] Result<std::shared_ptr<const Dialer>> dialer(const std::string& id) override;
  [[nodiscard]] ExitListener on_exit(ExitHandler handler) override;
  void expect_start() override;
  [[nodiscard]] Result<Outcome> run(const SandboxSpec& spec, Duration time_limit,
                                    std::uint64_t output_limit_bytes, const OutputSink& output,
                                    std::stop_token stop) override;

 private:
  class State;
  explicit SandboxEngine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The OCI runtime that `settings` means: an absolute path. Errors: failed_precondition.
[[nodiscard]] Result<std::string> find_runtime(const SandboxSettings& settings);

}  // namespace slipway
