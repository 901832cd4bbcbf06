// The Cookie field of a request: what is good was made by us, and nothing of ours is left for apps.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"
#include "router/placement.h"
#include "router/traffic.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  constexpr std::string_view salt = "rol_a";
  const std::string_view cookies(reinterpret_cast<const char*>(data), size);
  if (const auto place = placed_by_cookie(cookies, salt)) {
    if (*place >= TrafficSplit::places) std::abort();
    if (cookies.find(placement_cookie(salt, *place)) == std::string_view::npos) std::abort();
  }
  const std::string kept = without_placement_cookie(cookies);
  if (without_placement_cookie(kept) != kept) std::abort();
  for (const std::string_view cookie : split(kept, ';'))
    if (trim(cookie.substr(0, cookie.find('='))) == TrafficSplit::cookie_name) std::abort();
  // One more cookie changes nothing but its own reading.
  const std::string more = std::string(cookies) + "; slipway_canary=" + placement_cookie(salt, 77);
  if (!placed_by_cookie(more, salt) || without_placement_cookie(more) != kept) std::abort();
  return 0;
}
