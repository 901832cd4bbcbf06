#include "router/placement.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "router/keyed_hash.h"
#include "router/traffic.h"

namespace slipway {
namespace {

// One key for each salt and use.
HashKey key_of(std::string_view salt, std::uint64_t use) {
  return {keyed_hash({use, 0}, salt), keyed_hash({use, 1}, salt)};
}
constexpr std::uint64_t for_places = 1, for_cookies = 2;

bool is_ours(std::string_view cookie) {
  return trim(cookie.substr(0, cookie.find('='))) == TrafficSplit::cookie_name;
}

std::optional<std::uint32_t> parse(std::string_view value, std::string_view salt) {
  std::uint32_t place = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), place);
  if (error != std::errc() || place >= TrafficSplit::places) return std::nullopt;
  if (value != placement_cookie(salt, place)) return std::nullopt;
  return place;
}

}  // namespace

std::uint32_t place_of(std::string_view salt, std::string_view address,
                       std::string_view user_agent) {
  const HashKey key = key_of(salt, for_places);
  // The first hash sets the two texts apart from each other.
  const HashKey rest{key.low ^ keyed_hash(key, address), key.high};
  return static_cast<std::uint32_t>(keyed_hash(rest, user_agent) % TrafficSplit::places);
}

std::string placement_cookie(std::string_view salt, std::uint32_t place) {
  const std::string digits = std::to_string(place);
  return fmt::format("{}.{:016x}", digits, keyed_hash(key_of(salt, for_cookies), digits));
}

std::optional<std::uint32_t> placed_by_cookie(std::string_view cookies, std::string_view salt) {
  if (!may_have_placement_cookie(cookies)) return std::nullopt;
  for (const std::string_view cookie : split(cookies, ';')) {
    const std::size_t equals = cookie.find('=');
    if (equals == std::string_view::npos || !is_ours(cookie)) continue;
    if (const auto place = parse(trim(cookie.substr(equals + 1)), salt)) return place;
  }
  return std::nullopt;
}

bool may_have_placement_cookie(std::string_view cookies) {
  return cookies.find(TrafficSplit::cookie_name) != std::string_view::npos;
}

std::string without_placement_cookie(std::string_view cookies) {
  std::string kept;
  for (const std::string_view cookie : split(cookies, ';')) {
    if (is_ours(cookie) || trim(cookie).empty()) continue;
    if (!kept.empty()) kept += "; ";
    kept += trim(cookie);
  }
  return kept;
}

}  // namespace slipway
