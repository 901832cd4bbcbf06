#pragma once

#include <cstdint>
#include <string_view>

namespace slipway {

// SipHash-2-4 (Aumasson, Bernstein): the same everywhere and for ever, and not to be guessed
// without the key. A tenth of what a digest costs.
struct HashKey {
  std::uint64_t low = 0, high = 0;
};
[[nodiscard]] std::uint64_t keyed_hash(HashKey key, std::string_view bytes);

}  // namespace slipway
