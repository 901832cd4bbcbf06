#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Signed notes (c2sp.org/signed-note) with Ed25519 keys (RFC 8032). Pure.
namespace slipway::note {

[[nodiscard]] std::string base64(std::string_view bytes);
// RFC 4648 §4 with padding; nothing but the one encoding of the bytes is accepted.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

// Whom a note is from: "<name>+<key id, 8 hex digits>+<base64 of 0x01 and the public key>". The
// name is not empty and has no spaces, control characters or '+'.
struct VerifierKey {
  std::string name;
  std::array<std::uint8_t, 32> key{};
  bool operator==(const VerifierKey&) const = default;

  [[nodiscard]] std::uint32_t id() const;
  [[nodiscard]] std::string str() const;
  // Errors: invalid_argument, also when the key id is not that of the key.
  [[nodiscard]] static Result<VerifierKey> parse(std::string_view text);
};

// A secret: never logged, never in an answer. Made from 32 random bytes.
struct SignerKey {
  std::string name;
  std::array<std::uint8_t, 32> seed{};
  [[nodiscard]] VerifierKey verifier() const;
};

struct Signature {
  std::string name;
  std::uint32_t key_id = 0;
  std::array<std::uint8_t, 64> bytes{};
  bool operator==(const Signature&) const = default;
};

struct Note {
  std::string text;  // ends with a line feed
  std::vector<Signature> signatures;
  bool operator==(const Note&) const = default;
  [[nodiscard]] std::string str() const;
};

[[nodiscard]] Signature sign(std::string_view text, const SignerKey& key);

// Signatures of other kinds and lengths are passed over, as the specification wants. At most 64 KiB
// and 100 signatures. Errors: corrupt.
[[nodiscard]] Result<Note> parse_note(std::string_view text);

// Errors: corrupt when a key's signature does not match, or when no key has signed it.
[[nodiscard]] Status verify(const Note& note, std::span<const VerifierKey> keys);

}  // namespace slipway::note
