#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace slipway {

// What a pack's reader tells while it reads. An error from any call ends the reading with it.
class PackVisitor {
 public:
  virtual ~PackVisitor() = default;
  // Called before any of the record's bytes; the place to refuse it.
  virtual Status begin(const Digest& digest, std::uint64_t size) = 0;
  virtual Status bytes(std::string_view part) = 0;
  // All `size` bytes came and have the digest.
  virtual Status end() = 0;
};

// Decodes a pack (docs/formats.md) as it streams in, in bounded memory: the window of the frame is
// limited, and records larger than what is left of `limit_bytes` are refused from their header.
// Errors: corrupt (not a pack, cut off, something behind its end, a record that is not what its
// digest says), too_large, and those of `read` and `visitor`.
[[nodiscard]] Status read_pack(const std::function<Result<std::size_t>(std::span<char>)>& read,
                               PackVisitor& visitor, std::uint64_t limit_bytes);

}  // namespace slipway
