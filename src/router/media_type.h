#pragma once

#include <string_view>

namespace slipway {

// What a file's name says about how to serve it. Pure.

// Content-Type, with charset for text; "application/octet-stream" when unknown.
[[nodiscard]] std::string_view media_type(std::string_view path);
// Whether packing it on the wire pays.
[[nodiscard]] bool is_compressible(std::string_view type);
// Whether a build tool put a hash of the content into the name, so that it can be cached for ever.
// In doubt, no.
[[nodiscard]] bool has_content_hash(std::string_view path);
// Cache-Control for a file of a deployment.
[[nodiscard]] std::string_view cache_policy(std::string_view path);

}  // namespace slipway
