#include "sys/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/text.h"
#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

std::uint64_t number(std::string_view text) {
  text = trim(text);
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::uint64_t file_number(const fs::path& path) {
  const Result<std::string> text = read_file(path, 64);
  return text ? number(*text) : 0;
}

// The value of "key value" in a flat-keyed file.
std::uint64_t keyed_number(const fs::path& path, std::string_view key) {
  const Result<std::string> text = read_file(path, 4096);
  if (!text) return 0;
  for (const std::string_view line : lines(*text))
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ')
      return number(line.substr(key.size()));
  return 0;
}

bool is_dir(const fs::path& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::vector<fs::path> subdirectories(const fs::path& path) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error))
    if (is_dir(it->path())) out.push_back(it->path());
  return out;
}

Status remove_groups(const fs::path& path) {
  for (const fs::path& below : subdirectories(path)) SLIPWAY_CHECK(remove_groups(below));
  // A group whose last process has just been reaped may be busy for an instant.
  for (int attempt = 0; ::rmdir(path.c_str()) != 0; ++attempt) {
    if (errno == ENOENT) return {};
    if (errno != EBUSY || attempt == 200) return fail_errno(errno, "remove " + path.string());
    ::poll(nullptr, 0, 5);
  }
  return {};
}

void collect_processes(const fs::path& path, std::vector<int>& out) {
  const Result<std::string> text = read_file(path / "cgroup.procs", 1u << 20);
  if (!text) return;
  for (const std::string_view line : lines(*text))
    if (const auto pid = static_cast<int>(number(line)); pid > 0) out.push_back(pid);
  for (const fs::path& below : subdirectories(path)) collect_processes(below, out);
}

Status put(const fs::path& file, const std::string& text) {
  SLIPWAY_TRY(const Fd fd, open_file(file, O_WRONLY));
  return write_all(fd.get(), text);
}

}  // namespace

Result<CgroupTree> CgroupTree::open(fs::path mount) {
  std::error_code ignored;
  if (fs::exists(mount / "cgroup.controllers", ignored))
    return CgroupTree(std::move(mount), CgroupLayout::v2);
  if (!is_dir(mount / "memory"))
    return fail(Errc::failed_precondition, "no control groups are mounted at " + mount.string());
  const bool unified = fs::exists(mount / "unified/cgroup.procs", ignored);
  return CgroupTree(std::move(mount), unified ? CgroupLayout::hybrid : CgroupLayout::v1);
}

bool CgroupTree::has(std::string_view controller) const {
  std::error_code ignored;
  if (layout_ != CgroupLayout::v2) return fs::is_directory(mount_ / controller, ignored);
  const Result<std::string> list = read_file(mount_ / "cgroup.controllers", 4096);
  if (!list) return false;
  for (const std::string_view word : split(trim(*list), ' '))
    if (word == controller) return true;
  return false;
}

fs::path CgroupTree::directory(std::string_view controller, const std::string& group) const {
  return layout_ == CgroupLayout::v2 ? mount_ / group : mount_ / controller / group;
}

std::vector<fs::path> CgroupTree::hierarchies() const {
  if (layout_ == CgroupLayout::v2) return {mount_};
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator it(mount_, error), end; !error && it != end; it.increment(error))
    if (is_dir(it->path()) && it->path().filename() != "unified") out.push_back(it->path());
  return out;
}

bool CgroupTree::exists(const std::string& group) const {
  for (const fs::path& hierarchy : hierarchies())
    if (is_dir(hierarchy / group)) return true;
  return false;
}

Result<CgroupTree::Counters> CgroupTree::counters(const std::string& group) const {
  const fs::path memory = directory("memory", group);
  if (!is_dir(memory)) return fail(Errc::not_found, "no control group " + group);
  Counters out;
  if (layout_ == CgroupLayout::v2) {
    out.cpu_micros = keyed_number(memory / "cpu.stat", "usage_usec");
    out.memory_bytes = file_number(memory / "memory.current");
    out.memory_peak_bytes = file_number(memory / "memory.peak");  // since Linux 5.19
    out.oom_kills = keyed_number(memory / "memory.events", "oom_kill");
  } else {
    out.cpu_micros = file_number(directory("cpuacct", group) / "cpuacct.usage") / 1000;
    out.memory_bytes = file_number(memory / "memory.usage_in_bytes");
    out.memory_peak_bytes = file_number(memory / "memory.max_usage_in_bytes");
    out.oom_kills = keyed_number(memory / "memory.oom_control", "oom_kill");
  }
  out.memory_peak_bytes = std::max(out.memory_peak_bytes, out.memory_bytes);
  return out;
}

std::vector<int> CgroupTree::processes(const std::string& group) const {
  std::vector<int> out;
  for (const std::string_view controller : {"pids", "memory"}) {
    collect_processes(directory(controller, group), out);
    if (!out.empty()) break;
  }
  return out;
}

Status CgroupTree::kill(const std::string& group, Duration wait) const {
  const SystemClock clock;
  const Deadline deadline = Deadline::after(clock, wait);
  for (;;) {
    if (layout_ == CgroupLayout::v2) {  // since Linux 5.14; the loop below does for older ones
      if (const auto fd = open_file(mount_ / group / "cgroup.kill", O_WRONLY))
        std::ignore = write_all(fd->get(), "1");
    }
    const std::vector<int> pids = processes(group);
    if (pids.empty()) return {};
    for (const int pid : pids) ::kill(pid, SIGKILL);
    if (deadline.passed(clock))
      return fail(Errc::deadline_exceeded,
                  fmt::format("{} processes of {} do not die", pids.size(), group));
    ::poll(nullptr, 0, 2);
  }
}

Status CgroupTree::remove(const std::string& group) const {
  if (group.empty() || group.find("..") != std::string::npos)
    return fail(Errc::invalid_argument, "not a control group: " + group);
  for (const fs::path& hierarchy : hierarchies())
    if (is_dir(hierarchy / group)) SLIPWAY_CHECK(remove_groups(hierarchy / group));
  return {};
}

Result<fs::path> CgroupTree::controlled(std::string_view controller,
                                        const std::string& group) const {
  if (!has(controller))
    return fail(Errc::failed_precondition,
                fmt::format("no control groups for {} are here", controller));
  fs::path path = directory(controller, group);
  SLIPWAY_CHECK(make_directories(path));
  if (layout_ != CgroupLayout::v2) return path;
  // A group has a controller's files when those above pass the controller on.
  for (fs::path above = mount_; const fs::path& part : fs::path(group)) {
    SLIPWAY_CHECK(put(above / "cgroup.subtree_control", fmt::format("+{}", controller)));
    above /= part;
  }
  return path;
}

Status CgroupTree::set_cpu_weight(const std::string& group, std::uint32_t weight) const {
  SLIPWAY_TRY(const fs::path path, controlled("cpu", group));
  weight = std::clamp(weight, 1u, 10'000u);
  if (layout_ == CgroupLayout::v2) return put(path / "cpu.weight", std::to_string(weight));
  // 100 of the one scale is 1024 of the other.
  return put(path / "cpu.shares",
             std::to_string(std::max<std::uint64_t>(2, std::uint64_t{weight} * 1024 / 100)));
}

Status CgroupTree::set_io_weight(const std::string& group, std::uint32_t weight) const {
  const bool v2 = layout_ == CgroupLayout::v2;
  SLIPWAY_TRY(const fs::path path, controlled(v2 ? "io" : "blkio", group));
  if (v2)
    return put(path / "io.weight", fmt::format("default {}", std::clamp(weight, 1u, 10'000u)));
  std::error_code ignored;
  for (const char* file : {"blkio.bfq.weight", "blkio.weight"})
    if (fs::exists(path / file, ignored))
      return put(path / file, std::to_string(std::clamp(weight, 10u, 1000u)));
  return fail(Errc::failed_precondition, "no scheduler of disks here knows weights");
}

Status CgroupTree::set_memory_limit(const std::string& group, std::uint64_t bytes) const {
  SLIPWAY_TRY(const fs::path path, controlled("memory", group));
  const bool v2 = layout_ == CgroupLayout::v2;
  return put(path / (v2 ? "memory.max" : "memory.limit_in_bytes"), bytes > 0 ? std::to_string(bytes)
                                                                   : v2      ? "max"
                                                                             : "-1");
}

Status CgroupTree::protect_memory(const std::string& group, std::uint64_t bytes) const {
  if (layout_ != CgroupLayout::v2)
    return fail(Errc::failed_precondition, "control groups of version 1 protect no memory");
  SLIPWAY_TRY(const fs::path path, controlled("memory", group));
  return put(path / "memory.min", std::to_string(bytes));
}

void CgroupTree::adopt(const std::string& group, int pid) const {
  const fs::path root = layout_ == CgroupLayout::v2 ? mount_ : mount_ / "systemd";
  if (!is_dir(root) || !make_directories(root / group)) return;
  if (const auto fd = open_file(root / group / "cgroup.procs", O_WRONLY))
    std::ignore = write_all(fd->get(), fmt::format("{}\n", pid));
}

}  // namespace slipway
