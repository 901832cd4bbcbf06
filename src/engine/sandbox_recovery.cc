#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

#include <cerrno>

#include "base/log.h"
#include "engine/sandbox_state.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {
using namespace std::chrono_literals;
constexpr Duration step_patience = 15s;  // for a step's shim to notice that its server is gone
}  // namespace

bool SandboxEngine::State::shim_lives(const std::string& id) const {
  const Result<Fd> lock = open_file(directory(id) / lock_file, O_RDWR);
  return lock && ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

Status SandboxEngine::State::recover() {
  std::vector<std::string> ids;
  std::error_code error;
  for (fs::directory_iterator it(settings_.state_dir / "sandboxes", error), end;
       !error && it != end; it.increment(error))
    ids.push_back(it->path().filename());
  if (error) return fail(Errc::io, "read the list of sandboxes: " + error.message());
  for (const std::string& id : ids)
    if (Status done = recover_one(id); !done)
      log_error("cannot recover a sandbox", {{"id", id}, {"error", done.error().message}});
  return {};
}

Status SandboxEngine::State::recover_one(const std::string& id) {
  const Result<std::string> text = read_file(directory(id) / meta_file, 1u << 20);
  Result<SandboxMeta> meta = text ? decode_sandbox_meta(*text) : fail(text.error());
  // The server died between making the directory and writing the record: nothing was started.
  if (!meta) return remove_tree(directory(id));
  // This is a copy of the directory that it was started from (or the machine's devices were counted
  // anew since, and nothing of it is left): processes, groups and paths in the record are not ours.
  if (!meta->owner.empty() && meta->owner != owner_) {
    log_info("a sandbox of another data directory is forgotten", {{"id", id}});
    SLIPWAY_CHECK(remove_tree(settings_.state_dir / "runtime" / id));
    return remove_tree(directory(id));
  }
  if (meta->network_slot >= 0 && network_)
    network_->adopt(meta->network_slot, class_of_group(meta->cgroup));

  // While the lock is held there is a shim, though perhaps one that has not said who it is yet.
  ProcessRecord processes;
  Pidfd shim;
  const Deadline deadline = Deadline::after(clock_, step_patience);
  while (shim_lives(id)) {
    if (const auto record = read_file(directory(id) / processes_file, 4096))
      if (const auto decoded = decode_process_record(*record)) processes = *decoded;
    if (!shim.valid() && processes.shim_pid > 0)
      if (auto opened = Pidfd::open(processes.shim_pid, processes.shim_start))
        shim = std::move(*opened);
    const bool started = shim.valid() && processes.init_pid > 0;
    if (meta->kind == ShimJob::Kind::instance && started) break;
    if (deadline.passed(clock_)) break;
    if (shim.valid()) {
      std::ignore = shim.wait_exit(20ms);
    } else {
      const timespec pause{.tv_sec = 0, .tv_nsec = 5'000'000};
      ::nanosleep(&pause, nullptr);
    }
  }

  if (meta->kind == ShimJob::Kind::instance && shim.valid() && !shim.wait_exit(0us)) {
    Result<Pidfd> init = Pidfd::open(processes.init_pid, processes.init_start);
    auto dialer = init ? NetnsDialer::open(std::move(*init), home_)
                       : Result<std::shared_ptr<NetnsDialer>>(fail(init.error()));
    if (dialer) {
      // A server that died while it stopped an app leaves the init halted; it goes on.
      std::ignore = (*dialer)->init().signal(SIGCONT);
      auto instance = std::make_shared<Instance>();
      instance->phase = Instance::Phase::running;
      instance->meta = std::move(*meta);
      instance->shim = std::move(shim);
      instance->dialer = std::move(*dialer);
      watch_shim(instance->shim);
      const MutexLock lock(mutex_);
      instances_[id] = std::move(instance);
      return {};
    }
    // It is just ending: let the shim write it down.
    std::ignore = shim.wait_exit(step_patience);
  }
  SLIPWAY_CHECK(finish_off(shim, *meta, shim.valid() ? Duration{1s} : Duration{0}));
  if (meta->kind == ShimJob::Kind::step) return dispose(*meta);
  auto instance = std::make_shared<Instance>();
  instance->phase = Instance::Phase::ended;
  const std::optional<ExitRecord> record = exit_record(id);
  instance->exit = record ? record->exit : SandboxExit{.code = 137, .signal = 9};
  instance->meta = std::move(*meta);
  const MutexLock lock(mutex_);
  instances_[id] = std::move(instance);
  return {};
}

}  // namespace slipway
