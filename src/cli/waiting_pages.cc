#include "cli/waiting_pages.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/view.h"

namespace slipway::cli {
namespace {

constexpr std::size_t page = 200;

}  // namespace

Result<WaitingThings> read_waiting(ApiClient& api, const std::string& target, std::size_t limit) {
  WaitingThings out;
  std::size_t left = limit;
  for (std::string cursor;;) {
    std::string query =
        fmt::format("{}{}limit={}", target, target.contains('?') ? "&" : "?", std::min(page, left));
    if (!cursor.empty()) query += "&cursor=" + url_encode(cursor);
    SLIPWAY_TRY(const json::object answer, api.get(query));
    for (const auto& [name, list] : answer) {
      if (!list.is_array()) continue;
      json::value& into = out.lists[name];
      if (!into.is_array()) into = json::array{};
      for (const json::value& each : list.get_array()) into.get_array().push_back(each);
      if (name != "refused") left -= std::min(left, list.get_array().size());
    }
    cursor = text_at(answer, "next_cursor");
    out.more = !cursor.empty();
    if (cursor.empty() || left == 0) return out;
  }
}

}  // namespace slipway::cli
