#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Parsers for the files that projects keep their facts in. All are total: hostile input gives
// nothing, never an exception, and depth is bounded. JSON, TOML and YAML become one kind of value,
// so that the rest of detection reads every manifest the same way.
namespace slipway::detection {

namespace json = boost::json;

// JSON as people write it: comments, trailing commas and a byte order mark are allowed.
[[nodiscard]] std::optional<json::value> parse_json_lenient(std::string_view text);
[[nodiscard]] std::optional<json::value> parse_toml(std::string_view text);
// The YAML of configuration files: block and flow maps and lists, quoted and plain scalars, literal
// blocks, anchors and merges. No tags or multiple documents (the first one counts). Scalars stay
// strings.
[[nodiscard]] std::optional<json::value> parse_yaml(std::string_view text);

struct XmlNode {
  std::string name, text;
  std::vector<XmlNode> children;
  [[nodiscard]] const XmlNode* find(std::string_view child) const;
  // The text at a path of children; empty when absent.
  [[nodiscard]] std::string_view text_at(std::initializer_list<std::string_view> path) const;
};
[[nodiscard]] std::optional<XmlNode> parse_xml(std::string_view text);

// The value at a path of object members, or null.
[[nodiscard]] const json::value* find(const json::value& value,
                                      std::initializer_list<std::string_view> path);
// The string there; empty when absent or of another kind.
[[nodiscard]] std::string_view string_at(const json::value& value,
                                         std::initializer_list<std::string_view> path);
// The object there; an empty one when absent.
[[nodiscard]] const json::object& object_at(const json::value& value,
                                            std::initializer_list<std::string_view> path);
// The strings of the array there, or the one string there.
[[nodiscard]] std::vector<std::string> strings_at(const json::value& value,
                                                  std::initializer_list<std::string_view> path);
[[nodiscard]] inline std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

// The first line (from 1) that contains `needle`; 0 when none does. For evidence only.
[[nodiscard]] int line_of(std::string_view text, std::string_view needle);

}  // namespace slipway::detection
