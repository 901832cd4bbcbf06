#include "audit/tile.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace slipway::tlog {
namespace {

constexpr std::size_t most_digits = 15;  // of an index: far beyond any log, and no overflow

std::unexpected<Error> bad(std::string_view what) {
  return fail(Errc::invalid_argument, fmt::format("not the {} of a tile", what),
              "see c2sp.org/tlog-tiles: tile/<level>/x001/x234/067, .p/<width> behind it when it "
              "is partial");
}

// Digits alone, and no zero in front of others.
std::optional<unsigned> small_number(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || std::to_string(number) != text)
    return std::nullopt;
  return number;
}

}  // namespace

std::string TileNumber::path() const {
  std::string digits = std::to_string(index);
  digits.insert(0, (3 - digits.size() % 3) % 3, '0');
  std::string out;
  for (std::size_t at = 0; at < digits.size(); at += 3) {
    if (at + 3 < digits.size()) out += 'x';
    out += digits.substr(at, 3);
    if (at + 3 < digits.size()) out += '/';
  }
  if (width < tile_width) out += fmt::format(".p/{}", width);
  return out;
}

Result<TileNumber> TileNumber::parse(std::string_view path) {
  constexpr std::string_view partial = ".p/";
  TileNumber out;
  std::string_view number = path;
  if (const auto at = path.find(partial); at != std::string_view::npos) {
    number = path.substr(0, at);
    const auto width = small_number(path.substr(at + partial.size()));
    if (!width || *width == 0 || *width >= tile_width) return bad("width");
    out.width = *width;
  }
  std::string digits;
  for (const char c : number)
    if (c >= '0' && c <= '9')
      digits += c;
    else if (c != 'x' && c != '/')
      return bad("number");
  if (digits.empty() || digits.size() > most_digits) return bad("number");
  std::from_chars(digits.data(), digits.data() + digits.size(), out.index);
  // The one way to write it.
  if (out.path() != path) return bad("number");
  return out;
}

Result<unsigned> parse_level(std::string_view text) {
  const auto level = small_number(text);
  if (!level || *level > highest_level) return bad("level");
  return *level;
}

std::string tile_bytes(std::span<const Digest> hashes) {
  std::string out;
  out.reserve(hashes.size() * sizeof(Digest::bytes));
  for (const Digest& hash : hashes)
    out.append(reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size());
  return out;
}

Result<std::string> bundle_bytes(std::span<const std::string> entries, std::uint64_t first) {
  std::string out;
  for (const std::string& entry : entries) {
    if (entry.size() > largest_entry)
      return fail(Errc::too_large,
                  fmt::format("entry {} has {} bytes, and a bundle has no room for more than {}",
                              first, entry.size(), largest_entry),
                  "the export has it: slipway audit export");
    ++first;
    out += static_cast<char>(entry.size() >> 8);
    out += static_cast<char>(entry.size() & 0xffu);
    out += entry;
  }
  return out;
}

}  // namespace slipway::tlog
