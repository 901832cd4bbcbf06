#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace slipway {

// RFC 4648 §5 without padding. Decoding is strict: one text for each value, so nothing but the
// alphabet and no stray bits at the end.
[[nodiscard]] std::string base64url_encode(std::string_view bytes);
[[nodiscard]] std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace slipway
