#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/manifest.h"
#include "model/tree.h"

namespace slipway::cli {

// The files of a folder that a deployment would have, read from the disk. For detection without a
// server. Reads only what `manifest` names, and follows no links.
class FolderTree final : public Tree {
 public:
  FolderTree(std::filesystem::path folder, const Manifest& manifest);
  [[nodiscard]] const std::vector<File>& files() const override { return files_; }
  [[nodiscard]] Result<std::string> read(std::string_view path, std::size_t limit) const override;

 private:
  std::filesystem::path folder_;
  std::vector<File> files_;
};

}  // namespace slipway::cli
