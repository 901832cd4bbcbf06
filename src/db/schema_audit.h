#pragma once

#include <string_view>

namespace slipway {

// The audit log (docs/audit.md). The triggers are no defence against whoever can write the file
// (signatures and clients that remember are); they stop mistakes of our own. Only what audit_cut
// has passed may go. audit_node: roots of complete subtrees at levels 8, 16, ..., and at level 0
// the leaf hashes of records that were cut off.
inline constexpr std::string_view audit_schema = R"(CREATE TABLE audit_record (
  seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, actor TEXT NOT NULL, project TEXT NOT NULL,
  action TEXT NOT NULL, event TEXT NOT NULL, record TEXT NOT NULL) STRICT;
CREATE TABLE audit_node (
  level INTEGER NOT NULL, idx INTEGER NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (level, idx)) STRICT, WITHOUT ROWID;
CREATE TABLE audit_checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE audit_cut (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;
INSERT INTO audit_cut VALUES (1, 0);
CREATE TRIGGER audit_record_follows BEFORE INSERT ON audit_record
  WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit_record)
  BEGIN SELECT raise(ABORT, 'audit records follow one another'); END;
CREATE TRIGGER audit_record_stays BEFORE UPDATE ON audit_record
  BEGIN SELECT raise(ABORT, 'audit records are never changed'); END;
CREATE TRIGGER audit_record_kept BEFORE DELETE ON audit_record WHEN OLD.seq > (SELECT seq FROM audit_cut)
  BEGIN SELECT raise(ABORT, 'audit records are never deleted'); END;
CREATE TRIGGER audit_node_stays BEFORE UPDATE ON audit_node
  BEGIN SELECT raise(ABORT, 'hashes of the audit log are never changed'); END;
CREATE TRIGGER audit_node_kept BEFORE DELETE ON audit_node
  BEGIN SELECT raise(ABORT, 'hashes of the audit log are never deleted'); END;
CREATE TRIGGER audit_checkpoint_stays BEFORE UPDATE ON audit_checkpoint
  BEGIN SELECT raise(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER audit_checkpoint_kept BEFORE DELETE ON audit_checkpoint WHEN OLD.size > (SELECT seq FROM audit_cut)
  BEGIN SELECT raise(ABORT, 'checkpoints are never deleted'); END;
CREATE TRIGGER audit_cut_grows BEFORE UPDATE ON audit_cut WHEN NEW.seq < OLD.seq
  BEGIN SELECT raise(ABORT, 'the audit log is only ever cut further'); END;
CREATE TRIGGER audit_cut_kept BEFORE DELETE ON audit_cut
  BEGIN SELECT raise(ABORT, 'the audit log is only ever cut further'); END;
)";

}  // namespace slipway
