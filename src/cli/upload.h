#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cli/api_client.h"
#include "cli/progress.h"
#include "store/workspace.h"

namespace slipway::cli {

// The client's side of an upload: walk the folder, tell the server what changed since the manifest
// it accepted last, send the blobs it lacks.
struct UploadRequest {
  std::filesystem::path folder;  // absolute
  std::filesystem::path cache_dir;
  std::string project;
};
struct Uploaded {
  std::string id;  // upl_…
  std::uint64_t source_files = 0, source_bytes = 0;
  std::uint64_t sent_files = 0, sent_bytes = 0;  // what the server lacked
  Duration hash{}, upload{};
  // Variables of .env and the like that stay here, for they may be secrets.
  struct LeftBehind {
    std::string file, name;
  };
  std::vector<LeftBehind> left_behind;
};

// Shows itself as the steps "hash" and "upload". A file that changes between the walk and the
// sending makes it start over, a few times. Errors: invalid_argument for an empty folder, what the
// folder, the network and the server have to say.
[[nodiscard]] Result<Uploaded> upload_folder(ApiClient& api, const UploadRequest& request,
                                             const Clock& clock, ProgressView& progress);

// The stat cache of a folder, below `cache_dir`.
[[nodiscard]] std::filesystem::path stat_cache_file(const std::filesystem::path& cache_dir,
                                                    const std::filesystem::path& folder);

// The JSON of a delta as POST /v1/uploads takes it.
[[nodiscard]] json::object to_json(const ManifestDelta& delta);

}  // namespace slipway::cli
