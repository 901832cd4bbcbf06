#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// Not "mount.h": src/ is on the include path, where that name would hide the C library's header.
//
// Mounts by descriptor (the kernel's new mount API): nothing is visible in a mount namespace until
// attached, and a detached mount goes with its descriptor.

// A new mount namespace for the calling process, from which nothing propagates back.
// Single-threaded callers only.
[[nodiscard]] Status enter_private_mount_namespace();

// Maps ids 0..count-1 on disk to host_base.. in a mount; the descriptor is a user namespace. Forks
// for a moment: for small, single-threaded processes.
[[nodiscard]] Result<Fd> make_id_map(std::uint32_t host_base, std::uint32_t count);

enum class MountAccess { read_only, read_write };
// A detached bind of `path`, with nosuid and nodev. With `id_map` (see make_id_map) ownership is
// mapped; without, what the host has mounted below `path` comes along. The last component must not
// be a link.
[[nodiscard]] Result<Fd> clone_mount(const std::filesystem::path& path, MountAccess access,
                                     const Fd* id_map);
// The same from a directory or file that is open already (O_PATH will do).
[[nodiscard]] Result<Fd> clone_mount_at(const Fd& file, MountAccess access, const Fd* id_map);
// A new tmpfs; options as for mount(8), e.g. {{"size", "1m"}, {"mode", "0755"}}.
[[nodiscard]] Result<Fd> new_tmpfs(const std::vector<std::pair<std::string, std::string>>& options);
// The file system on block device `device`, with nosuid and nodev; "" as value is an option that
// has none.
[[nodiscard]] Result<Fd> new_block_mount(
    const char* type, const std::string& device,
    const std::vector<std::pair<std::string, std::string>>& options);
// Maps the ids of a new mount, which must not have been attached yet, as clone_mount() does.
[[nodiscard]] Status map_mount_ids(const Fd& mount, const Fd& id_map);
// The calling thread, root, makes files as user and group `id` while this lives, with all its
// capabilities. Where ids are mapped, files of anybody outside the map cannot be made.
class FileOwner {
 public:
  explicit FileOwner(std::uint32_t id);
  ~FileOwner();
  FileOwner(const FileOwner&) = delete;
  FileOwner& operator=(const FileOwner&) = delete;
};

// A new overlay, lowest layer last in `lowers` (as the kernel has it). All must be attached paths;
// `owner` is the user and group who owns what the overlay itself makes.
[[nodiscard]] Result<Fd> new_overlay(const std::vector<std::string>& lowers,
                                     const std::string& upper, const std::string& work,
                                     std::uint32_t owner);
// The same for looking only: nothing can be written. Two lowers at the least.
[[nodiscard]] Result<Fd> new_overlay_view(const std::vector<std::string>& lowers);
[[nodiscard]] Status attach_mount(const Fd& mount, const std::string& target);
[[nodiscard]] Status attach_mount_at(const Fd& mount, const Fd& target);
// Makes the mount at `target` read-only, not those below it.
[[nodiscard]] Status make_read_only(const std::string& target);

// Opens `path` (relative, or absolute and then taken relative) beneath `root` without following any
// link and without leaving it; O_PATH. Errors: not_found, invalid_argument when a link is in it.
[[nodiscard]] Result<Fd> open_beneath(const Fd& root, std::string_view path);

}  // namespace slipway
