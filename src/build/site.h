#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "build/merged_tree.h"
#include "model/manifest.h"
#include "store/blob_store.h"

namespace slipway {

// What a static site publishes: a manifest of regular files, paths as in its URLs. Files that are
// not for the public stay out: names that begin with a dot (.env, .git, .htpasswd), except below
// ".well-known".
[[nodiscard]] bool is_publishable(std::string_view path);

// The site in a source tree's folder `directory` ("" is the root): no file is read or copied.
// Links count as what they lead to within the folder: a file, or a folder's files. `target_of`
// reads a link's target.
using LinkTarget = std::function<std::string(const Digest& link)>;
[[nodiscard]] Manifest site_of_source(const Manifest& source, std::string_view directory,
                                      const LinkTarget& target_of);

struct SiteLimits {
  std::uint64_t max_files = 200'000;
  std::uint64_t max_bytes = 4ull << 30;
};
// The site that a build left in folder `directory` of its layers; its files go into `blobs`. A link
// counts as the file it leads to within the folder; others are left out. `note` gets one line for
// each kind of thing left out. Errors: not_found when there is no such folder, too_large, io,
// disk_full.
[[nodiscard]] Result<Manifest> ingest_site(const MergedTree& tree, std::string_view directory,
                                           BlobStore& blobs, const SiteLimits& limits,
                                           const std::function<void(std::string_view)>& note);

// The folder that holds the built site when it is not where the plan says: one of the usual names
// below `root` that has an index.html, else any other. "" when there is none, or more than one.
[[nodiscard]] std::string find_output(const MergedTree& tree, std::string_view root);

}  // namespace slipway
