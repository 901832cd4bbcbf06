#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "engine/exit_listeners.h"
#include "model/deployment.h"
#include "sys/fd.h"

namespace slipway {

// Limits of one sandbox. Zero means none, except where said.
struct SandboxLimits {
  std::uint64_t memory_bytes = 512ull << 20;
  std::uint32_t cpu_millis = 1000;  // 1000 = one core at the most
  std::uint32_t cpu_weight = 100;   // share under contention (cgroup v2 scale 1..10000)
  std::uint32_t pids = 512;
  // Of the writable upper and what is measured with it, and as many files as disk_limit() gives
  // (engine/disk_image.h). Kept by the kernel for SandboxRoot::Upper::image; else steps are
  // watched.
  std::uint64_t disk_bytes = 0;
  std::uint64_t open_files = 65536;
};

// Which packets may leave. `internet`: public addresses only, DNS through Slipway. Private,
// link-local, metadata and the host's own addresses are always refused. `registries` is `internet`
// plus the host's own registry settings (mirror or proxy addresses of the host, which may be
// private); for builds only.
enum class Egress { none, internet, registries };

// A read_write source carries ids as seen inside, like a layer (root's files are the sandbox's). A
// read_only one keeps the host's: what only the host's root may read stays unreadable, so toolchain
// directories must be 0755. A read_only_layer is read-only and carries ids as a layer does.
// `target` is made when absent and must not lead through a link.
struct BindMount {
  std::filesystem::path source;
  std::string target;  // absolute, inside
  enum class Access { read_only, read_write, read_only_layer } access = Access::read_only;
  // Absolute, inside; "" for none. There a link to `link_to` takes the place of what the layers
  // have (not of a directory). For a file that programs replace or make others beside, which a
  // mount point allows neither.
  std::string link{}, link_to{};
};

// The file system of a sandbox: an overlay of `lowers` (lowest first, host directories that stay
// unchanged while it runs) on Slipway's own base root, with `upper` on top. Files in `lowers` and
// `upper` carry ids 0..65535 as seen inside; the engine maps them (idmapped mounts) to the
// sandbox's own range. Only "app" and "home/app" of them are shown, as /app and /home/app (HOME);
// whatever else a layer holds has no effect, and the rest of the root is read-only except for /tmp,
// /var/tmp, /run and /dev/shm, which are memory. The process is root inside, without capabilities,
// so the files of a layer are its own.
//
// With Base::layers the overlay itself is the root, as a container image has it: all of it is shown
// and may be written to, in `upper`. /proc, /sys, /dev, /etc/resolv.conf, /etc/hosts and
// /etc/hostname are ours whatever the layers have there; links among them are replaced, and a layer
// whose /etc is no directory is refused (invalid_argument).
struct SandboxRoot {
  enum class Base { host, layers } base = Base::host;
  std::vector<std::filesystem::path> lowers;
  // Made when absent; survives the sandbox. "<upper>.work" beside it is used meanwhile.
  std::filesystem::path upper;
  // `image`: its files are to go with the sandbox. They lie in a file system as large as
  // limits.disk_bytes and never at `upper`, unless this machine cannot do that.
  enum class Upper { directory, image } upper_kind = Upper::directory;
  std::vector<BindMount> binds;
  // Of a step, directories of read_write binds that count towards limits.disk_bytes: with what is
  // changed there while it runs.
  std::vector<std::filesystem::path> measured;
};

// What root may do inside a sandbox, within its own user namespace; to the host it stays a stranger
// without any right. `container` is what images expect of an unprivileged container: to own, own
// over and switch between the users of its range. `image_build` is for the program that builds
// images, which mounts file systems and changes roots inside the sandbox; it makes no user or
// network namespaces. The system call filter follows from it.
enum class Powers { none, container, image_build };

// Who the first process is, as seen inside. Others than user 0 have no powers.
struct SandboxUser {
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups;  // additional ones
  bool operator==(const SandboxUser&) const = default;
};

struct SandboxSpec {
  std::string id;      // unique; a file name: letters, digits, '-', '_'
  std::string cgroup;  // group below "slipway/": "builds", "previews", "production"
  SandboxRoot root;
  std::vector<std::string> argv;
  EnvVars env;
  std::string workdir = "/app";
  std::uint32_t uid_slot = 0;  // which range of 65,536 host uids; equal slots trust each other
  SandboxLimits limits;
  Egress egress = Egress::internet;
  std::string hostname = "app";
  Powers powers = Powers::none;
  SandboxUser user;
  int stop_signal = 15;                                     // what stop() asks with
  std::vector<std::pair<std::string, std::string>> labels;  // kept with it, given back by list()
};

// How a sandbox ended.
struct SandboxExit {
  int code = 0;    // exit status, or 128 + signal
  int signal = 0;  // 0 when it exited by itself (with a status below 129)
  bool out_of_memory = false;
  bool operator==(const SandboxExit&) const = default;
};

struct Usage {
  std::uint64_t cpu_micros = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t memory_peak_bytes = 0;
  std::uint64_t oom_kills = 0;
};

struct SandboxInfo {
  std::string id;
  bool running = false;
  std::optional<SandboxExit> exit;  // set once it ended, as far as known
  std::vector<std::pair<std::string, std::string>> labels;
};

// Makes connections to an instance, wherever it runs. Thread-safe; cheap to copy the pointer; stays
// usable (and fails) after the instance is gone.
class Dialer {
 public:
  virtual ~Dialer() = default;
  // A non-blocking TCP socket whose connect() to `port` has been started (loopback inside the
  // instance: 127.0.0.1 first, [::1] when `ipv6`). Errors: unavailable when the instance is gone.
  [[nodiscard]] virtual Result<Fd> dial(int port, bool ipv6 = false) const = 0;
  // TCP ports something listens on inside, sorted; for apps that ignore PORT.
  [[nodiscard]] virtual Result<std::vector<int>> listening_ports() const = 0;
  // A non-blocking socket that listens inside the instance at `address` (dotted, in 127.0.0.0/8)
  // and `port`, so that what runs there reaches us. Errors: conflict when the app listens there
  // itself; unavailable when the instance is gone or its engine cannot.
  [[nodiscard]] virtual Result<Fd> listen(std::string_view address, int port) const {
    static_cast<void>(address);
    static_cast<void>(port);
    return fail(Errc::unavailable, "this engine makes no listeners inside an instance");
  }
};

// Long-running instances. They outlive the server: a new Engine over the same state directory finds
// them by list() and goes on with them. Thread-safe. Blocking calls take milliseconds unless said.
class Engine {
 public:
  virtual ~Engine() = default;
  // Starts and returns once the process runs (not: is ready). stdout and stderr go to log files
  // under `log_directory` ("current.log", older "1.log"...), bounded by `log_limit_bytes` in all,
  // one line each:
  // "<unix microseconds> <o|e> <bytes>\n". They are kept when it ends.
  [[nodiscard]] virtual Status start(const SandboxSpec& spec,
                                     const std::filesystem::path& log_directory,
                                     std::uint64_t log_limit_bytes) = 0;
  // Its stop_signal (SIGTERM) to the app, SIGKILL to everything in the sandbox after `grace`;
  // returns when nothing of it is left (processes, mounts, cgroup, network). Unknown or ended ids
  // succeed. Blocks up to `grace` + 5 s.
  [[nodiscard]] virtual Status stop(const std::string& id, Duration grace) = 0;
  [[nodiscard]] virtual Result<std::vector<SandboxInfo>> list() = 0;
  [[nodiscard]] virtual Result<Usage> usage(const std::string& id) = 0;
  // Errors: not_found.
  [[nodiscard]] virtual Result<std::shared_ptr<const Dialer>> dialer(const std::string& id) = 0;
  // Called once for each sandbox that ends without stop(), whoever started it, on a thread of the
  // engine's; also for those that ended while no server ran (once somebody listens and has called
  // list()). Set before start(); may call the engine. When all who listen have returned, what was
  // left of the sandbox is removed and list() forgets it.
  [[nodiscard]] virtual ExitListener on_exit(ExitHandler handler) = 0;
  // A start() is likely soon: what can be made ready for it is, elsewhere. Does not block. A hint.
  virtual void expect_start() {}
};

// Runs one step of a build to its end. Thread-safe.
class StepRunner {
 public:
  // Gets raw output as it comes, in order, from one thread.
  using OutputSink = std::function<void(std::string_view bytes)>;
  struct Outcome {
    SandboxExit exit;
    bool timed_out = false;
    bool output_limit = false;  // killed: more output than allowed
    bool disk_limit = false;    // killed: it outgrew limits.disk_bytes
    bool host_full = false;     // it failed, and the disk of this machine has no room left
    Usage usage;
  };

  virtual ~StepRunner() = default;
  // Blocks until the step ended and every process of it is gone. A stop request kills the whole
  // tree and yields Errc::canceled. Other errors are the platform's; a failing command is an
  // Outcome.
  [[nodiscard]] virtual Result<Outcome> run(const SandboxSpec& spec, Duration time_limit,
                                            std::uint64_t output_limit_bytes,
                                            const OutputSink& output, std::stop_token stop) = 0;
};

}  // namespace slipway
