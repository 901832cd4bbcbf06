#pragma once

#include <string>
#include <string_view>

namespace slipway {

// Length in bytes of the well-formed UTF-8 sequence (RFC 3629) that `text` starts with; 0 when it
// does not start with one.
[[nodiscard]] std::size_t utf8_sequence(std::string_view text);
// `text` with U+FFFD in place of each byte that is not UTF-8 and of each NUL.
[[nodiscard]] std::string to_utf8(std::string_view text);

}  // namespace slipway
