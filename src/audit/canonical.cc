#include "audit/canonical.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

namespace slipway {
namespace {

// Code points of `text` one after another; false when it is no UTF-8 (overlong forms, surrogates
// and what lies beyond U+10FFFF included).
template <class Visit>
bool each_code_point(std::string_view text, Visit visit) {
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    std::size_t length = 1;
    char32_t point = lead;
    if (lead >= 0xf0 && lead <= 0xf4)
      length = 4, point = lead & 0x07u;
    else if (lead >= 0xe0 && lead <= 0xef)
      length = 3, point = lead & 0x0fu;
    else if (lead >= 0xc2 && lead <= 0xdf)
      length = 2, point = lead & 0x1fu;
    else if (lead >= 0x80)
      return false;
    if (at + length > text.size()) return false;
    for (std::size_t i = 1; i < length; ++i) {
      const auto next = static_cast<unsigned char>(text[at + i]);
      if ((next & 0xc0u) != 0x80) return false;
      point = point << 6 | (next & 0x3fu);
    }
    if ((length == 3 && (point < 0x800 || (point >= 0xd800 && point <= 0xdfff))) ||
        (length == 4 && (point < 0x10000 || point > 0x10ffff)))
      return false;
    visit(point, text.substr(at, length));
    at += length;
  }
  return true;
}

bool append_string(std::string& out, std::string_view text) {
  out += '"';
  const bool valid = each_code_point(text, [&](char32_t point, std::string_view bytes) {
    switch (point) {
      case '"':
        out += "\\\"";
        return;
      case '\\':
        out += "\\\\";
        return;
      case '\b':
        out += "\\b";
        return;
      case '\f':
        out += "\\f";
        return;
      case '\n':
        out += "\\n";
        return;
      case '\r':
        out += "\\r";
        return;
      case '\t':
        out += "\\t";
        return;
      default:
        if (point < 0x20)
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(point));
        else
          out += bytes;
    }
  });
  out += '"';
  return valid;
}

// ECMA-262 Number::toString over the shortest digits that read back as the same double.
bool append_number(std::string& out, double number) {
  if (!std::isfinite(number)) return false;
  if (number == 0) {  // -0 too
    out += '0';
    return true;
  }
  if (number < 0) {
    out += '-';
    number = -number;
  }
  char buffer[40];
  const auto written =
      std::to_chars(std::begin(buffer), std::end(buffer), number, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<std::size_t>(written.ptr - buffer));  // d.ddde±xx
  const auto e = text.find('e');
  std::string digits;
  for (const char c : text.substr(0, e))
    if (c != '.') digits += c;
  int exponent = 0;
  std::string_view tail = text.substr(e + 1);
  if (tail.starts_with('+')) tail.remove_prefix(1);
  std::from_chars(tail.data(), tail.data() + tail.size(), exponent);
  const int count = static_cast<int>(digits.size()), point = exponent + 1;
  if (count <= point && point <= 21) {
    out.append(digits).append(static_cast<std::size_t>(point - count), '0');
  } else if (0 < point && point <= 21) {
    out.append(digits, 0, static_cast<std::size_t>(point));
    out += '.';
    out.append(digits, static_cast<std::size_t>(point));
  } else if (-6 < point && point <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-point), '0').append(digits);
  } else {
    out += digits[0];
    if (count > 1) out.append(".").append(digits, 1);
    fmt::format_to(std::back_inserter(out), "e{}{}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  return true;
}

bool by_utf16(std::string_view a, std::string_view b) {
  // UTF-8 order is code point order; UTF-16 differs from it only in that the surrogates of what
  // lies beyond U+FFFF come before U+E000..U+FFFF.
  const auto [x, y] = std::ranges::mismatch(a, b);
  if (x == a.end() || y == b.end()) return a.size() < b.size();
  const auto p = static_cast<unsigned char>(*x), q = static_cast<unsigned char>(*y);
  const bool p_astral = p >= 0xf0, q_astral = q >= 0xf0;
  if (p_astral != q_astral) {
    if (p_astral && q >= 0xee) return true;
    if (q_astral && p >= 0xee) return false;
  }
  return p < q;
}

bool append(std::string& out, const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      out += "null";
      return true;
    case json::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      return true;
    case json::kind::int64:
      return append_number(out, static_cast<double>(value.get_int64()));
    case json::kind::uint64:
      return append_number(out, static_cast<double>(value.get_uint64()));
    case json::kind::double_:
      return append_number(out, value.get_double());
    case json::kind::string:
      return append_string(out, value.get_string());
    case json::kind::array: {
      out += '[';
      bool first = true;
      for (const json::value& element : value.get_array()) {
        if (!std::exchange(first, false)) out += ',';
        if (!append(out, element)) return false;
      }
      out += ']';
      return true;
    }
    case json::kind::object:
      break;
  }
  std::vector<const json::key_value_pair*> members;
  members.reserve(value.get_object().size());
  for (const json::key_value_pair& member : value.get_object()) members.push_back(&member);
  std::ranges::sort(members, by_utf16,
                    [](const auto* member) { return std::string_view(member->key()); });
  out += '{';
  bool first = true;
  for (const json::key_value_pair* member : members) {
    if (!std::exchange(first, false)) out += ',';
    if (!append_string(out, member->key())) return false;
    out += ':';
    if (!append(out, member->value())) return false;
  }
  out += '}';
  return true;
}

}  // namespace

Result<std::string> canonical_json(const json::value& value) {
  std::string out;
  out.reserve(512);
  if (!append(out, value))
    return fail(Errc::invalid_argument,
                "no canonical JSON: text that is no UTF-8, or a number that is not finite");
  return out;
}

Result<json::value> parse_canonical(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error, {}, {.max_depth = 32});
  if (error) return fail(Errc::corrupt, "not valid JSON: " + error.message());
  const Result<std::string> again = canonical_json(value);
  if (!again || *again != text) return fail(Errc::corrupt, "not in canonical form (RFC 8785)");
  return value;
}

}  // namespace slipway
