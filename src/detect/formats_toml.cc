// toml++ is a heavy header; it is seen only here.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 64
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <toml++/toml.h>
#pragma clang diagnostic pop

#include "detect/formats.h"

namespace slipway::detection {
namespace {

json::value to_value(const toml::node& node) {
  if (const toml::table* table = node.as_table()) {
    json::object object;
    for (const auto& [key, child] : *table) object[key.str()] = to_value(child);
    return object;
  }
  if (const toml::array* array = node.as_array()) {
    json::array list;
    for (const toml::node& child : *array) list.push_back(to_value(child));
    return list;
  }
  if (const auto* text = node.as_string()) return json::value(text->get());
  if (const auto* number = node.as_integer()) return json::value(number->get());
  if (const auto* number = node.as_floating_point()) return json::value(number->get());
  if (const auto* flag = node.as_boolean()) return json::value(flag->get());
  return nullptr;  // dates
}

}  // namespace

std::optional<json::value> parse_toml(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const toml::parse_result result = toml::parse(text);
  if (!result) return std::nullopt;
  return to_value(result.table());
}

}  // namespace slipway::detection
