#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slipway {

// "%41" -> "A". Nothing for a broken escape or a NUL byte.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);
// "a=1&b=x+y" -> pairs, decoded ('+' is a space). Nothing for a broken escape.
[[nodiscard]] std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(
    std::string_view query);
// For a Location: everything but unreserved characters and '/' as %XX.
[[nodiscard]] std::string percent_encode_path(std::string_view path);

}  // namespace slipway
