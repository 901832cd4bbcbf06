#include "policy/guarded_toml.h"

#include <fmt/format.h>

#include <charconv>

#include "policy/utf8.h"

namespace slipway {
namespace {

constexpr std::size_t largest = 256 << 10;
constexpr int most_dots = 100;  // in one key; keys nest as deep as they have dots

std::unexpected<Error> refuse(int line, std::string message) {
  Error error{.code = Errc::invalid_argument, .message = std::move(message)};
  error.line = line;
  return fail(std::move(error));
}

// Characters that the library never sees in this form, and so can stand for others.
std::string unused_mark(std::string_view text) {
  for (int i = 0;; ++i)
    if (std::string mark = fmt::format("%u{}x", i); !text.contains(mark)) return mark;
}

}  // namespace

Result<GuardedToml> parse_guarded_toml(std::string_view text) {
  if (text.size() > largest)
    return refuse(0, fmt::format("a policy set is at most {} KiB", largest >> 10));
  GuardedToml out;
  out.mark = unused_mark(text);
  std::string ascii;
  ascii.reserve(text.size());
  int line = 1, dots = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_sequence(text.substr(at));
    const char c = text[at];
    if (length == 0) return refuse(line, "this is not UTF-8 text");
    if (length > 1) {
      ascii += out.mark;
      for (const char byte : text.substr(at, length))
        ascii += fmt::format("{:02x}", static_cast<unsigned char>(byte));
      ascii += '.';
    } else {
      if ((c < ' ' && c != '\n' && c != '\t' && c != '\r') || c == 0x7f)
        return refuse(line, "a control character");
      if (std::string_view("=,{[\n").contains(c)) dots = 0;
      if (c == '.' && ++dots > most_dots) return refuse(line, "a key with too many parts");
      line += c == '\n';
      ascii += c;
    }
    at += length;
  }
  auto table = parse_toml_table(ascii);
  if (!table) {
    Error error = std::move(table).error();
    error.message = out.text(error.message);
    return fail(std::move(error));
  }
  out.table = *std::move(table);
  return out;
}

std::string GuardedToml::text(std::string_view from_table) const {
  std::string out;
  for (;;) {
    const std::size_t found = from_table.find(mark);
    out += from_table.substr(0, found);
    if (found == std::string_view::npos) return out;
    from_table.remove_prefix(found + mark.size());
    const std::size_t end = std::min(from_table.find('.'), from_table.size());
    for (std::size_t i = 0; i + 1 < end; i += 2) {
      unsigned byte = 0;
      std::from_chars(from_table.data() + i, from_table.data() + i + 2, byte, 16);
      out += static_cast<char>(byte);
    }
    from_table.remove_prefix(std::min(end + 1, from_table.size()));
  }
}

}  // namespace slipway
