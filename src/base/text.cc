#include "base/text.h"

#include <fmt/format.h>

#include <cstdint>

namespace slipway {

std::string_view trim(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n\v\f";
  const auto first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::vector<std::string_view> lines(std::string_view text) {
  std::vector<std::string_view> out = split(text, '\n');
  if (out.back().empty()) out.pop_back();
  for (std::string_view& line : out)
    if (line.ends_with('\r')) line.remove_suffix(1);
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

namespace {

// Length of the valid UTF-8 sequence at the start of `text` and its code point; 0 when invalid
// (overlong forms, surrogates and values past U+10FFFF included). Unicode 15, table 3-7.
std::size_t utf8_length(std::string_view text, std::uint32_t& code_point) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  std::size_t length = 0;
  if (lead < 0x80)
    length = 1, code_point = lead;
  else if (lead >= 0xc2 && lead <= 0xdf)
    length = 2, code_point = lead & 0x1fu;
  else if (lead >= 0xe0 && lead <= 0xef)
    length = 3, code_point = lead & 0x0fu;
  else if (lead >= 0xf0 && lead <= 0xf4)
    length = 4, code_point = lead & 0x07u;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code_point = code_point << 6 | (byte(i) & 0x3fu);
  }
  const bool overlong =
      (length == 3 && code_point < 0x800) || (length == 4 && code_point < 0x10000);
  const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  return overlong || surrogate || code_point > 0x10ffff ? 0 : length;
}

// Bidirectional controls, zero-width and tag characters: text that shows as something it is not.
bool hidden(std::uint32_t c) {
  return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
         (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
         (c >= 0xe0000 && c <= 0xe007f);
}

// Length of the SGR sequence (ESC [ digits and ; m) at the start of `text`, or 0.
std::size_t sgr_length(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  const auto end = text.find_first_not_of("0123456789;", 2);
  return end != std::string_view::npos && text[end] == 'm' ? end + 1 : 0;
}

}  // namespace

std::string sanitize_line(std::string_view text, Colors colors) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    if (const std::size_t sgr = sgr_length(text); sgr > 0) {
      if (colors == Colors::keep) out += text.substr(0, sgr);
      text.remove_prefix(sgr);
      continue;
    }
    std::uint32_t c = 0;
    const std::size_t length = utf8_length(text, c);
    if (length == 0) {
      out += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (c == '\t' || (c >= 0x20 && c != 0x7f && (c < 0x80 || c > 0x9f) && !hidden(c)))
      out += text.substr(0, length);
    else if (c < 0x100)
      out += fmt::format("\\x{:02x}", c);
    else
      out += fmt::format("\\u{{{:x}}}", c);
    text.remove_prefix(length);
  }
  return out;
}

std::string shell_quote(std::string_view word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@,+%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos)
    return std::string(word);
  std::string out = "'";
  for (char c : word) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  static constexpr std::string_view units[] = {"KB", "MB", "GB", "TB", "PB", "EB"};
  std::size_t unit = 0;
  for (value /= 1000; value >= 999.5 && unit + 1 < std::size(units); value /= 1000) ++unit;
  return value < 9.95 ? fmt::format("{:.1f} {}", value, units[unit])
                      : fmt::format("{:.0f} {}", value, units[unit]);
}

std::string slug(std::string_view text) {
  std::string out;
  for (char raw : to_lower(text)) {
    const bool letter = raw >= 'a' && raw <= 'z', digit = raw >= '0' && raw <= '9';
    if (letter || (digit && !out.empty()))
      out += raw;
    else if (!out.empty() && out.back() != '-')
      out += '-';
    if (out.size() == 40) break;
  }
  while (out.ends_with('-')) out.pop_back();
  return out.empty() ? "app" : out;
}

bool is_slug(std::string_view text) { return !text.empty() && slug(text) == text; }

}  // namespace slipway
