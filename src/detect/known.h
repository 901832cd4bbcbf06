#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway {

// What a folder may be taken for (`--framework`): every framework and provider that some detector
// can answer, sorted.
[[nodiscard]] std::vector<std::string> known_frameworks();

// Errors: invalid_argument, with the names nearest to it and all that there are, for a name that no
// detector answers; "" is none.
[[nodiscard]] Status check_framework(std::string_view name);

}  // namespace slipway
