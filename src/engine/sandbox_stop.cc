#include <signal.h>
#include <unistd.h>

#include <limits>

#include "engine/sandbox_state.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr Duration young = 1s, ready_step = 2ms, again_after = 250ms;

// Those of `pids` that live and belong to process group `group`.
std::vector<Pidfd> members(const std::vector<int>& pids, pid_t group) {
  std::vector<Pidfd> out;
  for (const int pid : pids) {
    auto member = Pidfd::open(pid);
    if (member && ::getpgid(pid) == group && !member->wait_exit(0us))
      out.push_back(std::move(*member));
  }
  return out;
}

}  // namespace

void SandboxEngine::State::ask_to_end(const Instance& instance, Duration grace) const {
  const Deadline deadline = Deadline::after(clock_, grace);
  if (instance.meta.init == SandboxMeta::Init::ours) return ask_app_below_init(instance, deadline);
  const Pidfd& init = instance.dialer->init();
  std::ignore = init.signal(instance.meta.stop_signal);
  // The first process of a sandbox is deaf until it has set itself up.
  if (clock_.monotonic() - instance.started < young) {
    if (instance.shim.wait_exit(std::min(deadline.left(clock_), again_after))) return;
    std::ignore = init.signal(instance.meta.stop_signal);
  }
  std::ignore = instance.shim.wait_exit(deadline.left(clock_));
}

// The init ends with the process it started, and all others with the init: of `sh -c "node server"`
// the shell ends at the signal at once and would take the app along. So the init is halted, and the
// group of processes that it started gets the signal and the whole grace.
void SandboxEngine::State::ask_app_below_init(const Instance& instance,
                                              const Deadline& deadline) const {
  const Pidfd& init = instance.dialer->init();
  // Its first child leads a group; so may orphans that came to it later.
  const auto app_group = [&]() -> pid_t {
    std::pair<std::uint64_t, pid_t> first{std::numeric_limits<std::uint64_t>::max(), 0};
    for (const int pid : cgroups_.processes(instance.meta.cgroup)) {
      const Result<pid_t> parent = process_parent(pid);
      const Result<std::uint64_t> started = process_start_time(pid);
      if (parent && started && *parent == init.pid() && ::getpgid(pid) == pid)
        first = std::min(first, {*started, pid});
    }
    return first.second;
  };
  pid_t group = app_group();
  // An init that has just begun has yet to start the app.
  while (group == 0 && clock_.monotonic() - instance.started < young && !deadline.passed(clock_)) {
    if (instance.shim.wait_exit(ready_step)) return;
    group = app_group();
  }
  std::ignore = init.signal(SIGSTOP);
  // As long as its parent is halted nobody takes the number of the group's first process.
  if (group == 0 || app_group() != group) return;
  ::kill(-group, instance.meta.stop_signal);
  while (!deadline.passed(clock_)) {
    const std::vector<Pidfd> left = members(cgroups_.processes(instance.meta.cgroup), group);
    if (left.empty()) return;
    for (const Pidfd& each : left) std::ignore = each.wait_exit(deadline.left(clock_));
  }
}

}  // namespace slipway
