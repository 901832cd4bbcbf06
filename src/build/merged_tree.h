#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway {

// What an overlay of directories would show, read without mounting it: upper entries hide lower
// ones, whiteouts (a 0:0 character device) and opaque directories included. Links are reported,
// never followed, so nothing outside the layers is ever read. For layers that no longer change.
class MergedTree {
 public:
  // The layers' directories, lowest first.
  explicit MergedTree(std::vector<std::filesystem::path> layers);

  struct Entry {
    enum class Kind { file, directory, symlink, other };
    std::string path;  // relative to the tree's root
    Kind kind = Kind::file;
    std::filesystem::path file;  // on the host, of the layer that shows it
    std::uint64_t size = 0;
  };
  // Nothing at `path` and a file at `path` are both empty. Sorted by path. Errors: io.
  [[nodiscard]] Result<std::vector<Entry>> list(std::string_view path) const;
  // As find(1): every entry below `path` that is no directory. `enter` may leave directories out.
  // Errors: io, too_large beyond `limit` entries.
  [[nodiscard]] Result<std::vector<Entry>> walk(
      std::string_view path, std::size_t limit,
      const std::function<bool(const Entry& directory)>& enter) const;
  [[nodiscard]] bool is_directory(std::string_view path) const;

 private:
  std::vector<std::filesystem::path> layers_;  // topmost first
};

}  // namespace slipway
