#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

struct CopyTreeOptions {
  // Of data; the holes of files do not count. Beyond it: too_large.
  std::uint64_t max_bytes = UINT64_MAX;
  std::uint64_t max_entries = 1'000'000;
  // Whether an entry is copied at all; everything is without it.
  std::function<bool(const std::filesystem::path& relative)> only{};
  // Asked for each ordinary file, before it is copied: what to do with it. `relative` is its path
  // below the root.
  enum class What { copy, skip };
  std::function<Result<What>(const Fd& file, const std::filesystem::path& relative)> before_file{};
};
struct CopiedTree {
  std::uint64_t bytes = 0, entries = 0;
};

// Copies what is in directory `from` into directory `to`, which exists: directories, ordinary files
// (sharing blocks where the file system can, holes as holes), links as links; with owners, modes
// and times. Sockets, pipes and devices are left out, and what vanishes meanwhile. No link is ever
// followed, so `from` may be written by somebody hostile meanwhile. Never crosses into another
// mount. What was copied before an error stays.
[[nodiscard]] Result<CopiedTree> copy_tree(const Fd& from, const Fd& to,
                                           const CopyTreeOptions& options = {});

}  // namespace slipway
