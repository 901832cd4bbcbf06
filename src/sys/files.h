#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// Opens with O_CLOEXEC added. Errors name the path.
[[nodiscard]] Result<Fd> open_file(const std::filesystem::path& path, int flags,
                                   unsigned mode = 0644);
// The whole file, or at most `limit` bytes of it. Errors: not_found, io, ...
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path,
                                            std::size_t limit = static_cast<std::size_t>(-1));
// Writes all of `bytes`, past short writes and EINTR.
[[nodiscard]] Status write_all(int fd, std::string_view bytes);
// Durable and atomic: temporary file beside it, fsync, rename, fsync of the directory.
[[nodiscard]] Status write_file_atomic(const std::filesystem::path& path, std::string_view bytes,
                                       unsigned mode = 0644);
[[nodiscard]] Status fsync_directory(const std::filesystem::path& directory);
[[nodiscard]] Status make_directories(const std::filesystem::path& path, unsigned mode = 0755);
// Removes a tree without following links and without leaving its file system; absent is fine, and
// so is somebody else who removes it at the same time.
[[nodiscard]] Status remove_tree(const std::filesystem::path& path);
// Free bytes that an ordinary process may use on the file system of `path`.
[[nodiscard]] Result<std::uint64_t> free_bytes(const std::filesystem::path& path);

// The same, and how many files may still be made; `inodes_total` is 0 where that is not limited.
struct FreeSpace {
  std::uint64_t bytes = 0, inodes = 0, inodes_total = 0;
};
[[nodiscard]] Result<FreeSpace> free_space(const std::filesystem::path& path);

// Bytes of disk below `root`, without following links; a file with several names counts once. Stops
// early once above `enough`; what vanishes meanwhile does not count.
[[nodiscard]] std::uint64_t disk_usage(const std::filesystem::path& root, std::uint64_t enough);

// A directory that is removed, with all in it, at the end of its owner's life.
class TempDir {
 public:
  // A fresh directory "<parent>/<prefix>XXXXXX", mode 0700.
  [[nodiscard]] static Result<TempDir> create(const std::filesystem::path& parent,
                                              std::string_view prefix);
  TempDir(TempDir&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  TempDir& operator=(TempDir&& other) noexcept {
    if (this != &other) std::swap(path_, other.path_);
    return *this;
  }
  ~TempDir();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Keeps the directory (it was renamed away, say).
  void release() { path_.clear(); }

 private:
  explicit TempDir(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace slipway
