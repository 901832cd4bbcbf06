#include "engine/shim.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/log.h"
#include "base/text.h"
#include "engine/disk_image.h"
#include "engine/reserves.h"
#include "engine/shim_job.h"
#include "engine/shim_log.h"
#include "engine/shim_network.h"
#include "engine/shim_root.h"
#include "sys/cgroup.h"
#include "sys/files.h"
#include "sys/mounts.h"
#include "sys/process.h"
#include "sys/scheduling.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

constexpr Duration runtime_patience = 60s;  // for the OCI runtime to start a process
constexpr Duration partial_line_wait = 200ms;
constexpr std::size_t flood_bytes = 1u << 20;  // of output in one flood_window; more has to wait
constexpr Duration flood_window = 100ms;
constexpr std::size_t exit_record_size = 512;

struct Pipe {
  Fd read, write;
  static Result<Pipe> open() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
    return Pipe{Fd(ends[0]), Fd(ends[1])};
  }
};

class Shim {
 public:
  // What a spare has ready, or nothing: what sealed_copy() made of the job's runtime, and a mount
  // of a copy of the job's blank image.
  struct Ready {
    Fd runtime_copy, image;
  };
  Shim(ShimJob job, const CgroupTree& cgroups, Ready ready)
      : job_(std::move(job)),
        cgroups_(cgroups),
        runtime_copy_(std::move(ready.runtime_copy)),
        image_(std::move(ready.image)) {}

  // Everything up to a running process.
  Status start() {
    SLIPWAY_CHECK(record_processes(0));
    SLIPWAY_CHECK(reserve_exit_record());
    SLIPWAY_TRY(engine_lock_, open_file(job_.engine_lock, O_RDONLY));
    SLIPWAY_CHECK(isolate());
    if (!job_.blank_image.empty() && !image_.valid()) make_image();
    SLIPWAY_CHECK(assemble_root(job_, std::move(image_)));
    SLIPWAY_CHECK(make_shim_network(job_.network));
    if (job_.kind == ShimJob::Kind::instance) SLIPWAY_CHECK(open_logs());
    SLIPWAY_CHECK(run_runtime());
    return record_processes(init_.pid());
  }
  [[nodiscard]] int init_pid() const { return init_.pid(); }

  // Until the sandbox's first process ended and its output is written.
  void supervise();
  // Kills what is left, records the exit and removes what the sandbox had. Also after a failed
  // start.
  void finish();

 private:
  Status isolate();
  [[nodiscard]] bool is_orphan() const;
  void look_for_server();
  void make_image();
  Status open_logs();
  Status run_runtime();
  Status record_processes(int init_pid);
  Status reserve_exit_record();
  Status record_exit(std::string text);
  [[nodiscard]] Result<Pidfd> spawn_runtime(std::vector<std::string> argv, SpawnOptions options);
  Status wait_runtime(const Pidfd& runtime);
  [[nodiscard]] Error runtime_failure(int code) const;
  void reap();
  void drain(Fd& pipe, LogWriter::Stream stream, std::size_t& budget);
  void handle_signals();

  ShimJob job_;
  const CgroupTree& cgroups_;
  Fd runtime_copy_, image_;
  SystemClock clock_;
  Fd signals_;
  Fd exit_record_, engine_lock_;
  int orphan_checks_ = 0;  // in a row
  Fd out_, err_;
  std::optional<LogWriter> log_;
  Pidfd init_;
  std::optional<ProcessExit> exit_;
};

Status Shim::isolate() {
  // Orphans of the runtime, the sandbox's first process among them, become ours.
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return fail_errno(errno, "become a subreaper");
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return fail_errno(errno, "signalfd");
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(0022);
  SLIPWAY_CHECK(enter_private_mount_namespace());
  if (cgroups_.layout() != CgroupLayout::hybrid) return {};
  // crun 1.8 refuses hybrid hosts; in this namespace the host is a plain v1 one. crun still writes
  // to where the v2 tree was, which must not reach the host's directory.
  const std::string unified = job_.cgroup_mount + "/unified";
  if (::umount2(unified.c_str(), MNT_DETACH) != 0) return fail_errno(errno, "unmount " + unified);
  SLIPWAY_TRY(const Fd nothing, new_tmpfs({{"size", "64k"}, {"mode", "0755"}}));
  return attach_mount(nothing, unified);
}

// An app without a disk of its own still runs; its files are counted now and then.
void Shim::make_image() {
  if (auto made = mount_image(job_.blank_image)) {
    image_ = std::move(*made);
  } else {
    log_error("no disk of its own for a sandbox", {{"error", made.error().message}});
  }
}

Status Shim::open_logs() {
  SLIPWAY_TRY(LogWriter log, LogWriter::open(job_.log_directory, job_.log_limit_bytes, clock_));
  log_ = std::move(log);
  return {};
}

Status Shim::record_processes(int init_pid) {
  ProcessRecord record;
  record.shim_pid = ::getpid();
  SLIPWAY_TRY(record.shim_start, process_start_time(record.shim_pid));
  record.init_pid = init_pid;
  if (init_pid > 0) {
    // Absent when it has ended already; there is nothing to find again then.
    if (const auto start = process_start_time(init_pid)) record.init_start = *start;
  }
  // Atomic for readers; a power loss ends the processes as well, so there is no need to sync.
  const std::string path = job_.directory + "/" + processes_file, temporary = path + ".new";
  SLIPWAY_TRY(const Fd fd, open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  SLIPWAY_CHECK(write_all(fd.get(), encode(record)));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno(errno, "rename to " + path);
  return {};
}

// Room for the record of its end, which may come because the disk is full.
Status Shim::reserve_exit_record() {
  SLIPWAY_TRY(exit_record_, open_file(job_.directory + "/" + exit_file + ".new",
                                      O_RDWR | O_CREAT | O_TRUNC, 0600));
  return write_all(exit_record_.get(), std::string(exit_record_size, ' '));
}

Status Shim::record_exit(std::string text) {
  text.resize(exit_record_size, ' ');
  const std::string path = job_.directory + "/" + exit_file;
  if (::pwrite(exit_record_.get(), text.data(), text.size(), 0) !=
      static_cast<ssize_t>(text.size()))
    return fail_errno(errno, "write " + path);
  if (::fsync(exit_record_.get()) != 0) return fail_errno(errno, "fsync " + path);
  if (::rename((path + ".new").c_str(), path.c_str()) != 0)
    return fail_errno(errno, "rename to " + path);
  return fsync_directory(job_.directory);
}

Status Shim::run_runtime() {
  const std::string bundle = job_.stage + "/bundle";
  const std::string pid_file = bundle + "/pid";
  {
    SLIPWAY_TRY(const Fd config,
                open_file(bundle + "/config.json", O_WRONLY | O_CREAT | O_EXCL, 0600));
    SLIPWAY_CHECK(write_all(config.get(), job_.oci_config));
  }
  SpawnOptions options;
  options.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  Fd out_write, err_write;
  if (job_.kind == ShimJob::Kind::step) {
    options.fds = {{shim_output_fd, 1}, {shim_output_fd, 2}};
  } else {
    SLIPWAY_TRY(Pipe out, Pipe::open());
    SLIPWAY_TRY(Pipe err, Pipe::open());
    out_ = std::move(out.read), err_ = std::move(err.read);
    out_write = std::move(out.write), err_write = std::move(err.write);
    ::fcntl(out_.get(), F_SETFL, O_NONBLOCK);
    ::fcntl(err_.get(), F_SETFL, O_NONBLOCK);
    options.fds = {{out_write.get(), 1}, {err_write.get(), 2}};
  }
  const bool crun = fs::path(job_.runtime).filename() == "crun";
  std::vector<std::string> argv{job_.runtime, "--root", job_.runtime_root, "--log",
                                bundle + "/log"};
  if (crun) argv.insert(argv.end(), {"--cgroup-manager", "cgroupfs"});
  argv.insert(argv.end(), {"run", "--detach", "--bundle", bundle, "--pid-file", pid_file, job_.id});
  SLIPWAY_TRY(const Pidfd runtime, spawn_runtime(std::move(argv), std::move(options)));
  SLIPWAY_CHECK(wait_runtime(runtime));
  SLIPWAY_TRY(const std::string text, read_file(pid_file, 32));
  int pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  Result<Pidfd> init = Pidfd::open(pid);
  if (!init) return fail(init.error());
  init_ = std::move(*init);
  return {};
}

Result<Pidfd> Shim::spawn_runtime(std::vector<std::string> argv, SpawnOptions options) {
  const Fd copy = std::move(runtime_copy_);
  if (copy.valid()) {
    std::vector<std::string> sealed = argv;
    sealed[0] = fmt::format("/proc/self/fd/{}", copy.get());
    SpawnOptions told = options;
    told.env.emplace_back("_LIBCONTAINER_CLONED_BINARY=1");
    // Where programs in memory may not run, the one on disk does it.
    if (Result<Pidfd> runtime = spawn(sealed, told)) return runtime;
  }
  return spawn(argv, options);
}

Status Shim::wait_runtime(const Pidfd& runtime) {
  // The runtime moves the sandbox to its control group, see receive_job().
  const Deadline hurry = Deadline::after(clock_, 100ms);
  while (!hurry.passed(clock_)) {
    cgroups_.adopt(shims_cgroup, ::getpid());
    if (runtime.wait_exit(4ms)) break;
  }
  if (!runtime.wait_exit(runtime_patience)) {
    std::ignore = runtime.signal(SIGKILL);
    std::ignore = runtime.wait_exit(5s);
    std::ignore = runtime.reap();
    return fail(Errc::deadline_exceeded, "the OCI runtime did not start the sandbox in time");
  }
  const ProcessExit exit = runtime.reap().value_or(ProcessExit{.code = 255});
  if (exit.code != 0) return fail(runtime_failure(exit.code));
  return {};
}

Error Shim::runtime_failure(int code) const {
  const Result<std::string> log = read_file(job_.stage + "/bundle/log", 8192);
  std::string last;
  if (log)
    for (const std::string_view line : lines(*log))
      if (!trim(line).empty()) last = sanitize_line(trim(line));
  return Error{.code = Errc::start_failed,
               .message = fmt::format("the OCI runtime could not start it (status {}): {}", code,
                                      last.empty() ? "it gave no reason" : last)};
}

void Shim::reap() {
  // Everything that ended, adopted orphans included.
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) return;
    if (info.si_pid != init_.pid()) continue;
    exit_ = info.si_code == CLD_EXITED ? ProcessExit{info.si_status, 0}
                                       : ProcessExit{128 + info.si_status, info.si_status};
  }
}

void Shim::handle_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info)
    if (info.ssi_signo != SIGCHLD) std::ignore = init_.signal(SIGKILL);
}

// Whether the data directory was removed and nobody serves it: nobody could ever stop us then.
// Moved elsewhere, it still has its files.
bool Shim::is_orphan() const {
  struct stat lock{};
  if (::fstat(engine_lock_.get(), &lock) != 0 || lock.st_nlink > 0) return false;
  if (::flock(engine_lock_.get(), LOCK_SH | LOCK_NB) != 0) return false;
  ::flock(engine_lock_.get(), LOCK_UN);
  return true;
}

void Shim::look_for_server() {
  constexpr int enough = 5;
  orphan_checks_ = is_orphan() ? orphan_checks_ + 1 : 0;
  if (orphan_checks_ >= enough) std::ignore = init_.signal(SIGKILL);
}

void Shim::drain(Fd& pipe, LogWriter::Stream stream, std::size_t& budget) {
  std::array<char, 32768> buffer;
  while (pipe.valid() && budget > 0) {
    const ssize_t n = ::read(pipe.get(), buffer.data(), std::min(buffer.size(), budget));
    if (n == 0) pipe.reset();
    if (n <= 0) {
      if (n < 0 && errno == EINTR) continue;
      return;
    }
    budget -= static_cast<std::size_t>(n);
    log_->write(stream, std::string_view(buffer.data(), static_cast<std::size_t>(n)));
  }
}

void Shim::supervise() {
  Duration window_ends = clock_.monotonic() + flood_window;
  std::size_t budget = flood_bytes;
  const bool watch_server = job_.kind == ShimJob::Kind::step;
  Duration next_look = clock_.monotonic() + job_.orphan_check;
  reap();
  while (!exit_) {
    const Duration now = clock_.monotonic();
    if (now >= window_ends) {
      window_ends = now + flood_window;
      budget = flood_bytes;
    }
    const bool throttled = budget == 0;
    std::array<pollfd, 4> polls{
        pollfd{signals_.get(), POLLIN, 0},
        // A negative descriptor is not polled.
        pollfd{watch_server ? shim_control_fd : -1, 0, 0},
        pollfd{throttled ? -1 : out_.get(), POLLIN, 0},
        pollfd{throttled ? -1 : err_.get(), POLLIN, 0},
    };
    if (!watch_server && now >= next_look) {
      look_for_server();
      next_look = now + job_.orphan_check;
    }
    int timeout = watch_server ? -1 : static_cast<int>((next_look - now) / 1ms) + 1;
    if (log_ && log_->has_partial_line())
      timeout = static_cast<int>(partial_line_wait / std::chrono::milliseconds{1});
    if (throttled)
      timeout = static_cast<int>((window_ends - now) / std::chrono::milliseconds{1}) + 1;
    const int n = ::poll(polls.data(), polls.size(), timeout);
    if (n == 0 && !throttled && log_) log_->flush();
    if (n <= 0) continue;
    if (polls[0].revents != 0) handle_signals();
    if (polls[1].revents != 0) std::ignore = init_.signal(SIGKILL);
    if (log_) {
      drain(out_, LogWriter::Stream::out, budget);
      drain(err_, LogWriter::Stream::err, budget);
    }
    reap();
    // The server's end stays closed; look at it once only.
    if (polls[1].revents != 0 && !exit_) {
      std::ignore = init_.wait_exit(10s);
      reap();
      if (!exit_) return;
    }
  }
  if (!log_) return;
  // All processes are gone with the first one, so both pipes end after what they still hold.
  std::size_t rest = 4 * flood_bytes;
  drain(out_, LogWriter::Stream::out, rest);
  drain(err_, LogWriter::Stream::err, rest);
  log_->flush();
}

void Shim::finish() {
  if (init_.valid() && !exit_) {
    std::ignore = init_.signal(SIGKILL);
    std::ignore = init_.wait_exit(10s);
    reap();
  }
  std::ignore = cgroups_.kill(job_.cgroup, 10s);
  reap();
  ExitRecord record;
  if (exit_) {
    record.exit.code = exit_->code;
    // An init in between turns "killed by n" into "exited with 128 + n".
    record.exit.signal = exit_->code > 128 && exit_->code <= 128 + 64 ? exit_->code - 128 : 0;
  }
  if (const auto counters = cgroups_.counters(job_.cgroup)) {
    record.usage = {counters->cpu_micros, counters->memory_bytes, counters->memory_peak_bytes,
                    counters->oom_kills};
    record.exit.out_of_memory = counters->oom_kills > 0 && record.exit.code != 0;
  }
  if (exit_)
    if (Status written = record_exit(encode(record)); !written)
      log_error("cannot record how a sandbox ended",
                {{"id", job_.id}, {"error", written.error().message}});
  std::ignore = remove_tree(job_.runtime_root + "/" + job_.id);
  if (Status removed = cgroups_.remove(job_.cgroup); !removed)
    log_error("cannot remove a control group",
              {{"id", job_.id}, {"error", removed.error().message}});
}

Result<ShimJob> read_job() {
  // An open file description of the engine's: rewind it by reading at offsets through /proc.
  SLIPWAY_TRY(const std::string text, read_file(fmt::format("/proc/self/fd/{}", shim_job_fd)));
  ::close(shim_job_fd);
  return decode_shim_job(text);
}

void report(const ShimReport& what) {
  const std::string text = encode(what);
  // When the server is gone nobody needs to know.
  std::ignore = ::send(shim_control_fd, text.data(), text.size(), MSG_NOSIGNAL);
}

// A copy of crun that nobody can change. At each start it makes one of itself, unless it is one
// already: a sandbox could else write to the program on disk (CVE-2019-5736). Not valid when it is
// another runtime or cannot be copied.
Fd sealed_copy(const fs::path& runtime) {
  if (runtime.filename() != "crun") return {};
  const Result<std::string> program = read_file(runtime, 16u << 20);
  const Fd copy(::memfd_create("slipway-crun", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  constexpr int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (!program || !copy.valid() || !write_all(copy.get(), *program) ||
      ::fcntl(copy.get(), F_ADD_SEALS, seals) != 0)
    return {};
  return Fd(::fcntl(copy.get(), F_DUPFD_CLOEXEC, shim_runtime_fd));
}

constexpr std::size_t most_job_fds = 4;

// The next message to a spare: whether there was one, and the descriptors that came with it.
struct SpareMessage {
  bool ended = false;
  std::size_t count = 0;
  std::array<int, most_job_fds> fds{};
};

SpareMessage receive_message() {
  char nothing = 0;
  iovec data{.iov_base = &nothing, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(most_job_fds * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(shim_control_fd, &message, MSG_CMSG_CLOEXEC);
  if (got < 0 && errno == EINTR) return {};
  if (got <= 0) return {.ended = true};
  const cmsghdr* rights = CMSG_FIRSTHDR(&message);
  if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS) return {};
  SpareMessage out{.count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int)};
  std::memcpy(out.fds.data(), CMSG_DATA(rights), out.count * sizeof(int));
  return out;
}

// Waits for a job as a spare; its descriptors end up where a shim expects them. False when the
// server is gone, or wants no spare any more.
bool receive_job(const CgroupTree& cgroups, const Clock& clock) {
  // The kernel moves a process to another control group slowly, unless somebody did so in the last
  // 10 ms. The runtime is about to.
  constexpr Duration soon = 100ms, again = 5ms;
  Duration expected_until{};
  SpareMessage job;
  while (job.count == 0) {
    const Duration now = clock.monotonic();
    const bool expected = now < expected_until;
    if (expected) cgroups.adopt(shims_cgroup, ::getpid());
    pollfd poll{.fd = shim_control_fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&poll, 1, expected ? static_cast<int>(again / 1ms) : -1);
    if (ready <= 0) continue;
    job = receive_message();
    if (job.ended) return false;
    if (job.count == 0) expected_until = now + soon;
  }
  // Out of the way of the numbers that they are to have, then there.
  constexpr std::array targets{shim_job_fd, shim_lock_fd, STDERR_FILENO, shim_output_fd};
  for (std::size_t i = 0; i < job.count; ++i) {
    const int high = ::fcntl(job.fds[i], F_DUPFD_CLOEXEC, shim_runtime_fd + 1);
    if (high < 0) return false;
    ::close(job.fds[i]);
    job.fds[i] = high;
  }
  for (std::size_t i = 0; i < job.count; ++i) {
    if (::dup2(job.fds[i], targets[i]) < 0) return false;
    ::close(job.fds[i]);
  }
  return true;
}

}  // namespace

int shim_main(int argc, char** argv) {
  std::ignore = ::chdir("/");
  std::optional<CgroupTree> cgroups;
  Shim::Ready ready;
  std::string blank_image;  // of ready.image
  if (argc > 4 && std::string_view(argv[2]) == shim_spare) {
    ::fcntl(shim_control_fd, F_SETFD, FD_CLOEXEC);
    ::close_range(shim_control_fd + 1, ~0u, 0);
    // All that needs no job, while nobody waits.
    Result<CgroupTree> tree = CgroupTree::open(argv[3]);
    if (!tree) return 70;  // a shim with a job will say so
    cgroups = std::move(*tree);
    cgroups->adopt(shims_cgroup, ::getpid());
    ready.runtime_copy = sealed_copy(argv[4]);
    if (argc > 6) blank_image = argv[6];
    if (!blank_image.empty())
      if (const auto image = mount_image(blank_image))
        ready.image = Fd(::fcntl(image->get(), F_DUPFD_CLOEXEC, shim_runtime_fd));
    if (!receive_job(*cgroups, SystemClock())) return 0;
  } else {
    // Whatever the server's own parent forgot to close.
    ::close_range(shim_output_fd + 1, ~0u, 0);
  }
  for (const int fd : {shim_control_fd, shim_job_fd, shim_lock_fd, shim_output_fd})
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  Result<ShimJob> job = read_job();
  if (!job) {
    report({.error = job.error()});
    return 70;
  }
  if (!cgroups) {
    Result<CgroupTree> tree = CgroupTree::open(job->cgroup_mount);
    if (!tree) {
      report({.error = tree.error()});
      return 70;
    }
    cgroups = std::move(*tree);
    cgroups->adopt(shims_cgroup, ::getpid());
  }
  const ShimJob::Kind kind = job->kind;
  if (kind == ShimJob::Kind::instance) ::close(shim_output_fd);
  if (job->blank_image != blank_image) ready.image.reset();
  // What is production's keeps the server's brief turns.
  if (class_of_group(job->cgroup) != WorkClass::production)
    std::ignore = take_turns(Turns::ordinary);
  Shim shim(std::move(*job), *cgroups, std::move(ready));
  if (Status started = shim.start(); !started) {
    shim.finish();
    report({.error = started.error()});
    return 1;
  }
  report({.error = std::nullopt, .init_pid = shim.init_pid()});
  if (kind == ShimJob::Kind::instance)
    ::close(shim_control_fd);
  else
    ::close(shim_output_fd);  // the command alone holds it now, so its end is seen
  shim.supervise();
  shim.finish();
  return 0;
}

}  // namespace slipway
