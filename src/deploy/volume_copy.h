#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"

namespace slipway {

// Copying the files of a volume, of which an app may write any at any time.

struct VolumeCopyRequest {
  std::filesystem::path from, to;  // directories; `to` exists and is empty
  std::uint64_t max_bytes = UINT64_MAX;
};
// Returns the bytes of data copied. Errors: too_large, disk_full, unavailable (a database stays
// locked), io.
using VolumeCopier = std::function<Result<std::uint64_t>(const VolumeCopyRequest&)>;

// In this process: SQLite databases by SQLite's own backup, all else file by file. An app that
// swaps files for links while its databases are copied could lead this astray: only for volumes
// that nothing hostile writes to (tests).
[[nodiscard]] Result<std::uint64_t> copy_volume(const VolumeCopyRequest& request);

// The same in a process of its own that sees nothing but the two directories, and is killed after
// half an hour. `self_exe` is Slipway's binary. Needs root.
[[nodiscard]] VolumeCopier confined_copier(std::filesystem::path self_exe);

// argv[1] of such a process, and its main().
inline constexpr const char* volume_copy_command = "__copy-volume";
int volume_copy_main(int argc, char** argv);

}  // namespace slipway
