#include "router/placement.h"

#include <fmt/format.h>

#include <charconv>

#include "base/digest.h"
#include "base/text.h"
#include "router/traffic.h"

namespace slipway {
namespace {

std::uint64_t number_of(const Digest& digest) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof number; ++i) number = number << 8 | digest.bytes[i];
  return number;
}

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
  Sha256 hash;
  hash.field("place").field(salt).field(address).field(user_agent);
  return static_cast<std::uint32_t>(number_of(hash.finish()) % TrafficSplit::places);
}

std::string placement_cookie(std::string_view salt, std::uint32_t place) {
  Sha256 hash;
  hash.field("cookie").field(salt).field(std::to_string(place));
  return fmt::format("{}.{:016x}", place, number_of(hash.finish()));
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
