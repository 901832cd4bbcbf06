#include <sstream>

#include "base/toml.h"
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
  std::ostringstream text;  // dates and times, as RFC 3339 writes them
  if (const auto* date = node.as_date())
    text << date->get();
  else if (const auto* time = node.as_time())
    text << time->get();
  else if (const auto* both = node.as_date_time())
    text << both->get();
  return json::value(text.str());
}

}  // namespace

std::optional<json::value> parse_toml(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const Result<toml::table> table = parse_toml_table(text);
  if (!table) return std::nullopt;
  return to_value(*table);
}

}  // namespace slipway::detection
