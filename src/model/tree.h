#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway {

// A read-only tree of files, wherever they lie: a directory, a manifest and its blobs, memory
// (tests). Detection and scanning see nothing else. Implementations may cache; not thread-safe
// unless one says so.
class Tree {
 public:
  struct File {
    std::string path;  // as in ManifestEntry
    std::uint64_t size = 0;
    bool executable = false;
  };
  virtual ~Tree() = default;
  // Every regular file, sorted by path; stable for the life of the tree.
  [[nodiscard]] virtual const std::vector<File>& files() const = 0;
  // The first `limit` bytes of a file. Errors: not_found, io.
  [[nodiscard]] virtual Result<std::string> read(std::string_view path,
                                                 std::size_t limit) const = 0;
};

// For tests, archives and fuzzing.
class MemoryTree final : public Tree {
 public:
  MemoryTree() = default;
  // Replaces a file of the same path. Keeps files() sorted.
  void add(std::string path, std::string content, bool executable = false);
  [[nodiscard]] const std::vector<File>& files() const override { return files_; }
  [[nodiscard]] Result<std::string> read(std::string_view path, std::size_t limit) const override;

 private:
  std::vector<File> files_;
  std::vector<std::string> contents_;
};

}  // namespace slipway
