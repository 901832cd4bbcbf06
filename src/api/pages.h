#pragma once

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/context.h"

namespace slipway {

// ?limit= of a list: 50 unless told, 1,000 at the most. Errors: invalid_argument.
[[nodiscard]] inline Result<std::size_t> page_limit(const ApiCall& call) {
  const auto text = call.request.query_value("limit");
  if (!text || text->empty()) return std::size_t{50};
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || end != text->data() + text->size() || number > 1000)
    return fail(Errc::invalid_argument, "limit must be a number up to 1000");
  return std::max<std::size_t>(number, 1);
}

// A page of a list that is short enough to be read whole: {name: […], "next_cursor": …}, in the
// order of `key_of`, which tells each of them from the others and is nothing that the caller may
// not know. A cursor is the key of the last one that was shown, so that what comes or goes
// meanwhile neither repeats nor hides another.
template <class Item, class Key, class Json>
[[nodiscard]] Result<ApiResponse> paged(const ApiCall& call, std::string_view name,
                                        std::vector<Item> items, Key key_of, Json to_json) {
  SLIPWAY_TRY(const std::size_t limit, page_limit(call));
  std::vector<std::pair<std::string, const Item*>> order;
  order.reserve(items.size());
  for (const Item& item : items) order.emplace_back(key_of(item), &item);
  std::ranges::sort(order, {}, &std::pair<std::string, const Item*>::first);
  const std::string after(call.request.query_value("cursor").value_or(""));
  auto at = after.empty() ? order.begin()
                          : std::ranges::upper_bound(order, after, {},
                                                     &std::pair<std::string, const Item*>::first);
  json::array out;
  for (; at != order.end() && out.size() < limit; ++at) out.push_back(to_json(*at->second));
  const bool more = at != order.end();
  return json_response(
      200, json::object{{name, std::move(out)},
                        {"next_cursor", more ? json::value(std::prev(at)->first) : nullptr}});
}

}  // namespace slipway
