#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace slipway {

// How control groups are mounted. `hybrid` is v1 controllers plus a v2 tree without any at
// "unified".
enum class CgroupLayout { v1, hybrid, v2 };

// The control groups of the host. A group is one path, such as "slipway/previews/x", below every
// hierarchy. Thread-safe; cheap to copy. `mount` is /sys/fs/cgroup except in tests.
class CgroupTree {
 public:
  // Errors: failed_precondition when none are mounted.
  [[nodiscard]] static Result<CgroupTree> open(std::filesystem::path mount = "/sys/fs/cgroup");
  [[nodiscard]] CgroupLayout layout() const { return layout_; }
  // Whether controller `name` ("memory", "pids", "cpu") can limit groups here.
  [[nodiscard]] bool has(std::string_view controller) const;

  struct Counters {
    std::uint64_t cpu_micros = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t memory_peak_bytes = 0;
    std::uint64_t oom_kills = 0;
  };
  // Errors: not_found when the group is gone.
  [[nodiscard]] Result<Counters> counters(const std::string& group) const;
  [[nodiscard]] bool exists(const std::string& group) const;
  [[nodiscard]] std::vector<int> processes(const std::string& group) const;
  // SIGKILL to every process of the group and of those below it, again and again until it is empty
  // or `wait` has passed (deadline_exceeded).
  [[nodiscard]] Status kill(const std::string& group, Duration wait) const;
  // Removes the group, empty by now, from every hierarchy; absent is fine.
  [[nodiscard]] Status remove(const std::string& group) const;
  // Makes the group and says which share of the CPU it gets beside its siblings when there is not
  // enough for all: 1 to 10,000, 100 is ordinary. Errors: failed_precondition when no CPU
  // controller is there; io.
  [[nodiscard]] Status set_cpu_weight(const std::string& group, std::uint32_t weight) const;
  // Likewise for time of disks, where the kernel weighs it: v2's io controller, or BFQ or CFQ below
  // v1's. Errors: failed_precondition when nothing does; io.
  [[nodiscard]] Status set_io_weight(const std::string& group, std::uint32_t weight) const;
  // Makes the group; all of it together may use `bytes` of memory. 0: no limit. Errors:
  // failed_precondition, io (busy when more is used now).
  [[nodiscard]] Status set_memory_limit(const std::string& group, std::uint64_t bytes) const;
  // Makes the group; up to `bytes` of its memory are never taken from it for others. Only v2 can:
  // failed_precondition.
  [[nodiscard]] Status protect_memory(const std::string& group, std::uint64_t bytes) const;
  // Makes the group and moves process `pid` there, where systemd looks (v2, else name=systemd), so
  // that the process is not taken for a part of the service that started it. Best effort.
  void adopt(const std::string& group, int pid) const;

 private:
  CgroupTree(std::filesystem::path mount, CgroupLayout layout)
      : mount_(std::move(mount)), layout_(layout) {}
  // Makes the group in the controller's hierarchy, its files in it.
  [[nodiscard]] Result<std::filesystem::path> controlled(std::string_view controller,
                                                         const std::string& group) const;
  [[nodiscard]] std::filesystem::path directory(std::string_view controller,
                                                const std::string& group) const;
  // Of v1 those with controllers or a name: the v2 tree of a hybrid host is not used.
  [[nodiscard]] std::vector<std::filesystem::path> hierarchies() const;
  std::filesystem::path mount_;
  CgroupLayout layout_;
};

}  // namespace slipway
