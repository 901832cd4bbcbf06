#include "model/tree.h"

#include <algorithm>
#include <utility>

namespace slipway {

void MemoryTree::add(std::string path, std::string content, bool executable) {
  const auto at = std::ranges::lower_bound(files_, path, {}, &File::path);
  const auto index = at - files_.begin();
  File file{.path = path, .size = content.size(), .executable = executable};
  if (at != files_.end() && at->path == path) {
    *at = std::move(file);
    contents_[static_cast<std::size_t>(index)] = std::move(content);
  } else {
    files_.insert(at, std::move(file));
    contents_.insert(contents_.begin() + index, std::move(content));
  }
}

Result<std::string> MemoryTree::read(std::string_view path, std::size_t limit) const {
  const auto at = std::ranges::lower_bound(files_, path, {}, &File::path);
  if (at == files_.end() || at->path != path)
    return fail(Errc::not_found, "no file " + std::string(path) + " in the tree");
  return contents_[static_cast<std::size_t>(at - files_.begin())].substr(0, limit);
}

}  // namespace slipway
