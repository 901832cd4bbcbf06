#include "cli/all_pages.h"

#include <fmt/format.h>

namespace slipway::cli {

Result<json::object> get_all(ApiClient& api, std::string_view target, std::string_view list) {
  const std::string first = fmt::format("{}{}limit=500", target, target.contains('?') ? "&" : "?");
  json::object out;
  for (std::string cursor;;) {
    SLIPWAY_TRY(json::object page,
                api.get(cursor.empty() ? first : first + "&cursor=" + url_encode(cursor)));
    std::string next = text_at(page, "next_cursor");
    if (out.empty()) {
      out = std::move(page);
      if (!out[list].is_array()) out[list] = json::array();
    } else {
      for (const json::value& each : array_at(page, list)) out[list].as_array().push_back(each);
    }
    // A server that gives the same page again and again ends nothing.
    if (next.empty() || next == cursor) break;
    cursor = std::move(next);
  }
  out.erase("next_cursor");
  return out;
}

}  // namespace slipway::cli
