#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "model/manifest.h"
#include "store/blob_store.h"

namespace slipway {

// Source trees as layers: their names, and how to fill their directories. Used by LayerStore only.

// Names a tree: 40 hex digits of the manifest's digest and the prefix.
[[nodiscard]] std::string source_key(const Manifest& manifest, std::string_view prefix);
// "source-<key>": the whole tree. "delta-<base key>-<key>": what turns one into the other.
[[nodiscard]] std::string full_layer_id(std::string_view key);
[[nodiscard]] std::string delta_layer_id(std::string_view base_key, std::string_view key);
// The parts of a delta's id; both empty for other ids.
struct DeltaKeys {
  std::string_view base, key;
};
[[nodiscard]] DeltaKeys parse_delta_layer_id(std::string_view id);

// Whether a change that leads to a tree of `files` files is worth a layer of its own.
[[nodiscard]] bool delta_is_small(const ManifestDiff& change, std::size_t files);

// Links the files below "<directory>/<prefix>/".
[[nodiscard]] Status fill_full_layer(const std::filesystem::path& directory,
                                     const Manifest& manifest, std::string_view prefix,
                                     const BlobStore& blobs);
// Links what was added or modified and makes overlay whiteouts for what was removed: one for the
// topmost directory that vanished with all in it. A file that takes a directory's place, or the
// other way round, needs none: overlayfs stops looking below either.
[[nodiscard]] Status fill_delta_layer(const std::filesystem::path& directory,
                                      const ManifestDiff& change, const Manifest& manifest,
                                      std::string_view prefix, const BlobStore& blobs);

}  // namespace slipway
