#include "sys/mounts.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "sys/files.h"

namespace slipway {

Status enter_private_mount_namespace() {
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno(errno, "unshare mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return fail_errno(errno, "make mounts private");
  return {};
}

Result<Fd> make_id_map(std::uint32_t host_base, std::uint32_t count) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  Fd read_end(pipe[0]), write_end(pipe[1]);
  // A raw clone: the child only waits to be killed, it runs no code that minds being a copy.
  const long child = ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, 0);
  if (child < 0) return fail_errno(errno, "make a user namespace");
  if (child == 0) {
    ::close(write_end.get());
    char byte;
    std::ignore = ::read(read_end.get(), &byte, 1);  // until the parent lets go, or dies
    ::_exit(0);
  }
  const std::string proc = fmt::format("/proc/{}/", child);
  const std::string map = fmt::format("0 {} {}\n", host_base, count);
  const auto write_map = [&](const std::string& name) -> Status {
    SLIPWAY_TRY(const Fd fd, open_file(proc + name, O_WRONLY));
    return write_all(fd.get(), map);
  };
  Result<Fd> out = [&]() -> Result<Fd> {
    SLIPWAY_CHECK(write_map("uid_map"));
    SLIPWAY_CHECK(write_map("gid_map"));
    return open_file(proc + "ns/user", O_RDONLY);
  }();
  write_end.reset();
  ::waitpid(static_cast<pid_t>(child), nullptr, 0);
  return out;
}

namespace {

Result<Fd> finish_clone(Fd mount, MountAccess access, const Fd* id_map, const std::string& name) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (access == MountAccess::read_only) attributes.attr_set |= MOUNT_ATTR_RDONLY;
  attributes.propagation = MS_PRIVATE;
  if (id_map != nullptr) {
    attributes.attr_set |= MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<std::uint64_t>(id_map->get());
  }
  const unsigned depth = id_map == nullptr ? unsigned{AT_RECURSIVE} : 0u;
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH | depth, &attributes, sizeof attributes) != 0)
    return fail_errno(errno, "set attributes of a mount of " + name);
  return mount;
}

Status set_string(const Fd& context, const char* key, const std::string& value) {
  if (::fsconfig(context.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0) return {};
  const int saved = errno;
  // The kernel says more in the context's own log.
  std::array<char, 512> text{};
  const ssize_t n = ::read(context.get(), text.data(), text.size() - 1);
  return fail_errno(
      saved, fmt::format("mount option {}={} {}", key, value,
                         n > 0 ? std::string_view(text.data(), static_cast<std::size_t>(n)) : ""));
}

Status set_lowers(const Fd& context, const std::vector<std::string>& lowers) {
  std::string joined;
  for (const std::string& lower : lowers) joined += (joined.empty() ? "" : ":") + lower;
  // One option holds 255 bytes. Newer kernels (6.5) take the layers one by one as well.
  if (joined.size() <= 255) return set_string(context, "lowerdir", joined);
  for (const std::string& lower : lowers) SLIPWAY_CHECK(set_string(context, "lowerdir+", lower));
  return {};
}

Result<Fd> finish_new(const Fd& context, unsigned attributes, const char* name) {
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    const int saved = errno;
    std::array<char, 512> text{};
    const ssize_t n = ::read(context.get(), text.data(), text.size() - 1);
    return fail_errno(
        saved,
        fmt::format("make a new {} {}", name,
                    n > 0 ? std::string_view(text.data(), static_cast<std::size_t>(n)) : ""));
  }
  Fd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes));
  if (!mount.valid()) return fail_errno(errno, fmt::format("mount a new {}", name));
  return mount;
}

}  // namespace

Result<Fd> clone_mount(const std::filesystem::path& path, MountAccess access, const Fd* id_map) {
  // What the host has mounted below comes along, except that an id map needs a mount of its own.
  const unsigned depth = id_map == nullptr ? unsigned{AT_RECURSIVE} : 0u;
  Fd mount(::open_tree(AT_FDCWD, path.c_str(),
                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW | depth));
  if (!mount.valid()) return fail_errno(errno, "clone mount of " + path.string());
  return finish_clone(std::move(mount), access, id_map, path.string());
}

Result<Fd> clone_mount_at(const Fd& file, MountAccess access, const Fd* id_map) {
  Fd mount(::open_tree(file.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
  if (!mount.valid()) return fail_errno(errno, "clone a mount");
  return finish_clone(std::move(mount), access, id_map, "an open directory");
}

Result<Fd> new_tmpfs(const std::vector<std::pair<std::string, std::string>>& options) {
  const Fd context(::fsopen("tmpfs", FSOPEN_CLOEXEC));
  if (!context.valid()) return fail_errno(errno, "open tmpfs");
  for (const auto& [key, value] : options) SLIPWAY_CHECK(set_string(context, key.c_str(), value));
  return finish_new(context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, "tmpfs");
}

Result<Fd> new_block_mount(const char* type, const std::string& device,
                           const std::vector<std::pair<std::string, std::string>>& options) {
  const Fd context(::fsopen(type, FSOPEN_CLOEXEC));
  if (!context.valid()) return fail_errno(errno, fmt::format("open {}", type));
  SLIPWAY_CHECK(set_string(context, "source", device));
  for (const auto& [key, value] : options) {
    if (!value.empty()) {
      SLIPWAY_CHECK(set_string(context, key.c_str(), value));
    } else if (::fsconfig(context.get(), FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0) != 0) {
      return fail_errno(errno, fmt::format("mount option {}", key));
    }
  }
  return finish_new(context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, type);
}

Status map_mount_ids(const Fd& mount, const Fd& id_map) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<std::uint64_t>(id_map.get());
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
    return fail_errno(errno, "map the ids of a mount");
  return {};
}

namespace {

void switch_file_owner(std::uint32_t id) {
  ::setfsgid(id);
  ::setfsuid(id);
}

}  // namespace

FileOwner::FileOwner(std::uint32_t id) {
  switch_file_owner(id);
  // Leaving 0 drops the capabilities over files; a permitted one can be taken up again.
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return;
  for (auto& set : sets) set.effective = set.permitted;
  ::syscall(SYS_capset, &header, sets.data());
}

FileOwner::~FileOwner() { switch_file_owner(0); }

Result<Fd> new_overlay(const std::vector<std::string>& lowers, const std::string& upper,
                       const std::string& work, std::uint32_t owner) {
  // An overlay does its own work (copying up, whiteouts) as whoever made it, and the id map of the
  // upper has no place for the host's root.
  const FileOwner as_owner(owner);
  const Fd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context.valid()) return fail_errno(errno, "open overlay");
  SLIPWAY_CHECK(set_string(context, "source", "slipway"));
  SLIPWAY_CHECK(set_lowers(context, lowers));
  SLIPWAY_CHECK(set_string(context, "upperdir", upper));
  SLIPWAY_CHECK(set_string(context, "workdir", work));
  return finish_new(context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, "overlay");
}

Result<Fd> new_overlay_view(const std::vector<std::string>& lowers) {
  const Fd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context.valid()) return fail_errno(errno, "open overlay");
  SLIPWAY_CHECK(set_string(context, "source", "slipway"));
  SLIPWAY_CHECK(set_lowers(context, lowers));
  return finish_new(context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, "overlay");
}

Status attach_mount(const Fd& mount, const std::string& target) {
  if (::move_mount(mount.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return fail_errno(errno, "attach a mount at " + target);
  return {};
}

Status attach_mount_at(const Fd& mount, const Fd& target) {
  if (::move_mount(mount.get(), "", target.get(), "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
    return fail_errno(errno, "attach a mount");
  return {};
}

Status make_read_only(const std::string& target) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (::mount_setattr(AT_FDCWD, target.c_str(), 0, &attributes, sizeof attributes) != 0)
    return fail_errno(errno, "make read-only " + target);
  return {};
}

Result<Fd> open_beneath(const Fd& root, std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  const std::string relative = path.empty() ? "." : std::string(path);
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root.get(), relative.c_str(), &how, sizeof how);
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if (errno == EAGAIN && attempt < 16) continue;  // raced with a rename
    if (errno == ELOOP || errno == EXDEV || errno == ENOTDIR)
      return fail(Errc::invalid_argument, "a link or a file is in the way of " + relative);
    return fail_errno(errno, "open " + relative);
  }
}

}  // namespace slipway
