#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "model/audit_event.h"
#include "model/manifest.h"

namespace slipway {

// One entry of the audit log: what happened, and its place in the chain. A plain value.
struct AuditRecord {
  std::uint64_t seq = 0;  // from 1, without gaps; the leaf's number in the tree plus one
  Timestamp time{};       // kept to the millisecond
  AuditEvent event;
  Digest previous;  // the leaf hash of the record before; zeros for the first
  bool operator==(const AuditRecord&) const = default;
};

// The record's canonical form (RFC 8785): the bytes that are stored, exported and hashed as a leaf
// (merkle::leaf_hash). docs/audit.md names the members; empty ones are left out. Text is made fit
// first: what is no UTF-8 or beyond 1,024 bytes is escaped or cut, and anything that looks like one
// of Slipway's own bearer secrets is blotted out, whoever put it there. Never more than 65,535
// bytes (tlog::largest_entry): what would be more has its texts cut shorter. Errors:
// invalid_argument for amounts beyond 2^53.
[[nodiscard]] Result<std::string> canonical_record(const AuditRecord& record);

// Reads the canonical form back. Members that a newer version may have added are passed over; their
// bytes count in the hash all the same. Errors: corrupt, by member, for anything else that is not a
// record in canonical form.
[[nodiscard]] Result<AuditRecord> parse_audit_record(std::string_view canonical);

// What a record keeps of the files that changed between two deployments: the digest of
// {"added":[...],"modified":[...],"removed":[...]} in canonical form. Names that are no UTF-8 are
// escaped first.
[[nodiscard]] Digest diff_digest(const ManifestDiff& diff);

// Fit to be remembered, as above.
[[nodiscard]] std::string audit_text(std::string_view text);

}  // namespace slipway
