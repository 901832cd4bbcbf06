#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/manifest.h"
#include "store/blob_store.h"

namespace slipway {

// The files of a site that hold names of model/wires.h. Files of more than 16 MiB are not looked
// at: what a bundler writes is smaller.
[[nodiscard]] std::vector<std::string> wired_files(const Manifest& site, const BlobStore& blobs);
// The same of what lies below a directory, without its node_modules, relative to it.
[[nodiscard]] std::vector<std::string> wired_files(const std::filesystem::path& directory);

}  // namespace slipway
