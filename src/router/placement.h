#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

// Where a client stands among all clients of a traffic split, 0..9,999, and the cookie by which it
// stays there (TrafficSplit::cookie_name). Pure.

// Of a client that brings no good cookie: a hash of what is known of it, keyed with the split's
// salt, so that the same client comes to the same place in all of one rollout and to another one in
// the next.
[[nodiscard]] std::uint32_t place_of(std::string_view salt, std::string_view address,
                                     std::string_view user_agent);

// The cookie's value: "<place>.<16 hex digits>". The digits bind the place to the salt: the cookie
// of another rollout does not count.
[[nodiscard]] std::string placement_cookie(std::string_view salt, std::uint32_t place);

// From the value of a Cookie field: the place in the first of our cookies that is good.
[[nodiscard]] std::optional<std::uint32_t> placed_by_cookie(std::string_view cookies,
                                                            std::string_view salt);
// Whether there may be one of ours: cheap, and never wrong when it says no.
[[nodiscard]] bool may_have_placement_cookie(std::string_view cookies);
// The value of a Cookie field without any of ours: apps do not see them. "" when nothing is left.
[[nodiscard]] std::string without_placement_cookie(std::string_view cookies);

}  // namespace slipway
