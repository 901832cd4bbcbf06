#include "engine/sandbox.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/log.h"
#include "base/mutex.h"
#include "engine/oci_config.h"
#include "engine/reserves.h"
#include "engine/sandbox_state.h"
#include "sys/files.h"
#include "sys/netns.h"

namespace slipway {
namespace fs = std::filesystem;

using namespace std::chrono_literals;

Result<std::string> find_runtime(const SandboxSettings& settings) {
  std::vector<std::string> candidates;
  if (!settings.runtime.empty()) {
    candidates = {settings.runtime};
  } else {
    for (const char* name : {"crun", "runc"})
      for (const char* directory : {"/usr/bin/", "/usr/sbin/", "/usr/local/bin/"})
        candidates.push_back(std::string(directory) + name);
  }
  for (const std::string& path : candidates)
    if (::access(path.c_str(), X_OK) == 0) return path;
  return fail(Errc::failed_precondition, "no OCI runtime was found",
              "install one: apt-get install crun");
}

SandboxEngine::State::~State() {
  {
    const MutexLock lock(mutex_);
    closing_ = true;
  }
  wake_watcher();
  watcher_.stop();
}

Status SandboxEngine::State::open() {
  if (::geteuid() != 0)
    return fail(Errc::failed_precondition, "sandboxes need a server that runs as root");
  for (const char* name : {"", "sandboxes", "runtime"})
    SLIPWAY_CHECK(make_directories(settings_.state_dir / name, 0700));
  std::error_code error;
  settings_.state_dir = fs::canonical(settings_.state_dir, error);
  SLIPWAY_TRY(lock_, open_file(settings_.state_dir / "lock", O_RDWR | O_CREAT, 0600));
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Errc::conflict,
                "another server uses " + settings_.state_dir.string() + " at this moment");
  SLIPWAY_TRY(runtime_, find_runtime(settings_));
  Result<std::string> list = read_file(settings_.seccomp_list, 4u << 20);
  if (!list)
    return fail(Errc::failed_precondition,
                "no list of allowed system calls: " + list.error().message,
                "apt-get install golang-github-containers-common");
  SLIPWAY_TRY(filter_.oci, make_seccomp(*list, SeccompFor::instance));
  SLIPWAY_TRY(step_filter_.oci, make_seccomp(*list, SeccompFor::step));
  SLIPWAY_TRY(image_build_filter_.oci, make_seccomp(*list, SeccompFor::image_build));
  for (Filter* filter : {&filter_, &step_filter_, &image_build_filter_}) {
    if (auto program = compile_seccomp(filter->oci)) {
      filter->program = std::move(*program);
    } else {
      log_warn("the OCI runtime has to compile the system call filter at every start",
               {{"error", program.error().message}});
    }
  }
  for (const char* path : {"/usr/bin/tini-static", "/usr/bin/tini"})
    if (init_.empty() && ::access(path, X_OK) == 0) init_ = path;
  if (init_.empty())
    log_warn(
        "tini is not installed: apps that ignore SIGTERM as process 1 are killed, not stopped");
  struct stat self{};
  if (::stat(settings_.state_dir.c_str(), &self) != 0)
    return fail_errno(errno, "stat " + settings_.state_dir.string());
  owner_ = fmt::format("{:x}:{:x}", self.st_dev, self.st_ino);
  swap_accounting_ =
      cgroups_.layout() == CgroupLayout::v2
          ? fs::exists("/proc/swaps", error)
          : fs::exists(settings_.cgroup_mount / "memory/memory.memsw.limit_in_bytes", error);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max != RLIM_INFINITY)
    open_files_ceiling_ = files.rlim_max;
  SLIPWAY_TRY(home_, current_netns());
  if (auto network = SandboxNetwork::open(settings_, clock_)) {
    network_ = std::move(*network);
  } else {
    // Sandboxes without egress work all the same; those with it say this.
    network_error_ = network.error();
    log_warn("sandboxes have no network", {{"error", network_error_.message}});
  }
  // Those of another limit, or of another version of ours.
  for (fs::directory_iterator it(settings_.state_dir, error), end; !error && it != end;
       it.increment(error))
    if (it->path().filename().string().starts_with(blank_prefix))
      SLIPWAY_CHECK(remove_tree(it->path()));
  spare_ = std::make_unique<SpareShim>(
      settings_.self_exe, settings_.cgroup_mount, runtime_, settings_.state_dir,
      [this] { return blank_image(settings_.usual_disk_bytes); }, clock_);
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_.valid() || !wake_.valid()) return fail_errno(errno, "epoll");
  epoll_event event{.events = EPOLLIN, .data = {.fd = wake_.get()}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
  SLIPWAY_CHECK(recover());
  return watcher_.start([this](const std::stop_token&) {
    watch();
    return std::nullopt;
  });
}

Status SandboxEngine::State::start(const SandboxSpec& spec, const fs::path& log_directory,
                                   std::uint64_t log_limit_bytes) {
  SLIPWAY_CHECK(check(spec));
  auto instance = std::make_shared<Instance>();
  {
    const MutexLock lock(mutex_);
    const auto [place, fresh] = instances_.try_emplace(spec.id, instance);
    if (!fresh) {
      if (place->second->phase != Instance::Phase::ended)
        return fail(Errc::conflict, spec.id + " runs already");
      SLIPWAY_CHECK(dispose(place->second->meta));
      place->second = instance;
    }
  }
  const auto forget = [&] {
    const MutexLock lock(mutex_);
    instances_.erase(spec.id);
    changed_.notify_all();
  };
  Result<SandboxMeta> meta = prepare(spec, ShimJob::Kind::instance);
  if (!meta) {
    forget();
    return fail(meta.error());
  }
  Result<Launch> launched = launch(spec, *meta,
                                   {.kind = ShimJob::Kind::instance,
                                    .log_directory = log_directory,
                                    .log_limit_bytes = log_limit_bytes});
  Status started = launched ? await_report(*launched) : fail(launched.error());
  Result<std::shared_ptr<NetnsDialer>> dialer = fail(Errc::start_failed, "it ended at once");
  if (started) {
    // An app that ends at once is an instance that ended, not one that failed to start; but it has
    // no namespace to dial into any more.
    if (auto init = Pidfd::open(launched->init_pid))
      dialer = NetnsDialer::open(std::move(*init), home_);
  }
  if (!started) {
    if (launched) {
      launched->control.reset();
      if (!launched->shim.wait_exit(1s)) std::ignore = launched->shim.signal(SIGTERM);
      std::ignore = finish_off(launched->shim, *meta, 10s);
    }
    std::ignore = dispose(*meta);
    forget();
    return started;
  }
  const MutexLock lock(mutex_);
  instance->phase = Instance::Phase::running;
  instance->started = clock_.monotonic();
  instance->meta = std::move(*meta);
  instance->shim = std::move(launched->shim);
  if (dialer) instance->dialer = std::move(*dialer);
  watch_shim(instance->shim);
  changed_.notify_all();
  return {};
}

Status SandboxEngine::State::stop(const std::string& id, Duration grace) {
  InstancePtr instance;
  {
    MutexLock lock(mutex_);
    for (;;) {
      const auto found = instances_.find(id);
      if (found == instances_.end()) return {};
      instance = found->second;
      if (instance->phase == Instance::Phase::running) break;
      if (instance->phase == Instance::Phase::ended) {
        instances_.erase(found);
        changed_.notify_all();
        return dispose(instance->meta);
      }
      changed_.wait(mutex_);  // it is being started or stopped by another thread
    }
    instance->phase = Instance::Phase::stopping;
  }
  const std::shared_ptr<NetnsDialer> dialer = instance->dialer;
  if (dialer) {
    if (grace > Duration{0}) ask_to_end(*instance, grace);
    std::ignore = dialer->init().signal(SIGKILL);
  }
  Status outcome = finish_off(instance->shim, instance->meta, 5s);
  if (dialer) dialer->close();
  if (outcome) outcome = dispose(instance->meta);
  const MutexLock lock(mutex_);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, instance->shim.fd(), nullptr);
  if (outcome) {
    instances_.erase(id);
  } else {
    instance->phase = Instance::Phase::running;  // the caller may try again
    watch_shim(instance->shim);
  }
  changed_.notify_all();
  return outcome;
}

std::vector<SandboxInfo> SandboxEngine::State::list() {
  std::vector<SandboxInfo> out;
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, instance] : instances_) {
      if (instance->phase == Instance::Phase::starting) continue;
      out.push_back({.id = id,
                     .running = instance->phase != Instance::Phase::ended,
                     .exit = instance->exit,
                     .labels = instance->meta.labels});
    }
    listed_ = true;
  }
  wake_watcher();
  return out;
}

Result<Usage> SandboxEngine::State::usage(const std::string& id) {
  std::string group;
  {
    const MutexLock lock(mutex_);
    const auto found = instances_.find(id);
    if (found == instances_.end()) return fail(Errc::not_found, "no instance " + id);
    group = found->second->meta.cgroup;
  }
  SLIPWAY_TRY(const CgroupTree::Counters counters, cgroups_.counters(group));
  return Usage{counters.cpu_micros, counters.memory_bytes, counters.memory_peak_bytes,
               counters.oom_kills};
}

Result<std::shared_ptr<const Dialer>> SandboxEngine::State::dialer(const std::string& id) {
  const MutexLock lock(mutex_);
  const auto found = instances_.find(id);
  if (found == instances_.end() || !found->second->dialer)
    return fail(Errc::not_found, "no instance " + id);
  return std::shared_ptr<const Dialer>(found->second->dialer);
}

ExitListener SandboxEngine::State::on_exit(ExitHandler handler) {
  ExitListener listener = exit_listeners_.add(std::move(handler));
  wake_watcher();
  return listener;
}

void SandboxEngine::State::watch_shim(const Pidfd& shim) const {
  epoll_event event{.events = EPOLLIN | EPOLLONESHOT, .data = {.fd = shim.fd()}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, shim.fd(), &event);
}

void SandboxEngine::State::wake_watcher() const {
  const std::uint64_t one = 1;
  if (wake_.valid()) std::ignore = ::write(wake_.get(), &one, sizeof one);
}

void SandboxEngine::State::watch() {
  std::array<epoll_event, 32> events;
  for (;;) {
    const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd != wake_.get()) {
        shim_ended(fd);
        continue;
      }
      std::uint64_t count = 0;
      std::ignore = ::read(fd, &count, sizeof count);
    }
    {
      const MutexLock lock(mutex_);
      if (closing_) return;
    }
    report_ended();
  }
}

void SandboxEngine::State::shim_ended(int fd) {
  InstancePtr instance;
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, candidate] : instances_)
      if (candidate->shim.fd() == fd && candidate->phase == Instance::Phase::running)
        instance = candidate;
    if (!instance) return;  // stop() is at it
    // Keeps others off while it is cleaned, which takes no lock.
    instance->phase = Instance::Phase::stopping;
  }
  if (instance->dialer) instance->dialer->close();
  if (Status done = finish_off(instance->shim, instance->meta, 1s); !done)
    log_error("processes of an ended sandbox are left",
              {{"id", instance->meta.id}, {"error", done.error().message}});
  const std::optional<ExitRecord> record = exit_record(instance->meta.id);
  const MutexLock lock(mutex_);
  // Without a record the shim was killed, and the app with it.
  instance->exit = record ? record->exit : SandboxExit{.code = 137, .signal = SIGKILL};
  instance->phase = Instance::Phase::ended;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  listed_ = true;
  changed_.notify_all();
}

void SandboxEngine::State::report_ended() {
  for (;;) {
    InstancePtr instance;
    {
      const MutexLock lock(mutex_);
      if (!listed_ || !exit_listeners_.any()) return;
      for (const auto& [id, candidate] : instances_)
        if (candidate->phase == Instance::Phase::ended) instance = candidate;
      if (!instance) return;
    }
    const std::string id = instance->meta.id;
    exit_listeners_.tell(id, *instance->exit);
    const MutexLock lock(mutex_);
    const auto found = instances_.find(id);
    // The handler may have stopped it, or started another one of this name.
    if (found == instances_.end() || found->second != instance) continue;
    instances_.erase(found);
    if (Status disposed = dispose(instance->meta); !disposed)
      log_error("cannot clean up after a sandbox",
                {{"id", id}, {"error", disposed.error().message}});
    changed_.notify_all();
  }
}

SandboxEngine::SandboxEngine(std::unique_ptr<State> state) : state_(std::move(state)) {}
SandboxEngine::~SandboxEngine() = default;

Result<std::unique_ptr<SandboxEngine>> SandboxEngine::open(SandboxSettings settings,
                                                           const Clock& clock) {
  SLIPWAY_TRY(CgroupTree cgroups, CgroupTree::open(settings.cgroup_mount));
  reserve_for_production(cgroups, settings.memory);
  auto state = std::make_unique<State>(std::move(settings), clock, std::move(cgroups));
  SLIPWAY_CHECK(state->open());
  return std::unique_ptr<SandboxEngine>(new SandboxEngine(std::move(state)));
}

Status SandboxEngine::start(const SandboxSpec& spec, const fs::path& log_directory,
                            std::uint64_t log_limit_bytes) {
  return state_->start(spec, log_directory, log_limit_bytes);
}
Status SandboxEngine::stop(const std::string& id, Duration grace) {
  return state_->stop(id, grace);
}
Result<std::vector<SandboxInfo>> SandboxEngine::list() { return state_->list(); }
Result<Usage> SandboxEngine::usage(const std::string& id) { return state_->usage(id); }
Result<std::shared_ptr<const Dialer>> SandboxEngine::dialer(const std::string& id) {
  return state_->dialer(id);
}
ExitListener SandboxEngine::on_exit(ExitHandler handler) {
  return state_->on_exit(std::move(handler));
}
void SandboxEngine::expect_start() { state_->expect_start(); }
Result<StepRunner::Outcome> SandboxEngine::run(const SandboxSpec& spec, Duration time_limit,
                                               std::uint64_t output_limit_bytes,
                                               const OutputSink& output, std::stop_token stop) {
  return state_->run(spec, time_limit, output_limit_bytes, output, std::move(stop));
}

}  // namespace slipway
