#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway {

// The server's Ed25519 key for what it vouches for: changes of the policy. Its file (mode 0600) is
// made at the first start; the private half never leaves it. Immutable; thread-safe.
class GovernanceKey {
 public:
  [[nodiscard]] static Result<GovernanceKey> open(const std::filesystem::path& file);
  // Base64. Errors: internal.
  [[nodiscard]] Result<std::string> sign(std::string_view message) const;
  [[nodiscard]] const std::string& public_key() const { return public_key_; }  // base64, 32 bytes

 private:
  explicit GovernanceKey(std::string secret) : secret_(std::move(secret)) {}
  std::string secret_, public_key_;
};

// Whether `signature` over `message` is by the key; both base64 as above.
[[nodiscard]] bool verify_signature(std::string_view public_key, std::string_view message,
                                    std::string_view signature);

}  // namespace slipway
