#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "audit/note.h"
#include "base/clock.h"
#include "base/result.h"

namespace slipway {

// The audit log's name and the keys it signs with: one file (0600) beside the database and never in
// it, so that whoever can write the one cannot sign for the other. Made at the first start. After a
// rotation the key before signs along, so that who trusts only that one can follow; those before
// are kept to verify with, without their secret. Not thread-safe.
class AuditKeys {
 public:
  // Errors: corrupt for a file that is not one, io.
  [[nodiscard]] static Result<AuditKeys> open(const std::filesystem::path& file,
                                              const Clock& clock);

  [[nodiscard]] const std::string& origin() const { return origin_; }
  // All that ever signed, the oldest first.
  [[nodiscard]] std::vector<note::VerifierKey> verifiers() const;
  // Those that sign now: the newest, and the one before it.
  [[nodiscard]] std::vector<note::SignerKey> signers() const;

  // The two halves of a rotation, so that it can be recorded in between: a new key that nobody
  // knows yet, and its taking over, durable when it returns.
  [[nodiscard]] note::SignerKey make() const;
  [[nodiscard]] Status adopt(const note::SignerKey& key, Timestamp now);

 private:
  struct Entry {
    note::VerifierKey verifier;
    std::string secret;  // base64; "" when it is gone
    std::string since;   // RFC 3339
  };
  [[nodiscard]] Status save(const std::vector<Entry>& entries) const;

  std::filesystem::path file_;
  std::string origin_;
  std::vector<Entry> entries_;  // never empty
};

}  // namespace slipway
