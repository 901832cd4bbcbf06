#include "engine/doctor.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>

#include "base/text.h"
#include "engine/disk_image.h"
#include "engine/oci_config.h"
#include "sys/cgroup.h"
#include "sys/files.h"
#include "sys/mounts.h"
#include "sys/netns.h"
#include "sys/process.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;
using State = HostCheck::State;

constexpr rlim_t comfortable_descriptors = 16'384;
constexpr std::uint64_t little_disk = 1ull << 30, comfortable_disk = 10ull << 30;

HostCheck good(std::string name, std::string detail) {
  return {std::move(name), State::ok, std::move(detail), ""};
}
HostCheck bad(std::string name, State state, std::string detail, std::string fix) {
  return {std::move(name), state, std::move(detail), std::move(fix)};
}

// Runs `work` in a forked child with a mount namespace of its own; its error comes back by a pipe.
Status try_apart(Status (*work)(const fs::path& scratch), const fs::path& scratch) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  Fd read_end(ends[0]), write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail_errno(errno, "fork");
  if (child == 0) {
    Status done = enter_private_mount_namespace();
    if (done) done = work(scratch);
    if (!done) std::ignore = write_all(write_end.get(), done.error().message);
    ::_exit(done ? 0 : 1);
  }
  write_end.reset();
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const auto text = read_file(fmt::format("/proc/self/fd/{}", read_end.get()), 4096);
  return fail(Errc::failed_precondition, text && !text->empty() ? *text : "the attempt died");
}

Status make_layers(const fs::path& scratch) {
  for (const char* name : {"lower/app", "upper", "work", "merged", "mapped"})
    SLIPWAY_CHECK(make_directories(scratch / name));
  return {};
}

Status try_overlay(const fs::path& scratch) {
  SLIPWAY_TRY(const Fd overlay,
              new_overlay({scratch / "lower"}, scratch / "upper", scratch / "work", 0));
  return attach_mount(overlay, scratch / "merged");
}

// Overlay on id-mapped layers, as sandboxes have it.
Status try_id_mapped(const fs::path& scratch) {
  constexpr std::uint32_t base = 1'000'000;
  SLIPWAY_TRY(const Fd map, make_id_map(base, 65'536));
  SLIPWAY_TRY(const Fd mapped, clone_mount(scratch, MountAccess::read_write, &map));
  SLIPWAY_CHECK(attach_mount(mapped, scratch / "mapped"));
  const std::string at = scratch / "mapped";
  SLIPWAY_TRY(const Fd overlay, new_overlay({at + "/lower"}, at + "/upper", at + "/work", base));
  SLIPWAY_CHECK(attach_mount(overlay, scratch / "merged"));
  // Made read-only by the kernel when it cannot write to its work directory.
  if (::access((scratch / "merged").c_str(), W_OK) != 0)
    return fail(Errc::failed_precondition, "an overlay on mapped layers is read-only");
  return {};
}

// The disk of a preview, as instances get it.
Status try_own_disk(const fs::path& scratch) {
  SLIPWAY_CHECK(make_blank_image(scratch / "blank", disk_limit(16u << 20)));
  SLIPWAY_TRY(const Fd mount, mount_image(scratch / "blank"));
  return {};
}

Status try_veth(const fs::path& /*scratch*/) {
  if (::unshare(CLONE_NEWNET) != 0) return fail_errno(errno, "make a network namespace");
  SLIPWAY_TRY(const Fd here, current_netns());
  SLIPWAY_TRY(RouteSocket routes, RouteSocket::open());
  return routes.add_veth("slipway-a", "slipway-b", here);
}

HostCheck check_kernel() {
  utsname name{};
  ::uname(&name);
  int major = 0, minor = 0;
  const std::string_view release = name.release;
  const auto [end, error] = std::from_chars(release.data(), release.data() + release.size(), major);
  if (error == std::errc{} && end < release.data() + release.size())
    std::from_chars(end + 1, release.data() + release.size(), minor);
  if (major * 1000 + minor < 5019)
    return bad("kernel", State::fail, fmt::format("Linux {}", release),
               "Linux 5.19 or newer is needed (overlay on id-mapped mounts)");
  return good("kernel", fmt::format("Linux {}", release));
}

HostCheck check_runtime(const SandboxSettings& settings) {
  const auto runtime = find_runtime(settings);
  if (!runtime)
    return bad("oci-runtime", State::fail, runtime.error().message, "apt-get install crun");
  const auto done = run_command(std::vector<std::string>{*runtime, "--version"}, "", 10s);
  if (!done || done->exit.code != 0)
    return bad("oci-runtime", State::fail, *runtime + " does not run", "apt-get install crun");
  const auto first = lines(done->output);
  const std::string version = first.empty() ? "" : sanitize_line(first.front());
  if (fs::path(*runtime).filename() != "crun")
    return bad("oci-runtime", State::warn, version,
               "crun starts sandboxes in half the time: apt-get install crun");
  return good("oci-runtime", fmt::format("{} ({})", *runtime, version));
}

HostCheck check_init() {
  for (const char* path : {"/usr/bin/tini-static", "/usr/bin/tini"})
    if (::access(path, X_OK) == 0) return good("init", path);
  return bad("init", State::warn, "tini is not installed: apps are killed instead of stopped",
             "apt-get install tini");
}

HostCheck check_seccomp(const SandboxSettings& settings) {
  const auto list = read_file(settings.seccomp_list, 4u << 20);
  const auto made = list ? make_seccomp(*list, SeccompFor::instance) : fail(list.error());
  if (!made)
    return bad("seccomp", State::fail, made.error().message,
               "apt-get install golang-github-containers-common");
  return good("seccomp", settings.seccomp_list.string());
}

HostCheck check_cgroups(const SandboxSettings& settings) {
  const auto tree = CgroupTree::open(settings.cgroup_mount);
  if (!tree)
    return bad("cgroups", State::fail, tree.error().message,
               "mount -t cgroup2 none /sys/fs/cgroup");
  std::string missing;
  for (const char* controller : {"memory", "pids", "cpu"})
    if (!tree->has(controller)) missing += std::string(missing.empty() ? "" : ", ") + controller;
  const char* layout = tree->layout() == CgroupLayout::v2       ? "v2"
                       : tree->layout() == CgroupLayout::hybrid ? "v1, hybrid"
                                                                : "v1";
  if (!missing.empty())
    return bad("cgroups", State::fail, fmt::format("{}: no controller for {}", layout, missing),
               "boot with these controllers on, or delegate them to this container");
  return good("cgroups", layout);
}

HostCheck check_user_namespaces() {
  const auto map = make_id_map(1'000'000, 65'536);
  if (!map)
    return bad("user-namespaces", State::fail, map.error().message,
               "sysctl -w user.max_user_namespaces=15000");
  return good("user-namespaces", "available");
}

HostCheck check_packet_filter() {
  for (const char* path : {"/usr/sbin/nft", "/usr/bin/nft", "/sbin/nft"}) {
    if (::access(path, X_OK) != 0) continue;
    // --check asks the kernel about every rule and changes nothing.
    const auto done =
        run_command(std::vector<std::string>{path, "--check", "-f", "-"},
                    "table inet slipway_check {\n chain c {\n type nat hook postrouting "
                    "priority srcnat; policy accept;\n masquerade\n }\n}\n",
                    10s);
    if (done && done->exit.code == 0) return good("packet-filter", path);
    return bad("packet-filter", State::fail,
               done ? sanitize_line(trim(done->output)) : done.error().message,
               "modprobe nf_tables nft_masq nft_fib_inet");
  }
  return bad("packet-filter", State::fail, "nft was not found", "apt-get install nftables");
}

// A connection may take two, each instance, file and statement of the database some.
HostCheck check_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::string detail = fmt::format("up to {} open files", limit.rlim_max);
  if (limit.rlim_max >= comfortable_descriptors) return good("open files", detail);
  return bad("open files", State::warn, fmt::format("{}: not many connections at once", detail),
             fmt::format("raise the hard limit: LimitNOFILE={} in the unit, or ulimit -Hn",
                         comfortable_descriptors));
}

HostCheck check_disk(const SandboxSettings& settings) {
  fs::path existing = settings.state_dir;
  std::error_code ignored;
  while (!existing.empty() && !fs::exists(existing, ignored)) existing = existing.parent_path();
  const auto free = free_bytes(existing.empty() ? "/" : existing);
  if (!free) return bad("disk", State::fail, free.error().message, "");
  const std::string detail = fmt::format("{} free at {}", format_bytes(*free), existing.string());
  if (*free < comfortable_disk)
    return bad("disk", *free < little_disk ? State::fail : State::warn, detail,
               "free some space, or choose another --data directory");
  return good("disk", detail);
}

}  // namespace

std::vector<HostCheck> check_host(const SandboxSettings& settings) {
  std::vector<HostCheck> out{check_kernel(), check_runtime(settings), check_init(),
                             check_seccomp(settings), check_cgroups(settings)};
  out.push_back(check_disk(settings));
  out.push_back(check_descriptors());
  if (::geteuid() != 0) {
    out.push_back(bad("root", State::fail,
                      "the server does not run as root: the rest was not tried",
                      "run `slipway serve` as root"));
    return out;
  }
  out.push_back(check_user_namespaces());
  out.push_back(check_packet_filter());
  // On the file system where layers will lie: not every one can be an upper, or be mapped.
  std::error_code ignored;
  const fs::path parent =
      fs::exists(settings.state_dir, ignored) ? settings.state_dir : fs::temp_directory_path();
  const auto scratch = TempDir::create(parent, "doctor-");
  Status layers = scratch ? make_layers(scratch->path()) : fail(scratch.error());
  const auto attempt = [&](const char* name, Status (*work)(const fs::path&), const char* fix) {
    const Status done = layers ? try_apart(work, scratch->path()) : layers;
    out.push_back(done ? good(name, "works at " + parent.string())
                       : bad(name, State::fail, sanitize_line(done.error().message), fix));
  };
  attempt("overlayfs", try_overlay, "modprobe overlay; keep --data on ext4, xfs or btrfs");
  attempt("id-mapped mounts", try_id_mapped,
          "keep --data on ext4, xfs or btrfs, Linux 5.19 or newer");
  attempt("network devices", try_veth, "modprobe veth");
  const Status own_disk = layers ? try_apart(try_own_disk, scratch->path()) : layers;
  out.push_back(
      own_disk
          ? good("disk limits", "instances: kept by the kernel; builds: watched; volumes: counted")
          : bad("disk limits", State::warn,
                fmt::format("what instances write is counted every 10 s, not limited as "
                            "they write: {}",
                            sanitize_line(own_disk.error().message)),
                "apt-get install e2fsprogs; modprobe loop; a container needs "
                "/dev/loop-control and loop devices"));
  return out;
}

}  // namespace slipway
