#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "audit/checkpoint.h"
#include "audit/merkle.h"
#include "base/result.h"

namespace slipway {

// That an entry is in a log, for whoever has the log's public key and nothing else:
// c2sp.org/tlog-proof. A plain value. Ours carry the entry itself as the extra data.
struct TlogProof {
  std::string extra;  // bytes; nothing vouches for them but that they hash to the leaf
  std::uint64_t index = 0;
  merkle::Proof path;
  std::string note;             // the checkpoint with all its signatures, verbatim
  SignedCheckpoint checkpoint;  // the same, read

  [[nodiscard]] std::string str() const;
  // At most 256 KiB. Errors: corrupt.
  [[nodiscard]] static Result<TlogProof> parse(std::string_view text);
  [[nodiscard]] static bool looks_like_one(std::string_view first_line);
  // That `entry` is in the log that one of `keys` has signed. Errors: corrupt.
  [[nodiscard]] Status verify(std::string_view entry,
                              std::span<const note::VerifierKey> keys) const;
};

}  // namespace slipway
