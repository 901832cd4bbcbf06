#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

// Tiles of a log and bundles of its entries, as c2sp.org/tlog-tiles has them. Pure.
namespace slipway::tlog {

inline constexpr unsigned tile_width = 256, highest_level = 63;
inline constexpr std::size_t largest_entry = 65'535;  // bytes; its length is a uint16

// Which tile of a level, and how many of its hashes (or entries).
struct TileNumber {
  std::uint64_t index = 0;
  unsigned width = tile_width;  // 1 to 255 for a partial one
  bool operator==(const TileNumber&) const = default;

  [[nodiscard]] std::uint64_t first() const { return index * tile_width; }
  [[nodiscard]] std::uint64_t end() const { return first() + width; }
  // "x001/x234/067", with ".p/17" behind it for a partial one.
  [[nodiscard]] std::string path() const;
  // Errors: invalid_argument for anything else.
  [[nodiscard]] static Result<TileNumber> parse(std::string_view path);
};
// "0" to "63". Errors: invalid_argument.
[[nodiscard]] Result<unsigned> parse_level(std::string_view text);

[[nodiscard]] std::string tile_bytes(std::span<const Digest> hashes);
// Errors: too_large, by its number; `first` is that of the first entry.
[[nodiscard]] Result<std::string> bundle_bytes(std::span<const std::string> entries,
                                               std::uint64_t first);

}  // namespace slipway::tlog
