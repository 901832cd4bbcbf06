#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway {

// The name of an image in full: "node:20" is docker.io/library/node:20. Value.
struct ImageReference {
  std::string registry;    // "docker.io", "localhost:5000"
  std::string repository;  // "library/node"
  std::string tag;         // "latest" when nothing is said; "" with a digest alone
  std::string digest;      // "sha256:…" or ""
  // "docker.io/library/node:20".
  [[nodiscard]] std::string str() const;
  bool operator==(const ImageReference&) const = default;

  // Errors: invalid_argument.
  [[nodiscard]] static Result<ImageReference> parse(std::string_view text);
};

}  // namespace slipway
