// Numbers of tiles: what is read has that one spelling.
#include <cstdint>
#include <cstdlib>

#include "audit/tile.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto number = tlog::TileNumber::parse(text))
    if (number->path() != text || number->width == 0 || number->width > tlog::tile_width)
      std::abort();
  if (const auto level = tlog::parse_level(text))
    if (*level > tlog::highest_level) std::abort();
  return 0;
}
