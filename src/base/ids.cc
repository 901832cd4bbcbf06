#include "base/ids.h"

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <cstdlib>

#include "base/digest.h"

namespace slipway {
namespace {

template <std::size_t N>
std::array<std::uint8_t, N> random_bytes() {
  std::array<std::uint8_t, N> bytes{};
  // getrandom(2) of up to 256 bytes neither fails nor is cut short once the pool is initialized.
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  return bytes;
}

}  // namespace

std::string random_id() { return base32(random_bytes<7>()).substr(0, 10); }
std::string random_secret() { return base32(random_bytes<32>()); }

}  // namespace slipway
