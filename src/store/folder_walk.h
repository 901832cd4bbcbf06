#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/manifest.h"
#include "store/stat_cache.h"
#include "store/workspace.h"

namespace slipway {

// A file of a folder, not read yet; of a link the target is its content.
struct FoundFile {
  std::string path;
  FileMode mode = FileMode::regular;
  FileStamp stamp;
  std::string link_target;
  // A file of variables: only what is public in it is to be uploaded (env_values.h).
  enum class Part { whole, public_values } part = Part::whole;
};
struct FoundFiles {
  std::vector<FoundFile> files;  // sorted by path
  std::vector<std::string> notes;
};

// Lists what of the directory behind `root` is to be uploaded, see scan_folder(). Reads no file but
// the ignore files.
[[nodiscard]] Result<FoundFiles> walk_folder(int root, const ScanLimits& limits);

// Opens a file below `root` for reading, through no link at all.
[[nodiscard]] Result<Fd> open_below(int root, const std::string& path);

}  // namespace slipway
