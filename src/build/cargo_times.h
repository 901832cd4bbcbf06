#pragma once

#include <filesystem>

#include "base/clock.h"
#include "base/result.h"
#include "model/manifest.h"
#include "store/blob_store.h"

namespace slipway {

// Cargo takes a file for unchanged when it is older than what was made of it. Files of a source
// layer carry the time at which their content was first stored, so a file that goes *back* to
// earlier content would look unchanged and yesterday's program would be shipped. This remembers,
// beside the target directory, which content each path had and since when, and puts a copy with a
// newer time into `upper` wherever the stored time would mislead. To be called before each build
// that uses `target`, by its only user.
[[nodiscard]] Status renew_times(const Manifest& source, const BlobStore& blobs,
                                 const std::filesystem::path& target,
                                 const std::filesystem::path& upper, Timestamp now);

}  // namespace slipway
