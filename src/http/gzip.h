#pragma once

#include <string>
#include <string_view>

namespace slipway {

// A gzip member (RFC 1952) at the best compression.
[[nodiscard]] std::string gzip(std::string_view bytes);

}  // namespace slipway
