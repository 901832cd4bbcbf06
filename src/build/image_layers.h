#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/layer_store.h"
#include "sys/fd.h"

namespace slipway {

// A store of images as buildah keeps it (containers/storage, overlay driver), read after the
// sandbox that wrote it is gone. Whatever ran in there may have written anything: nothing in it is
// believed, no link is followed and no path leads out of it. Not thread-safe.
class ImageStorage {
 public:
  // Errors: not_found, io.
  [[nodiscard]] static Result<ImageStorage> open(const std::filesystem::path& directory);

  struct Layer {
    std::string id, parent, digest;  // digest: of the uncompressed archive
  };
  // The topmost layer of an image ("sha256:…" or its hex). Errors: corrupt, not_found.
  [[nodiscard]] Result<std::string> top_layer(std::string_view image) const;
  [[nodiscard]] const Layer* find(std::string_view id) const;
  // Puts a layer's files into `target`, as overlays of ours understand them: ownership, modes and
  // times kept, whiteouts and opaque directories too; no devices, no extended attributes. `link`
  // makes hard links, for storages that nobody writes to any more. Errors: corrupt; build_failed
  // for ids beyond a sandbox's range; disk_full, io.
  enum class Files { copied, linked };
  [[nodiscard]] Status extract(std::string_view id, const std::filesystem::path& target,
                               Files files) const;

 private:
  std::filesystem::path path_;
  Fd root_;
  std::vector<Layer> layers_;
};

// The layers of `image`, lowest first, in `layers`: made from `project` and, for what it is built
// on, from `bases`, whose layers all projects share. `owner` names the project.
[[nodiscard]] Result<std::vector<std::string>> import_image(std::string_view image,
                                                            std::string_view owner,
                                                            const ImageStorage& project,
                                                            const std::vector<ImageStorage>& bases,
                                                            const LayerStore& layers);

}  // namespace slipway
