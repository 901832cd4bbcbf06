#pragma once

#include <filesystem>
#include <system_error>
#include <vector>

namespace slipway {

// What a directory holds, in no order. Never throws, as std::filesystem's own iterators do at the
// next entry although they were given an error_code. `error` says why the list is empty or ends
// early: no such directory, no permission, or one that went away meanwhile.
[[nodiscard]] std::vector<std::filesystem::directory_entry> entries_of(
    const std::filesystem::path& directory, std::error_code& error);
// Likewise, for those to whom what cannot be read is empty.
[[nodiscard]] std::vector<std::filesystem::directory_entry> entries_of(
    const std::filesystem::path& directory);

}  // namespace slipway
