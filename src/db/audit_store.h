#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/merkle.h"
#include "audit/record.h"
#include "audit/tile.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "base/mutex.h"
#include "base/result.h"
#include "db/database.h"
#include "model/audit_event.h"

namespace slipway {

struct AuditFilter {
  std::string project;  // "" means any
  std::string actor;    // somewhere in the chain: "ann", or with its kind, "human:ann"
  std::string action;   // the permission ("deploy"), the event ("token.revoked") or its noun
  std::optional<Timestamp> since, until;
  std::uint64_t before = 0;  // sequence number to continue below; 0: from the newest
  std::size_t limit = 50;
};
struct AuditPage {
  std::vector<std::string> records;  // canonical, newest first
  std::uint64_t next = 0;            // 0: no more. A page may be short, or empty, and yet have one.
};

// The audit log: records in a hash chain and in a tree (docs/audit.md). A change of state and its
// record are one transaction, so neither is ever there without the other; what happens outside the
// database (a route, an instance, a file) follows after the commit. Rows are only ever added, save
// for truncate(). Appending touches the record's own row, and one more every 256 records.
// Thread-safe: appends take turns as the database's transactions do.
class AuditStore {
 public:
  AuditStore(Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  // Within the transaction of the change itself.
  [[nodiscard]] Status append(Database::Transaction& session, const AuditEvent& event);
  // For what changes no row: durable when it returns, so before it takes effect.
  [[nodiscard]] Status record(const AuditEvent& event);
  // Called with the number of records by every append, before its commit and within its
  // transaction: it may not use the database. From any thread at any time: the callback before
  // is not running, nor called again, once this returns.
  void on_append(std::function<void(std::uint64_t)> callback) {
    *on_append_.lock() = std::move(callback);
  }

  // -- reading: what is committed
  struct Head {
    std::uint64_t size = 0;
    Digest root;
  };
  [[nodiscard]] Result<Head> head();
  // Errors: not_found, also for what retention has cut off.
  [[nodiscard]] Result<std::string> get(std::uint64_t seq);
  // Oldest first, at most `limit` from `first` on.
  [[nodiscard]] Result<std::vector<std::string>> records(std::uint64_t first, std::size_t limit);
  // Looks at 50,000 records at the most before it answers, and lets others in between.
  [[nodiscard]] Result<AuditPage> list(const AuditFilter& filter);
  // The number of records that were cut off in front.
  [[nodiscard]] Result<std::uint64_t> cut();

  // -- proofs. Errors: invalid_argument beyond the records there are.
  [[nodiscard]] Result<merkle::Proof> inclusion(std::uint64_t seq, std::uint64_t size);
  [[nodiscard]] Result<merkle::Proof> consistency(std::uint64_t from, std::uint64_t to);
  [[nodiscard]] Result<merkle::CompactRange> range(std::uint64_t size);

  // -- tiles (audit/tile.h): each costs one look at 256 rows at the most. Errors: not_found beyond
  // the records there are, and for entries that retention has cut off.
  [[nodiscard]] Result<std::vector<Digest>> tile(unsigned level, tlog::TileNumber wanted);
  [[nodiscard]] Result<std::vector<std::string>> entries(tlog::TileNumber wanted);

  // -- checkpoints. Kept in memory until the next append writes it along, so that it costs no
  // commit of its own. Losing one loses nothing: the records are there, and are signed again.
  void keep(const SignedCheckpoint& checkpoint);
  // Those over `first` to `last` records, by size.
  [[nodiscard]] Result<std::vector<SignedCheckpoint>> checkpoints(std::uint64_t first,
                                                                  std::uint64_t last);

  // Cuts off records from before `time`, at most `limit` of them; their hashes stay, so that every
  // proof can still be made. Recorded itself, as "audit.truncated". Returns how many went.
  [[nodiscard]] Result<std::uint64_t> truncate(const AuditContext& by, Timestamp time,
                                               std::uint64_t limit);

 private:
  // The newest record: the tree up to it, and its hash.
  struct Tip {
    merkle::CompactRange range;
    Digest last;
  };
  // Brings `tip` to what the session sees.
  [[nodiscard]] static Status load(Database::Session& session, Tip& tip);
  [[nodiscard]] Status store_checkpoint(Database::Transaction& session);
  [[nodiscard]] static merkle::Nodes nodes(Database::Session& session);

  Database& database_;
  const Clock& clock_;
  Guarded<std::function<void(std::uint64_t)>> on_append_;
  // As far as this object knows: what is being written, by whose turn it is, and what is committed.
  // A transaction that was undone shows in the number of records, and then it is read anew.
  Tip writing_;
  Guarded<Tip> committed_;
  Mutex pending_mutex_;
  std::vector<SignedCheckpoint> pending_ SLIPWAY_GUARDED_BY(pending_mutex_);  // by size
};

}  // namespace slipway
