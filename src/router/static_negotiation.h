#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "router/static_site.h"

namespace slipway {

// RFC 9110's conditional, range and coding fields, as far as a static file needs them. Pure.

// Codings that an Accept-Encoding field allows, in our order of preference.
[[nodiscard]] std::vector<Coding> accepted_codings(std::string_view accept_encoding);

// Strong: of the bytes on the wire. "<32 hex digits>" plus "-br" and the like for a variant.
[[nodiscard]] std::string entity_tag(const Digest& digest, std::optional<Coding> coding);
// Whether an If-None-Match field names the representation in any coding (weak comparison).
[[nodiscard]] bool none_match_hits(std::string_view if_none_match, const Digest& digest);

struct ByteRange {
  std::uint64_t first = 0, last = 0;  // inclusive
  bool operator==(const ByteRange&) const = default;
};
enum class RangeVerdict { whole, part, unsatisfiable };
struct RangeAnswer {
  RangeVerdict verdict = RangeVerdict::whole;
  ByteRange part;
};
// One range only; several, or what is malformed, mean the whole file.
[[nodiscard]] RangeAnswer choose_range(std::string_view range, std::uint64_t size);

}  // namespace slipway
