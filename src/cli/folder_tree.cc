#include "cli/folder_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sys/files.h"

namespace slipway::cli {

FolderTree::FolderTree(std::filesystem::path folder, const Manifest& manifest)
    : folder_(std::move(folder)) {
  for (const ManifestEntry& entry : manifest.entries)
    if (entry.mode != FileMode::symlink)
      files_.push_back({entry.path, entry.size, entry.mode == FileMode::executable});
}

Result<std::string> FolderTree::read(std::string_view path, std::size_t limit) const {
  const auto found = std::ranges::lower_bound(files_, path, {}, &File::path);
  if (found == files_.end() || found->path != path)
    return fail(Errc::not_found, fmt::format("{} is not in the folder", path));
  return read_file(folder_ / path, limit);
}

}  // namespace slipway::cli
