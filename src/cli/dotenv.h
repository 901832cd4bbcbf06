#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace slipway::cli {

// Reads the text of a .env file, the format that dotenv libraries share: NAME=VALUE lines,
// comments, an optional "export", 'literal' and "escaped" values that may span lines. "${NAME}"
// stays as it is written. The last of a name counts; order as first seen. Errors: invalid_argument
// with the line; never a value. Total.
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> parse_dotenv(
    std::string_view text);

// The line that reads back as this variable.
[[nodiscard]] std::string dotenv_line(std::string_view name, std::string_view value);

}  // namespace slipway::cli
