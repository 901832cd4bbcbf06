#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <limits>

#include "base/result.h"

namespace slipway {

// Space of a file system: bytes of its blocks, and names for files (each file, directory and link
// takes one). A file system runs out of either.
struct DiskSpace {
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;
  bool operator==(const DiskSpace&) const = default;
  // Whether there is more than `other` of either.
  [[nodiscard]] bool exceeds(const DiskSpace& other) const {
    return bytes > other.bytes || inodes > other.inodes;
  }
};

// What is used below `root`, without following links and without `root` itself; a file with several
// names counts once. Of what was not changed since `since` (by CLOCK_REALTIME) nothing. Stops early
// once it exceeds `enough`; what vanishes meanwhile does not count.
[[nodiscard]] DiskSpace disk_space_used(const std::filesystem::path& root, const DiskSpace& enough,
                                        const timespec& since = {});

// What an ordinary process may still use of the file system of `path`. One that does not count
// inodes has as many as there are numbers.
[[nodiscard]] Result<DiskSpace> disk_space_free(const std::filesystem::path& path);

}  // namespace slipway
