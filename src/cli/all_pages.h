#pragma once

#include <string_view>

#include "cli/api_client.h"

namespace slipway::cli {

// Every page of a list, as one answer: the members named `list` one after the other, and no cursor.
[[nodiscard]] Result<json::object> get_all(ApiClient& api, std::string_view target,
                                           std::string_view list);

}  // namespace slipway::cli
