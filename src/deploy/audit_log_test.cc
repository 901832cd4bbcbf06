#include "deploy/audit_log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <thread>

#include "db/database.h"
#include "db/schema.h"
#include "sys/files.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

class AuditLogTest : public ::testing::Test {
 protected:
  TempDir directory = TempDir::create(std::filesystem::temp_directory_path(), "audit-log-").value();
  std::filesystem::path key_file = directory.path() / "audit.key";
  ManualClock clock;
  std::unique_ptr<Database> database = Database::open(":memory:", schema_migrations).value();
  AuditStore store{*database, clock};

  std::unique_ptr<AuditLog> open(Duration keep = {}) {
    return AuditLog::open(key_file, store, clock, keep).value();
  }
  void add(std::string event) { ASSERT_TRUE(store.record({.event = std::move(event)})); }
  // Waits for the signer's thread; it may take as long as it likes.
  static SignedCheckpoint wait_for_size(const AuditLog& log, std::uint64_t size) {
    for (;;) {
      const auto latest = log.latest();
      if (latest->checkpoint.checkpoint.size >= size) return latest->checkpoint;
      std::this_thread::yield();
    }
  }
};

TEST_F(AuditLogTest, SignsByItselfWhatWasCommitted) {
  const auto log = open();
  EXPECT_EQ(log->latest()->checkpoint.checkpoint.size, 0u);
  for (int i = 0; i < 300; ++i) add("deployment.created");
  const SignedCheckpoint checkpoint = wait_for_size(*log, 300);
  EXPECT_TRUE(note::verify(checkpoint.note, log->keys()));
  EXPECT_EQ(checkpoint.checkpoint.root, store.head().value().root);
  EXPECT_EQ(SignedCheckpoint::parse_compact(log->latest()->compact).value(), checkpoint);
}

TEST_F(AuditLogTest, ATransactionThatIsUndoneIsNeverSigned) {
  const auto log = open();
  EXPECT_FALSE(database->transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_CHECK(store.append(session, {.event = "deployment.lost"}));
    return fail(Errc::conflict, "no");
  }));
  add("deployment.created");
  EXPECT_EQ(wait_for_size(*log, 1).checkpoint.root, store.head().value().root);
  EXPECT_EQ(log->sign().value().checkpoint.size, 1u);
}

// The thread sanitizer sees what is wrong here; without it this only shows that nothing hangs.
TEST_F(AuditLogTest, ALogEndsWhileOthersStillAppend) {
  std::atomic<bool> over = false;
  std::thread appender([&] {
    while (!over) EXPECT_TRUE(store.record({.event = "deployment.created"}));
  });
  for (int i = 0; i < 10; ++i) {
    const std::uint64_t seen = store.head().value().size;
    const auto log = open();
    wait_for_size(*log, seen + 1);
  }
  over = true;
  appender.join();
}

TEST_F(AuditLogTest, TheKeyIsInAFileOfItsOwnThatNobodyElseReads) {
  const std::string origin = open()->latest()->checkpoint.checkpoint.origin;
  struct stat status{};
  ASSERT_EQ(::stat(key_file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(open()->latest()->checkpoint.checkpoint.origin, origin);
  ASSERT_TRUE(write_file_atomic(key_file, "{}", 0600));
  EXPECT_EQ(AuditLog::open(key_file, store, clock, {}).error().code, Errc::corrupt);
}

TEST_F(AuditLogTest, ARotatedKeyIsRecordedAndTheOldOneSignsAlong) {
  auto log = open();
  const note::VerifierKey first = log->keys().front();
  const note::VerifierKey second = log->rotate(by_system("test")).value();
  const AuditRecord record = parse_audit_record(store.get(1).value()).value();
  EXPECT_EQ(record.event.event, "audit.key_rotated");
  EXPECT_EQ(record.event.detail.at("old"), first.str());
  EXPECT_EQ(record.event.detail.at("new"), second.str());
  for (const note::VerifierKey& key : {first, second})
    EXPECT_TRUE(note::verify(log->latest()->checkpoint.note, std::array{key}));
  const note::VerifierKey third = log->rotate(by_system("test")).value();
  EXPECT_FALSE(note::verify(log->latest()->checkpoint.note, std::array{first}));
  log.reset();
  log = open();
  EXPECT_EQ(log->keys(), (std::vector{first, second, third}));
  add("deployment.created");
  EXPECT_TRUE(note::verify(log->sign().value().note, std::array{second}));
}

TEST_F(AuditLogTest, CutsOffWhatIsOlderThanItKeeps) {
  const auto log = open(24h);
  for (int i = 0; i < 10; ++i) add("deployment.created");
  wait_for_size(*log, 10);
  clock.advance(48h);
  // It looks once an hour at the most, and may have done so just as the clock was moved.
  for (std::uint64_t size = 11; store.cut().value() < 10; ++size) {
    clock.advance(2h);
    add("deployment.created");
    wait_for_size(*log, size);
  }
  EXPECT_FALSE(store.get(10));
}

}  // namespace
}  // namespace slipway
