#include "json/json.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>

namespace slipway {

Result<json::value> parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = 64;
  json::stream_parser parser({}, options);
  boost::system::error_code error;
  const std::size_t used = parser.write_some(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  if (!error && text.find_first_not_of(" \t\r\n", used) != std::string_view::npos)
    error = json::make_error_code(json::error::extra_data);
  if (error)
    return fail(Errc::invalid_argument,
                fmt::format("not valid JSON at byte {}: {}", used, error.message()));
  return parser.release();
}

namespace {

void write_pretty(std::string& out, const json::value& value, std::size_t indent) {
  const auto newline = [&](std::size_t depth) { out.append("\n").append(depth * 2, ' '); };
  if (const json::object* object = value.if_object(); object != nullptr && !object->empty()) {
    out += '{';
    bool first = true;
    for (const auto& [key, member] : *object) {
      if (!first) out += ',';
      first = false;
      newline(indent + 1);
      out += json::serialize(json::string(key));
      out += ": ";
      write_pretty(out, member, indent + 1);
    }
    newline(indent);
    out += '}';
  } else if (const json::array* array = value.if_array(); array != nullptr && !array->empty()) {
    out += '[';
    bool first = true;
    for (const json::value& element : *array) {
      if (!first) out += ',';
      first = false;
      newline(indent + 1);
      write_pretty(out, element, indent + 1);
    }
    newline(indent);
    out += ']';
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string pretty(const json::value& value) {
  std::string out;
  write_pretty(out, value, 0);
  return out;
}

}  // namespace slipway
