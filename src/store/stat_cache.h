#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "model/manifest.h"

namespace slipway {

// What the kernel says of a file; equal stamps mean the same content, unless the file changed
// within one tick of the clock (see StatCache::Entry).
struct FileStamp {
  std::uint64_t size = 0, inode = 0;
  std::int64_t mtime_ns = 0, ctime_ns = 0;
  std::uint32_t executable = 0;
  bool operator==(const FileStamp&) const = default;
};
[[nodiscard]] FileStamp stamp_of(const struct stat& info);

// Digests of files as they were when last hashed. A value; its file format is in docs/formats.md.
struct StatCache {
  struct Entry {
    std::string path;
    FileStamp stamp;
    Digest digest;
  };
  std::vector<Entry> entries;  // sorted by path

  // Nothing known when the file is absent, damaged, or of another version.
  [[nodiscard]] static StatCache load(const std::filesystem::path& file);
  [[nodiscard]] static StatCache parse(std::string_view bytes);
  [[nodiscard]] std::string to_bytes() const;
};

// Replaces `file` in one step, without waiting for the disk: for caches, whose readers check what
// they read. Makes the directory (0700) when it is missing.
[[nodiscard]] Status replace_file(const std::filesystem::path& file, std::string_view bytes);

}  // namespace slipway
