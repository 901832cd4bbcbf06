#include "detect/formats.h"

#include <algorithm>
#include <boost/json/parse.hpp>

namespace slipway::detection {

std::optional<json::value> parse_json_lenient(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  json::parse_options options;
  options.max_depth = 64;
  options.allow_comments = true;
  options.allow_trailing_commas = true;
  options.allow_invalid_utf8 = true;
  json::error_code error;
  json::value value = json::parse(text, error, {}, options);
  if (error) return std::nullopt;
  return value;
}

const json::value* find(const json::value& value, std::initializer_list<std::string_view> path) {
  const json::value* at = &value;
  for (const std::string_view key : path) {
    const json::object* object = at->if_object();
    if (object == nullptr) return nullptr;
    at = object->if_contains(key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

std::string_view string_at(const json::value& value, std::initializer_list<std::string_view> path) {
  const json::value* at = find(value, path);
  const json::string* text = at == nullptr ? nullptr : at->if_string();
  return text == nullptr ? std::string_view{} : view(*text);
}

const json::object& object_at(const json::value& value,
                              std::initializer_list<std::string_view> path) {
  static const json::object none;
  const json::value* at = find(value, path);
  const json::object* object = at == nullptr ? nullptr : at->if_object();
  return object == nullptr ? none : *object;
}

std::vector<std::string> strings_at(const json::value& value,
                                    std::initializer_list<std::string_view> path) {
  std::vector<std::string> found;
  const json::value* at = find(value, path);
  if (at == nullptr) return found;
  if (const json::string* text = at->if_string()) found.emplace_back(view(*text));
  if (const json::array* array = at->if_array())
    for (const json::value& item : *array)
      if (const json::string* text = item.if_string()) found.emplace_back(view(*text));
  return found;
}

int line_of(std::string_view text, std::string_view needle) {
  const std::size_t at = needle.empty() ? std::string_view::npos : text.find(needle);
  if (at == std::string_view::npos) return 0;
  return 1 + static_cast<int>(std::ranges::count(text.substr(0, at), '\n'));
}

}  // namespace slipway::detection
