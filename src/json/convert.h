#pragma once

// Small helpers shared by the files of this folder that write JSON.

#include <boost/json/array.hpp>
#include <optional>
#include <ranges>
#include <string>
#include <vector>

#include "base/clock.h"
#include "json/json.h"

namespace slipway {

inline json::value or_null(const std::optional<std::string>& text) {
  return text ? json::value(*text) : json::value(nullptr);
}
inline json::value or_null(const std::optional<int>& number) {
  return number ? json::value(*number) : json::value(nullptr);
}
inline json::value or_null(const std::optional<Timestamp>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}
// The empty string stands for "nothing".
inline json::value or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

template <class Range, class Convert>
json::array to_array(const Range& range, Convert&& convert) {
  json::array out;
  for (const auto& element : range) out.push_back(convert(element));
  return out;
}
inline json::array to_array(const std::vector<std::string>& strings) {
  return to_array(strings, [](const std::string& text) { return json::value(text); });
}

}  // namespace slipway
