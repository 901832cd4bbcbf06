#include "db/audit_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "audit/canonical.h"

namespace slipway {
namespace {

std::int64_t micros(Timestamp time) { return time.time_since_epoch().count(); }
std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

Result<std::uint64_t> scalar(Database::Session& session, std::string_view sql) {
  SLIPWAY_TRY(Statement query, session.prepare(sql));
  SLIPWAY_TRY([[maybe_unused]] const bool row, query.step());
  return static_cast<std::uint64_t>(query.number(0));
}

Result<std::uint64_t> count(Database::Session& session) {
  return scalar(session, "SELECT coalesce(max(seq),0) FROM audit_record");
}

Result<std::uint64_t> cut_of(Database::Session& session) {
  return scalar(session, "SELECT seq FROM audit_cut");
}

// Everybody who acts, as a filter looks for them: " human:ann agent:ci ".
std::string searchable(const Actor& actor) {
  std::string out = " ";
  for (const std::string& link : actor.chain) out += audit_text(link) + " ";
  const std::string own = fmt::format("{}:{} ", actor.kind, audit_text(actor.name));
  if (!out.contains(" " + own)) out += own;
  return out;
}

Status add_node(Database::Transaction& session, unsigned level, std::uint64_t index,
                const Digest& hash) {
  SLIPWAY_TRY(Statement insert,
              session.prepare("INSERT INTO audit_node(level,idx,hash) VALUES(?,?,?)"));
  return insert.bind(1, level).bind(2, number(index)).bind(3, hash.hex()).run();
}

std::unexpected<Error> beyond(std::uint64_t size, std::uint64_t have) {
  return fail(Errc::invalid_argument,
              fmt::format("the audit log has {} records, not {}", have, size));
}

std::unexpected<Error> no_tile(tlog::TileNumber number, std::uint64_t have) {
  return fail(Errc::not_found,
              fmt::format("there is no tile {}: the audit log has {} records", number.path(), have),
              "a checkpoint's size says which tiles there are");
}

constexpr std::uint64_t rows_at_once = 2'000, rows_at_most = 50'000;

}  // namespace

// The hashes that are kept, and for level 0 those of the records themselves.
merkle::Nodes AuditStore::nodes(Database::Session& session) {
  return [&session](unsigned level, std::uint64_t first,
                    std::uint64_t wanted) -> Result<std::vector<Digest>> {
    std::vector<Digest> out;
    out.reserve(wanted);
    SLIPWAY_TRY(Statement kept, session.prepare("SELECT hash FROM audit_node WHERE level=? AND "
                                                "idx>=? AND idx<? ORDER BY idx"));
    kept.bind(1, level).bind(2, number(first)).bind(3, number(first + wanted));
    for (;;) {
      SLIPWAY_TRY(const bool row, kept.step());
      if (!row) break;
      const auto hash = Digest::parse(kept.text(0));
      if (!hash) return fail(Errc::corrupt, "database: a hash of the audit log");
      out.push_back(*hash);
    }
    if (level > 0 || out.size() == wanted) return out;
    SLIPWAY_TRY(
        Statement records,
        session.prepare("SELECT record FROM audit_record WHERE seq>? AND seq<=? ORDER BY seq"));
    records.bind(1, number(first + out.size())).bind(2, number(first + wanted));
    for (;;) {
      SLIPWAY_TRY(const bool row, records.step());
      if (!row) return out;
      out.push_back(merkle::leaf_hash(records.text(0)));
    }
  };
}

Status AuditStore::load(Database::Session& session, Tip& tip) {
  SLIPWAY_TRY(const std::uint64_t size, count(session));
  if (size == tip.range.size()) return {};
  SLIPWAY_TRY(tip.range, merkle::range_of(nodes(session), size));
  tip.last = {};
  if (size == 0) return {};
  SLIPWAY_TRY(Statement query, session.prepare("SELECT record FROM audit_record WHERE seq=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, number(size)).step());
  if (!row) return fail(Errc::corrupt, "database: the audit log's last record");
  tip.last = merkle::leaf_hash(query.text(0));
  return {};
}

Status AuditStore::append(Database::Transaction& session, const AuditEvent& event) {
  SLIPWAY_CHECK(load(session, writing_));
  const Timestamp now = clock_.now();
  SLIPWAY_TRY(const std::string record, canonical_record({.seq = writing_.range.size() + 1,
                                                          .time = now,
                                                          .event = event,
                                                          .previous = writing_.last}));
  SLIPWAY_TRY(Statement insert,
              session.prepare("INSERT INTO audit_record(seq,time,actor,project,action,event,record)"
                              " VALUES(?,?,?,?,?,?,?)"));
  const std::string actor = searchable(event.by.actor), project = audit_text(event.project),
                    action = audit_text(event.action), kind = audit_text(event.event);
  SLIPWAY_CHECK(insert.bind(1, number(writing_.range.size() + 1))
                    .bind(2, micros(now))
                    .bind(3, actor)
                    .bind(4, project)
                    .bind(5, action)
                    .bind(6, kind)
                    .bind(7, record)
                    .run());
  // A failure below undoes the transaction, and the next load() notices.
  Status nodes_added;
  const Digest leaf = merkle::leaf_hash(record);
  writing_.range.append(leaf, [&](unsigned level, std::uint64_t index, const Digest& hash) {
    if (nodes_added && level > 0 && level % merkle::stride == 0)
      nodes_added = add_node(session, level, index, hash);
  });
  writing_.last = leaf;
  SLIPWAY_CHECK(std::move(nodes_added));
  SLIPWAY_CHECK(store_checkpoint(session));
  on_append_.with([&](const auto& callback) {
    if (callback) callback(writing_.range.size());
  });
  return {};
}

Status AuditStore::record(const AuditEvent& event) {
  return database_.transaction(
      [&](Database::Transaction& session) -> Status { return append(session, event); });
}

Result<AuditStore::Head> AuditStore::head() {
  auto session = database_.read();
  auto committed = committed_.lock();
  SLIPWAY_CHECK(load(session, *committed));
  return Head{.size = committed->range.size(), .root = committed->range.root()};
}

Result<std::string> AuditStore::get(std::uint64_t seq) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare("SELECT record FROM audit_record WHERE seq=?"));
  SLIPWAY_TRY(const bool row, query.bind(1, number(seq)).step());
  if (row) return query.text(0);
  SLIPWAY_TRY(const std::uint64_t gone, cut_of(session));
  if (seq > 0 && seq <= gone)
    return fail(Errc::not_found,
                fmt::format("record {} is older than what is kept (up to {})", seq, gone));
  return fail(Errc::not_found, fmt::format("no audit record {}", seq), "see `slipway audit ls`");
}

Result<std::vector<std::string>> AuditStore::records(std::uint64_t first, std::size_t limit) {
  auto session = database_.read();
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM audit_record WHERE seq>=? ORDER BY seq LIMIT ?"));
  query.bind(1, number(first)).bind(2, number(limit));
  std::vector<std::string> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return out;
    out.push_back(query.text(0));
  }
}

Result<AuditPage> AuditStore::list(const AuditFilter& filter) {
  AuditPage page;
  std::uint64_t below = filter.before > 0 ? filter.before : INT64_MAX, looked_at = 0;
  const std::string chain =
      filter.actor.contains(':') ? " " + filter.actor + " " : ":" + filter.actor + " ";
  while (looked_at < rows_at_most) {
    auto session = database_.read();
    SLIPWAY_TRY(const std::uint64_t size, count(session));
    SLIPWAY_TRY(const std::uint64_t gone, cut_of(session));
    const std::uint64_t end = std::min(below, size + 1);
    if (end <= gone + 1) return page;
    const std::uint64_t begin = std::max(gone + 1, end > rows_at_once ? end - rows_at_once : 1);
    SLIPWAY_TRY(Statement query,
                session.prepare(
                    "SELECT seq, record FROM audit_record WHERE seq>=?1 AND seq<?2"
                    " AND (?3='' OR project=?3) AND (?4='' OR instr(actor,?4)>0)"
                    " AND (?5='' OR action=?5 OR event=?5 OR substr(event,1,length(?5)+1)=?5||'.')"
                    " AND time>=?6 AND time<?7 ORDER BY seq DESC LIMIT ?8"));
    query.bind(1, number(begin)).bind(2, number(end)).bind(3, filter.project);
    query.bind(4, filter.actor.empty() ? std::string_view() : std::string_view(chain));
    query.bind(5, filter.action);
    query.bind(6, filter.since ? micros(*filter.since) : INT64_MIN);
    query.bind(7, filter.until ? micros(*filter.until) : INT64_MAX);
    query.bind(8, number(filter.limit - page.records.size()));
    std::uint64_t last = begin;
    for (;;) {
      SLIPWAY_TRY(const bool row, query.step());
      if (!row) break;
      page.records.push_back(query.text(1));
      if (page.records.size() == filter.limit) last = static_cast<std::uint64_t>(query.number(0));
    }
    page.next = last > gone + 1 ? last : 0;
    if (page.next == 0 || page.records.size() >= filter.limit) return page;
    looked_at += end - begin;
    below = begin;
  }
  return page;
}

Result<std::uint64_t> AuditStore::cut() {
  auto session = database_.read();
  return cut_of(session);
}

Result<merkle::Proof> AuditStore::inclusion(std::uint64_t seq, std::uint64_t size) {
  auto session = database_.read();
  SLIPWAY_TRY(const std::uint64_t have, count(session));
  if (size > have) return beyond(size, have);
  if (seq == 0 || seq > size) return beyond(seq, size);
  return merkle::inclusion_proof(nodes(session), seq - 1, size);
}

Result<merkle::Proof> AuditStore::consistency(std::uint64_t from, std::uint64_t to) {
  auto session = database_.read();
  SLIPWAY_TRY(const std::uint64_t have, count(session));
  if (to > have) return beyond(to, have);
  return merkle::consistency_proof(nodes(session), from, to);
}

Result<merkle::CompactRange> AuditStore::range(std::uint64_t size) {
  auto session = database_.read();
  SLIPWAY_TRY(const std::uint64_t have, count(session));
  if (size > have) return beyond(size, have);
  return merkle::range_of(nodes(session), size);
}

Result<std::vector<Digest>> AuditStore::tile(unsigned level, tlog::TileNumber wanted) {
  auto session = database_.read();
  SLIPWAY_TRY(const std::uint64_t have, count(session));
  const unsigned shift = level * merkle::stride;
  if (wanted.end() > (shift < 64 ? have >> shift : 0)) return no_tile(wanted, have);
  SLIPWAY_TRY(std::vector<Digest> hashes, nodes(session)(shift, wanted.first(), wanted.width));
  if (hashes.size() != wanted.width)
    return fail(Errc::corrupt, "hashes of the audit log's tree are missing");
  return hashes;
}

Result<std::vector<std::string>> AuditStore::entries(tlog::TileNumber wanted) {
  auto session = database_.read();
  SLIPWAY_TRY(const std::uint64_t have, count(session));
  if (wanted.end() > have) return no_tile(wanted, have);
  SLIPWAY_TRY(const std::uint64_t gone, cut_of(session));
  if (wanted.first() < gone)
    return fail(Errc::not_found, fmt::format("records up to {} are no longer kept", gone),
                "their hashes are: tile/0/" + wanted.path());
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT record FROM audit_record WHERE seq>? AND seq<=?"
                              " ORDER BY seq"));
  query.bind(1, number(wanted.first())).bind(2, number(wanted.end()));
  std::vector<std::string> out;
  for (;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) break;
    out.push_back(query.text(0));
  }
  if (out.size() != wanted.width)
    return fail(Errc::corrupt, "records of the audit log are missing");
  return out;
}

void AuditStore::keep(const SignedCheckpoint& checkpoint) {
  const MutexLock lock(pending_mutex_);
  pending_.push_back(checkpoint);
}

Status AuditStore::store_checkpoint(Database::Transaction& session) {
  std::vector<SignedCheckpoint> pending;
  {
    const MutexLock lock(pending_mutex_);
    pending.swap(pending_);
  }
  for (const SignedCheckpoint& one : pending) {
    SLIPWAY_TRY(Statement insert,
                session.prepare("INSERT OR IGNORE INTO audit_checkpoint(size,note) VALUES(?,?)"));
    const std::string text = one.note.str();
    SLIPWAY_CHECK(insert.bind(1, number(one.checkpoint.size)).bind(2, text).run());
  }
  return {};
}

Result<std::vector<SignedCheckpoint>> AuditStore::checkpoints(std::uint64_t first,
                                                              std::uint64_t last) {
  std::vector<SignedCheckpoint> out;
  {
    auto session = database_.read();
    SLIPWAY_TRY(Statement query, session.prepare("SELECT note FROM audit_checkpoint WHERE size>=? "
                                                 "AND size<=? ORDER BY size"));
    query.bind(1, number(first)).bind(2, number(last));
    for (;;) {
      SLIPWAY_TRY(const bool row, query.step());
      if (!row) break;
      SLIPWAY_TRY(SignedCheckpoint one, SignedCheckpoint::parse(query.text(0)));
      out.push_back(std::move(one));
    }
  }
  const MutexLock lock(pending_mutex_);
  for (const SignedCheckpoint& one : pending_)
    if (one.checkpoint.size >= first && one.checkpoint.size <= last &&
        (out.empty() || out.back().checkpoint.size < one.checkpoint.size))
      out.push_back(one);
  return out;
}

Result<std::uint64_t> AuditStore::truncate(const AuditContext& by, Timestamp time,
                                           std::uint64_t limit) {
  std::uint64_t gone = 0;
  SLIPWAY_CHECK(database_.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(const std::uint64_t before, cut_of(session));
    // The oldest record that stays; the newest always does.
    SLIPWAY_TRY(
        Statement query,
        session.prepare("SELECT coalesce((SELECT seq FROM audit_record WHERE seq>?1 AND time>=?2"
                        " ORDER BY seq LIMIT 1), max(seq)) FROM audit_record"));
    SLIPWAY_TRY([[maybe_unused]] const bool row,
                query.bind(1, number(before)).bind(2, micros(time)).step());
    const auto stays = static_cast<std::uint64_t>(query.number(0));
    if (stays <= before + 1) return {};
    const std::uint64_t through = std::min(stays - 1, before + limit);
    // Cutting is an event itself: without this it would go on for ever.
    SLIPWAY_TRY(Statement others,
                session.prepare("SELECT count(*) FROM audit_record WHERE seq>? AND seq<=?"
                                " AND event<>'audit.truncated'"));
    SLIPWAY_TRY([[maybe_unused]] const bool counted,
                others.bind(1, number(before)).bind(2, number(through)).step());
    if (others.number(0) == 0) return {};
    SLIPWAY_TRY(const merkle::CompactRange prefix, merkle::range_of(nodes(session), through));
    SLIPWAY_CHECK(append(session, {.event = "audit.truncated",
                                   .by = by,
                                   .resource = "audit",
                                   .detail = {{"through", std::to_string(through)},
                                              {"root", prefix.root().hex()}}}));
    for (std::uint64_t first = before; first < through; first += rows_at_once) {
      const std::uint64_t some = std::min(rows_at_once, through - first);
      SLIPWAY_TRY(const std::vector<Digest> hashes, nodes(session)(0, first, some));
      for (std::uint64_t i = 0; i < hashes.size(); ++i)
        SLIPWAY_CHECK(add_node(session, 0, first + i, hashes[i]));
    }
    SLIPWAY_TRY(Statement move, session.prepare("UPDATE audit_cut SET seq=?"));
    SLIPWAY_CHECK(move.bind(1, number(through)).run());
    SLIPWAY_TRY(Statement remove, session.prepare("DELETE FROM audit_record WHERE seq<=?"));
    SLIPWAY_CHECK(remove.bind(1, number(through)).run());
    SLIPWAY_TRY(Statement old, session.prepare("DELETE FROM audit_checkpoint WHERE size<=?"));
    SLIPWAY_CHECK(old.bind(1, number(through)).run());
    gone = through - before;
    return {};
  }));
  return gone;
}

}  // namespace slipway
