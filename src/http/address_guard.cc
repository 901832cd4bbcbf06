#include "http/address_guard.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace slipway {
namespace {

using Bytes4 = std::array<std::uint8_t, 4>;
using Bytes16 = std::array<std::uint8_t, 16>;

std::optional<Bytes4> parse4(const std::string& text) {
  Bytes4 out{};
  if (::inet_pton(AF_INET, text.c_str(), out.data()) != 1) return std::nullopt;
  return out;
}

std::optional<Bytes16> parse16(const std::string& text) {
  Bytes16 out{};
  if (::inet_pton(AF_INET6, text.c_str(), out.data()) != 1) return std::nullopt;
  return out;
}

bool has_prefix(std::span<const std::uint8_t> address, std::span<const std::uint8_t> prefix,
                unsigned bits) {
  for (unsigned bit = 0; bit < bits; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80u >> (bit % 8));
    if ((address[bit / 8] & mask) != (prefix[bit / 8] & mask)) return false;
  }
  return true;
}

struct Range4 {
  Bytes4 prefix;
  unsigned bits;
};
// IANA's registry of special-purpose addresses, and multicast.
constexpr std::array not_public4{
    Range4{{0, 0, 0, 0}, 8},      Range4{{10, 0, 0, 0}, 8},     Range4{{100, 64, 0, 0}, 10},
    Range4{{127, 0, 0, 0}, 8},    Range4{{169, 254, 0, 0}, 16}, Range4{{172, 16, 0, 0}, 12},
    Range4{{192, 0, 0, 0}, 24},   Range4{{192, 0, 2, 0}, 24},   Range4{{192, 88, 99, 0}, 24},
    Range4{{192, 168, 0, 0}, 16}, Range4{{198, 18, 0, 0}, 15},  Range4{{198, 51, 100, 0}, 24},
    Range4{{203, 0, 113, 0}, 24}, Range4{{224, 0, 0, 0}, 3}};

struct Range16 {
  Bytes16 prefix;
  unsigned bits;
};
// Within 2000::/3, outside of which nothing is public.
constexpr std::array not_public16{Range16{{0x20, 0x01, 0x00}, 23},
                                  Range16{{0x20, 0x01, 0x0d, 0xb8}, 32}, Range16{{0x3f, 0xff}, 20}};

bool is_public(const Bytes4& address) {
  for (const Range4& range : not_public4)
    if (has_prefix(address, range.prefix, range.bits)) return false;
  return true;
}

bool is_public(const Bytes16& address) {
  constexpr Bytes16 mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr Bytes16 nat64{0x00, 0x64, 0xff, 0x9b};
  constexpr Bytes16 six_to_four{0x20, 0x02};
  constexpr Bytes16 global{0x20};
  const auto inner = [&](std::size_t at) {
    return is_public(Bytes4{address[at], address[at + 1], address[at + 2], address[at + 3]});
  };
  if (has_prefix(address, mapped, 96) || has_prefix(address, nat64, 96)) return inner(12);
  if (has_prefix(address, six_to_four, 16)) return inner(2);
  if (!has_prefix(address, global, 3)) return false;
  for (const Range16& range : not_public16)
    if (has_prefix(address, range.prefix, range.bits)) return false;
  return true;
}

// Without the zone of a link-local address.
std::string without_zone(std::string_view address) {
  return std::string(address.substr(0, address.find('%')));
}

bool is_own(std::string_view address) {
  const std::string text = without_zone(address);
  const auto four = parse4(text);
  const auto six = parse16(text);
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return true;  // not known to be somebody else's
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr) continue;
    if (four && each->ifa_addr->sa_family == AF_INET) {
      sockaddr_in own{};
      std::memcpy(&own, each->ifa_addr, sizeof own);
      if (std::memcmp(&own.sin_addr, four->data(), four->size()) == 0) return true;
    }
    if (six && each->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 own{};
      std::memcpy(&own, each->ifa_addr, sizeof own);
      if (std::memcmp(&own.sin6_addr, six->data(), six->size()) == 0) return true;
    }
  }
  return false;
}

}  // namespace

bool is_public_address(std::string_view address) {
  const std::string text = without_zone(address);
  if (const auto four = parse4(text)) return is_public(*four);
  if (const auto six = parse16(text)) return is_public(*six);
  return false;
}

Status check_public_address(std::string_view address) {
  if (is_public_address(address) && !is_own(address)) return {};
  return fail(Errc::permission_denied,
              fmt::format("{} is a private address or this machine's own", address),
              "requests to URLs that users give go to the internet only; a setting of the server "
              "may allow private addresses");
}

}  // namespace slipway
