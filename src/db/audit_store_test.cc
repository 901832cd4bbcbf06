#include "db/audit_store.h"

#include <gtest/gtest.h>

#include "audit/export.h"
#include "db/stores.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

class AuditStoreTest : public ::testing::Test {
 protected:
  ManualClock clock;
  Stores stores = Stores::open(":memory:", clock).value();
  AuditStore& audit = *stores.audit;

  Status add(std::string event, std::string project = "shop", std::string actor = "ann") {
    return audit.record(
        {.event = std::move(event),
         .action = "deploy",
         .by = {.actor = {.kind = "human", .name = actor, .chain = {"human:" + actor}}},
         .resource = "deployment/dpl_aaaaaaaaaa",
         .project = std::move(project)});
  }
  void add_many(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(add(fmt::format("deployment.number{}", i)));
  }
  Status execute(std::string_view sql) {
    return stores.database->transaction(
        [&](Database::Transaction& session) { return session.execute(sql); });
  }
  std::vector<std::string> everything() { return audit.records(1, 100'000).value(); }
};

TEST_F(AuditStoreTest, RecordsFormAChainAndATree) {
  add_many(3);
  Digest previous;
  merkle::CompactRange range;
  for (const std::string& text : everything()) {
    const AuditRecord record = parse_audit_record(text).value();
    EXPECT_EQ(record.seq, range.size() + 1);
    EXPECT_EQ(record.previous, previous);
    previous = merkle::leaf_hash(text);
    range.append(previous);
  }
  EXPECT_EQ(audit.head().value().size, 3u);
  EXPECT_EQ(audit.head().value().root, range.root());
}

TEST_F(AuditStoreTest, ATransactionThatIsUndoneLeavesNoRecordAndNoGap) {
  add_many(2);
  const auto undone = stores.database->transaction([&](Database::Transaction& session) -> Status {
    for (int i = 0; i < 3; ++i) SLIPWAY_CHECK(audit.append(session, {.event = "deployment.lost"}));
    return fail(Errc::conflict, "no");
  });
  EXPECT_EQ(undone.error().code, Errc::conflict);
  EXPECT_EQ(audit.head().value().size, 2u);
  ASSERT_TRUE(add("deployment.created"));
  const auto texts = everything();
  ASSERT_EQ(texts.size(), 3u);
  EXPECT_EQ(parse_audit_record(texts[2]).value().previous, merkle::leaf_hash(texts[1]));
}

TEST_F(AuditStoreTest, ANewStoreOverTheSameDatabaseGoesOnWhereTheOldOneWas) {
  add_many(300);
  AuditStore other(*stores.database, clock);
  EXPECT_EQ(other.head().value().root, audit.head().value().root);
  ASSERT_TRUE(other.record({.event = "deployment.created"}));
  EXPECT_EQ(audit.head().value().root, other.head().value().root);
}

// A client of tlog-tiles has nothing but tiles: every root and proof must come out of them alone.
TEST_F(AuditStoreTest, TilesGiveTheSameProofsAsTheStoreItself) {
  constexpr std::uint64_t size = 600;
  add_many(size);
  const auto by_tiles = [&](unsigned level, std::uint64_t first,
                            std::uint64_t count) -> Result<std::vector<Digest>> {
    const std::uint64_t index = first / tlog::tile_width, at = first % tlog::tile_width,
                        there = (size >> level) - index * tlog::tile_width;
    SLIPWAY_TRY(const std::vector<Digest> tile,
                audit.tile(level / merkle::stride,
                           {.index = index,
                            .width = static_cast<unsigned>(std::min<std::uint64_t>(there, 256))}));
    return std::vector<Digest>(tile.begin() + static_cast<std::ptrdiff_t>(at),
                               tile.begin() + static_cast<std::ptrdiff_t>(at + count));
  };
  EXPECT_EQ(merkle::root_of(by_tiles, 0, size).value(), audit.head().value().root);
  for (const std::uint64_t leaf : {0, 1, 255, 256, 511, 512, 599})
    EXPECT_EQ(merkle::inclusion_proof(by_tiles, leaf, size).value(),
              audit.inclusion(leaf + 1, size).value());
  for (const std::uint64_t from : {1, 100, 256, 257, 512, 599})
    EXPECT_EQ(merkle::consistency_proof(by_tiles, from, size).value(),
              audit.consistency(from, size).value());
}

TEST_F(AuditStoreTest, EntriesHashToTheirTileAndNothingIsServedThatIsNotThere) {
  add_many(300);
  for (const tlog::TileNumber number : {tlog::TileNumber{.index = 0}, {.index = 1, .width = 44}}) {
    std::vector<Digest> hashes;
    for (const std::string& entry : audit.entries(number).value())
      hashes.push_back(merkle::leaf_hash(entry));
    EXPECT_EQ(hashes, audit.tile(0, number).value());
  }
  EXPECT_EQ(audit.tile(1, {.index = 0, .width = 1}).value().size(), 1u);
  for (const tlog::TileNumber number :
       {tlog::TileNumber{.index = 1}, {.index = 1, .width = 45}, {.index = 99'999'999'999}}) {
    EXPECT_EQ(audit.tile(0, number).error().code, Errc::not_found);
    EXPECT_EQ(audit.entries(number).error().code, Errc::not_found);
  }
  for (const unsigned level : {1u, 2u, 7u, 8u, 63u})
    EXPECT_EQ(audit.tile(level, {.index = 0, .width = 2}).error().code, Errc::not_found);
}

TEST_F(AuditStoreTest, OfEntriesThatWereCutOffTheHashesStay) {
  add_many(300);
  const auto before = audit.tile(0, {.index = 0}).value();
  clock.advance(1h);
  ASSERT_TRUE(add("deployment.created"));
  ASSERT_EQ(audit.truncate({}, clock.now(), 260).value(), 260u);
  EXPECT_EQ(audit.tile(0, {.index = 0}).value(), before);
  EXPECT_EQ(audit.tile(0, {.index = 1, .width = 44}).value().size(), 44u);
  EXPECT_EQ(audit.entries({.index = 0}).error().code, Errc::not_found);
  EXPECT_EQ(audit.entries({.index = 1, .width = 44}).error().code, Errc::not_found);
}

TEST_F(AuditStoreTest, RowsAreOnlyEverAdded) {
  add_many(300);
  audit.keep(SignedCheckpoint{.checkpoint = {.origin = "o", .size = 300}});
  for (const std::string_view sql :
       {"UPDATE audit_record SET record='{}' WHERE seq=1", "DELETE FROM audit_record WHERE seq=300",
        "DELETE FROM audit_record",
        "INSERT OR REPLACE INTO audit_record VALUES(1,0,'','','','','')",
        "INSERT INTO audit_record VALUES(302,0,'','','','','')", "UPDATE audit_node SET hash=''",
        "DELETE FROM audit_node", "DELETE FROM audit_cut"})
    EXPECT_FALSE(execute(sql)) << sql;
  ASSERT_TRUE(execute("UPDATE audit_cut SET seq=1"));
  EXPECT_FALSE(execute("UPDATE audit_cut SET seq=0"));
}

TEST_F(AuditStoreTest, ProofsHoldAtEverySizeAcrossKeptHashes) {
  add_many(600);
  const AuditStore::Head head = audit.head().value();
  const auto texts = everything();
  for (const std::uint64_t seq : {1u, 2u, 255u, 256u, 257u, 511u, 512u, 513u, 600u}) {
    const merkle::Proof path = audit.inclusion(seq, head.size).value();
    EXPECT_TRUE(merkle::verify_inclusion(merkle::leaf_hash(texts[seq - 1]), seq - 1, head.size,
                                         path, head.root));
    const Digest then = audit.range(seq).value().root();
    EXPECT_TRUE(merkle::verify_consistency(seq, then, head.size, head.root,
                                           audit.consistency(seq, head.size).value()));
  }
  EXPECT_EQ(audit.inclusion(601, 600).error().code, Errc::invalid_argument);
  EXPECT_EQ(audit.consistency(5, 601).error().code, Errc::invalid_argument);
}

TEST_F(AuditStoreTest, ListsByProjectActorActionAndTimeInPages) {
  ASSERT_TRUE(add("deployment.created", "shop", "ann"));
  clock.advance(1min);
  const Timestamp second = clock.now();
  ASSERT_TRUE(add("deployment.ready", "shop", "bob"));
  clock.advance(1min);
  ASSERT_TRUE(add("token.revoked", "blog", "joann"));
  const auto seqs = [&](const AuditFilter& filter) {
    std::vector<std::uint64_t> out;
    for (const std::string& text : audit.list(filter).value().records)
      out.push_back(parse_audit_record(text).value().seq);
    return out;
  };
  using Seqs = std::vector<std::uint64_t>;
  EXPECT_EQ(seqs({}), (Seqs{3, 2, 1}));
  EXPECT_EQ(seqs({.project = "shop"}), (Seqs{2, 1}));
  EXPECT_EQ(seqs({.actor = "ann"}), (Seqs{1}));
  EXPECT_EQ(seqs({.actor = "human:bob"}), (Seqs{2}));
  EXPECT_EQ(seqs({.action = "deployment"}), (Seqs{2, 1}));
  EXPECT_EQ(seqs({.action = "token.revoked"}), (Seqs{3}));
  EXPECT_EQ(seqs({.action = "deploy"}), (Seqs{3, 2, 1}));
  EXPECT_EQ(seqs({.since = second}), (Seqs{3, 2}));
  EXPECT_EQ(seqs({.until = second}), (Seqs{1}));
  const AuditPage page = audit.list({.limit = 2}).value();
  EXPECT_EQ(page.next, 2u);
  EXPECT_EQ(seqs({.before = page.next}), (Seqs{1}));
  EXPECT_EQ(audit.list({.before = page.next}).value().next, 0u);
}

TEST_F(AuditStoreTest, CheckpointsTravelWithTheNextRecord) {
  const note::SignerKey key{.name = "log"};
  add_many(1);
  const AuditStore::Head head = audit.head().value();
  const auto signed_one = SignedCheckpoint::make(
      {.origin = "log", .size = head.size, .root = head.root}, std::array{key});
  audit.keep(signed_one);
  EXPECT_EQ(audit.checkpoints(1, 5).value(), (std::vector{signed_one}));
  add_many(1);
  AuditStore other(*stores.database, clock);
  EXPECT_EQ(other.checkpoints(1, 5).value(), (std::vector{signed_one}));
  EXPECT_TRUE(other.checkpoints(2, 5).value().empty());
}

TEST_F(AuditStoreTest, RetentionCutsOldRecordsAndKeepsEveryProof) {
  add_many(400);
  const auto old_texts = everything();
  const Digest old_root = audit.head().value().root;
  clock.advance(24h);
  add_many(10);
  EXPECT_EQ(audit.truncate(by_system("retention"), clock.now() - 1h, 300).value(), 300u);
  EXPECT_EQ(audit.truncate(by_system("retention"), clock.now() - 1h, 300).value(), 100u);
  EXPECT_EQ(audit.truncate(by_system("retention"), clock.now() - 1h, 300).value(), 0u);
  EXPECT_EQ(audit.cut().value(), 400u);
  EXPECT_EQ(audit.get(400).error().code, Errc::not_found);
  EXPECT_TRUE(audit.get(401));
  const AuditStore::Head head = audit.head().value();
  EXPECT_EQ(head.size, 412u);
  EXPECT_TRUE(merkle::verify_consistency(400, old_root, head.size, head.root,
                                         audit.consistency(400, head.size).value()));
  EXPECT_TRUE(merkle::verify_inclusion(merkle::leaf_hash(old_texts[6]), 6, head.size,
                                       audit.inclusion(7, head.size).value(), head.root));
  AuditStore other(*stores.database, clock);
  EXPECT_EQ(other.head().value().root, head.root);
  // Nothing is left to cut but what says that something was cut.
  clock.advance(24h);
  EXPECT_EQ(audit.truncate(by_system("retention"), clock.now(), 300).value(), 11u);
  EXPECT_EQ(audit.truncate(by_system("retention"), clock.now(), 300).value(), 0u);
}

}  // namespace
}  // namespace slipway
