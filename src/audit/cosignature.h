#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/note.h"
#include "base/result.h"

// What witnesses say of a checkpoint: c2sp.org/tlog-cosignature, the timestamped Ed25519 kind
// ("cosignature/v1"). Pure.
namespace slipway::note {

// Whom a cosignature is from: "<name>+<key id>+<base64 of 0x04 and the public key>".
struct WitnessKey {
  std::string name;
  std::array<std::uint8_t, 32> key{};
  bool operator==(const WitnessKey&) const = default;

  [[nodiscard]] std::uint32_t id() const;
  [[nodiscard]] std::string str() const;
  // Errors: invalid_argument, also for a log's key.
  [[nodiscard]] static Result<WitnessKey> parse(std::string_view text);
};

// One signature line of that kind.
struct Cosignature {
  std::string name;
  std::uint32_t key_id = 0;
  std::uint64_t time = 0;  // seconds since 1970
  std::array<std::uint8_t, 64> bytes{};
  bool operator==(const Cosignature&) const = default;

  [[nodiscard]] std::string line() const;  // ends with a line feed
};

// The cosignatures among signature lines; those of other kinds and lengths are passed over. At most
// 64 KiB and 100 lines. Errors: corrupt for what are no signature lines.
[[nodiscard]] Result<std::vector<Cosignature>> parse_cosignatures(std::string_view lines);
// Those behind a note's text.
[[nodiscard]] Result<std::vector<Cosignature>> cosignatures_of(std::string_view note);

// `text`: the note's, with its last line feed. A cosignature of another key is nobody's: false.
[[nodiscard]] bool verify(std::string_view text, const Cosignature& cosignature,
                          const WitnessKey& key);
[[nodiscard]] Cosignature cosign(std::string_view text, const SignerKey& witness,
                                 std::uint64_t time);
[[nodiscard]] WitnessKey witness_key(const SignerKey& witness);

// Who of `keys` has cosigned `note`, each once. Errors: corrupt when a known key's does not match.
[[nodiscard]] Result<std::vector<Cosignature>> verify_cosignatures(
    std::string_view note, std::span<const WitnessKey> keys);

}  // namespace slipway::note
