#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/merkle.h"
#include "audit/note.h"
#include "audit/record.h"
#include "base/result.h"

namespace slipway {

// The first line of an export. What follows, a line each: every record from `first` to `size` in
// its canonical form and in order, and `checkpoints` lines {"checkpoint": note}, each behind the
// last record that it covers. docs/audit.md.
struct ExportHeader {
  std::string origin;
  std::vector<note::VerifierKey> keys;  // all that ever signed, the oldest first
  std::uint64_t first = 1, size = 0, checkpoints = 0;
  std::vector<Digest> prefix;   // complete subtrees over the records before `first`
  SignedCheckpoint checkpoint;  // over exactly `size` records

  [[nodiscard]] std::string line() const;  // without its end
  // Errors: corrupt.
  [[nodiscard]] static Result<ExportHeader> parse(std::string_view line);
};
[[nodiscard]] std::string export_checkpoint_line(const SignedCheckpoint& checkpoint);

struct ExportSummary {
  // What the export says of the checkpoint that was seen before: the same root; or nothing, as it
  // ends before that one or begins behind it, and only a proof of consistency can tell.
  enum class Seen { nothing, agrees, unknown };
  std::string origin;
  std::uint64_t first = 1, size = 0, checkpoints = 0;
  Digest root;
  Seen seen = Seen::nothing;
  std::vector<note::VerifierKey> keys;  // trusted in the end, those learned from rotations included
};

// Checks an export line by line, in constant memory: every record is in canonical form, carries its
// number and the hash of the one before it; every checkpoint is signed and has the root that the
// records give; the header's covers all of them; what was cut off in front was cut off by a record
// that says so. Not thread-safe.
class ExportVerifier {
 public:
  // Whose signature counts. Without a key those that the export itself names are used: then it is
  // only shown to be in one piece, not whose it is. `seen` is a checkpoint known from elsewhere
  // that the export must agree with where it covers it; the summary says whether it does.
  struct Trust {
    std::vector<note::VerifierKey> keys;
    std::optional<Checkpoint> seen;
  };
  explicit ExportVerifier(Trust trust) : trust_(std::move(trust)) {}

  // The next line, without its end. Errors: corrupt, with the line's number; give up then.
  [[nodiscard]] Status line(std::string_view text);
  // After the last line.
  [[nodiscard]] Result<ExportSummary> finish();

 private:
  [[nodiscard]] Status begin(std::string_view text);
  [[nodiscard]] Status record(std::string_view text);
  [[nodiscard]] Status checkpoint(const SignedCheckpoint& signed_one);
  [[nodiscard]] Status check_seen();
  [[nodiscard]] std::unexpected<Error> wrong(std::string_view what) const;

  Trust trust_;
  std::optional<ExportHeader> header_;
  std::uint64_t line_ = 0, checkpoints_ = 0;
  merkle::CompactRange range_;
  std::optional<Digest> last_;  // leaf hash of the record before
  bool cut_explained_ = true;
  ExportSummary::Seen seen_ = ExportSummary::Seen::nothing;
  std::vector<note::VerifierKey> unvouched_;  // named by rotations that no checkpoint covers yet
  std::vector<note::VerifierKey> used_;       // that signed before they were trusted
};

// A record with the proof that it is in the log of a checkpoint; for `slipway audit prove`.
struct RecordProof {
  std::string record;  // canonical
  std::uint64_t seq = 0;
  merkle::Proof path;
  SignedCheckpoint checkpoint;
  std::vector<note::VerifierKey> keys;

  // As one JSON object in canonical form.
  [[nodiscard]] std::string line() const;
  [[nodiscard]] static Result<RecordProof> parse(std::string_view line);
  // With `trusted` keys; the proof's own when there are none. Errors: corrupt.
  [[nodiscard]] Status verify(std::span<const note::VerifierKey> trusted) const;
};

}  // namespace slipway
