#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::cli {

// Where a folder's project comes from, so that two unrelated folders of one name do not share a
// project unnoticed: "git:<host>/<path>[#<folder within>]" of the remote `origin`, without accounts
// and passwords; else "folder:<random>", kept by path in "<config_dir>/origins.json". Errors: io.
[[nodiscard]] Result<std::string> origin_of(const std::filesystem::path& folder,
                                            const std::filesystem::path& config_dir);

// "git@host:a/b.git", "https://user:secret@host/a/b" and the like: "host/a/b". "" for none.
[[nodiscard]] std::string plain_remote(std::string_view url);

}  // namespace slipway::cli
