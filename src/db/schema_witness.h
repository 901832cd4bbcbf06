#pragma once

#include <string_view>

namespace slipway {

// Witnesses of the audit log, each with the newest checkpoint that it has cosigned (its size, its
// note without cosignatures, and the line to put behind it).
inline constexpr std::string_view witness_schema = R"(CREATE TABLE audit_witness (
  name TEXT PRIMARY KEY, vkey TEXT NOT NULL UNIQUE, url TEXT NOT NULL, created_at INTEGER NOT NULL,
  size INTEGER NOT NULL, note TEXT NOT NULL, cosignature TEXT NOT NULL, cosigned_at INTEGER,
  tried_at INTEGER, result TEXT NOT NULL) STRICT, WITHOUT ROWID;
)";

}  // namespace slipway
