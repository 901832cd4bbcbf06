#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "build/toolchain.h"

namespace slipway {

// How a tool is fetched inside a sandbox: by a script that leaves the tool's files in
// /app/fetch/tool, using `needs` (another tool's name).
struct FetchRecipe {
  std::string needs;
  std::string script;
};
// Nothing when no registry carries the tool. `range` decides which version.
[[nodiscard]] std::optional<FetchRecipe> fetch_recipe(std::string_view name,
                                                      const VersionRange& range);

// What a directory that such a script left holds; also makes commands of what npm packages name as
// such ("slipway-bin"). Nothing when it is not a complete tool.
[[nodiscard]] std::optional<Version> finish_fetched(std::string_view name,
                                                    const std::filesystem::path& directory);

// A fetched tool that lies at `directory`, named "<name>-<version>".
[[nodiscard]] std::optional<Toolchain> read_fetched(const std::filesystem::path& directory);

}  // namespace slipway
