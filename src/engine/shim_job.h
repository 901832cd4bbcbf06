#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"

namespace slipway {

// What the engine tells a shim, and what the shim leaves behind: the private protocol between the
// two, which are always the same build. Values only.

// The descriptors a shim is started with.
inline constexpr int shim_control_fd = 3;  // a seqpacket socket; see ShimReport
inline constexpr int shim_job_fd = 4;      // the job, as JSON, in memory (it holds secrets)
inline constexpr int shim_lock_fd = 5;     // held locked while the shim lives
inline constexpr int shim_output_fd = 6;   // steps only: stdout and stderr of the command
inline constexpr int shim_runtime_fd = 7;  // of a spare's own, or above
// A spare shim (argv[2] is this, argv[3] where control groups are mounted, argv[4] the runtime,
// argv[6] the blank image that its job is likely to name) is started with the control socket alone.
// A message there without descriptors says that its job comes soon; one with them is the job. They
// are, in this order: job, lock, stderr and, for a step, output. Without a job it ends when the
// socket does.
inline constexpr const char* shim_spare = "spare";
inline constexpr const char* shims_cgroup = "slipway/shims";

struct NetworkJob {
  std::string host_device;    // name of our end of the pair
  std::uint32_t address = 0;  // of the sandbox
  std::uint32_t gateway = 0;  // ours; also the name server
};

struct ShimJob {
  enum class Kind { instance, step };
  Kind kind = Kind::instance;
  std::string id;
  std::string directory;  // the sandbox's own, below the engine's state
  std::string runtime;    // crun or runc
  std::string runtime_root;
  std::string cgroup_mount;
  std::string cgroup;
  std::string oci_config;  // config.json; its root path is `stage`/root
  std::string stage;       // an existing directory to build the root on, hidden from all others
  std::uint32_t id_base = 0;
  SandboxRoot root;
  std::string blank_image{};  // what the upper's image is a copy of; "" for none
  std::string work;           // overlay's work directory, beside root.upper
  std::string hostname;
  std::string engine_lock;  // held by whoever serves the state directory
  Duration orphan_check{};  // SandboxSettings
  std::optional<NetworkJob> network;
  std::string log_directory;  // instances
  std::uint64_t log_limit_bytes = 0;
};
[[nodiscard]] std::string encode(const ShimJob& job);
[[nodiscard]] Result<ShimJob> decode_shim_job(std::string_view text);

// The one message a shim sends: it started, or why not.
struct ShimReport {
  std::optional<Error> error;
  int init_pid = 0;
};
[[nodiscard]] std::string encode(const ShimReport& report);
[[nodiscard]] Result<ShimReport> decode_shim_report(std::string_view text);

// Files in the sandbox's directory.
inline constexpr const char* meta_file = "meta.json";       // by the engine, before all else
inline constexpr const char* lock_file = "lock";            // locked while a shim lives
inline constexpr const char* processes_file = "processes";  // by the shim: ProcessRecord
inline constexpr const char* shim_log_file = "shim.log";    // the shim's stderr: trouble only
inline constexpr const char* exit_file = "exit.json";       // by the shim, durable: ExitRecord

struct SandboxMeta {
  ShimJob::Kind kind = ShimJob::Kind::instance;
  std::string id;
  // Which state directory it belongs to (its device and inode): in a copy of that directory the
  // record names processes and groups of the original. "": of the one it lies in.
  std::string owner{};
  std::string cgroup;
  std::string work;
  int network_slot = -1;
  int stop_signal = 15;
  // Whether the first process is an init of ours, which waits for the app, or the app itself.
  enum class Init { none, ours } init = Init::none;
  std::vector<std::pair<std::string, std::string>> labels;
};
[[nodiscard]] std::string encode(const SandboxMeta& meta);
[[nodiscard]] Result<SandboxMeta> decode_sandbox_meta(std::string_view text);

struct ProcessRecord {
  int shim_pid = 0;
  std::uint64_t shim_start = 0;
  int init_pid = 0;  // 0: not started yet
  std::uint64_t init_start = 0;
};
[[nodiscard]] std::string encode(const ProcessRecord& record);
[[nodiscard]] Result<ProcessRecord> decode_process_record(std::string_view text);

struct ExitRecord {
  SandboxExit exit;
  Usage usage;
};
[[nodiscard]] std::string encode(const ExitRecord& record);
[[nodiscard]] Result<ExitRecord> decode_exit_record(std::string_view text);

}  // namespace slipway
