#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "audit/note.h"
#include "base/digest.h"
#include "base/result.h"

namespace slipway {

// What a log says of itself at one moment (c2sp.org/tlog-checkpoint): its name, how many records it
// has and the root of their tree. A plain value.
struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Digest root;
  bool operator==(const Checkpoint&) const = default;

  // The text of its note: three lines.
  [[nodiscard]] std::string text() const;
  // Errors: corrupt. Extension lines are allowed and passed over.
  [[nodiscard]] static Result<Checkpoint> parse(std::string_view text);
};

// A checkpoint and the note that carries it; nothing is known yet of the signatures' worth.
struct SignedCheckpoint {
  Checkpoint checkpoint;
  note::Note note;
  bool operator==(const SignedCheckpoint&) const = default;

  [[nodiscard]] static SignedCheckpoint make(const Checkpoint& checkpoint,
                                             std::span<const note::SignerKey> keys);
  [[nodiscard]] static Result<SignedCheckpoint> parse(std::string_view note);

  // One line for a header: "origin size root signature...", all in the note's own base64; only
  // signatures by the origin are in it.
  [[nodiscard]] std::string compact() const;
  [[nodiscard]] static Result<SignedCheckpoint> parse_compact(std::string_view line);
};

}  // namespace slipway
