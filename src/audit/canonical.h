#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway {

namespace json = boost::json;

// JSON Canonicalization Scheme (RFC 8785): no white space, members by UTF-16 code units, numbers
// as ECMAScript writes them, the fewest escapes. The same value always gives the same bytes, so
// that a digest of it has a meaning. Integers beyond 2^53 lose precision there and belong in
// strings. Pure.
// Errors: invalid_argument for text that is no UTF-8 and for numbers that are not finite.
[[nodiscard]] Result<std::string> canonical_json(const json::value& value);

// Reads `text`, which must be in canonical form already. Errors: corrupt otherwise (bad JSON,
// other white space or order, a member named twice, depth above 32), and for some fractions, which
// Boost.JSON reads one unit off: nothing that is signed here has any.
[[nodiscard]] Result<json::value> parse_canonical(std::string_view text);

}  // namespace slipway
