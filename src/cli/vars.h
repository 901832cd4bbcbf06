#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/cli.h"
#include "json/json.h"

namespace slipway::cli {

// Words like "K=V" as a JSON object; "K" alone takes the value that `env` has for it. Errors name
// the variable, never its value.
[[nodiscard]] Result<json::object> parse_variables(std::string_view option,
                                                   const std::vector<std::string>& words,
                                                   const CliEnvironment& env);

}  // namespace slipway::cli
