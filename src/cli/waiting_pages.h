#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "cli/server.h"
#include "json/json.h"

namespace slipway::cli {

// Reads pages of what waits for people from `target` (/v1/approvals, /v1/waivers, /v1/break-glass,
// with its query), until `limit` things are there in all. The lists have the names that the answer
// gives them; "more" says whether there are others.
struct WaitingThings {
  json::object lists;
  bool more = false;
};
[[nodiscard]] Result<WaitingThings> read_waiting(ApiClient& api, const std::string& target,
                                                 std::size_t limit);

}  // namespace slipway::cli
