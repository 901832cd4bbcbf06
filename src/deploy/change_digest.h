#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/actor.h"

namespace slipway {

// What exactly somebody asks for, as a digest: an approval is of this change by this person and of
// no other. It says nothing of what went into it, as long as secret values go in as fingerprints
// (SecretBox::fingerprint). A plain value.
class ChangeDigest {
 public:
  // `what`: "env_write", "promote", ...
  ChangeDigest(const Actor& requester, std::string_view what);
  ChangeDigest& add(std::string_view name, std::string_view value);
  ChangeDigest& add(std::string_view name, std::int64_t value);
  [[nodiscard]] std::string str() const;  // "sha256:…"

 private:
  std::string parts_;  // each with its length before it, so that no two lists read the same
};

}  // namespace slipway
