#include "db/database.h"

#include <gtest/gtest.h>

#include <array>
#include <future>
#include <latch>
#include <thread>

#include "base/ids.h"
#include "db/testing/fault_disk.h"
#include "db/urgent.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 1> schema{
    "CREATE TABLE note (text TEXT NOT NULL) STRICT;\nINSERT INTO note VALUES('first');\n"};

Status add(Database& database, std::string_view text) {
  return database.transaction([&](Database::Transaction& transaction) -> Status {
    SLIPWAY_TRY(Statement insert, transaction.prepare("INSERT INTO note VALUES(?)"));
    return insert.bind(1, text).run();
  });
}

std::int64_t count(Database::Session& session) {
  Statement query = session.prepare("SELECT count(*) FROM note").value();
  EXPECT_TRUE(query.step().value());
  return query.number(0);
}
std::int64_t count(Database& database) {
  auto reader = database.read();
  return count(reader);
}

class DatabaseTest : public ::testing::TestWithParam<std::string> {
 protected:
  void TearDown() override {
    database.reset();
    if (!file.empty()) std::filesystem::remove_all(file.parent_path());
  }
  static std::filesystem::path fresh_file() {
    const auto directory =
        std::filesystem::temp_directory_path() / ("slipway-database-" + random_id());
    std::filesystem::create_directory(directory);
    return directory / "test.db";
  }
  std::filesystem::path file = GetParam() == "file" ? fresh_file() : std::filesystem::path();
  std::unique_ptr<Database> database =
      Database::open(file.empty() ? ":memory:" : file, schema).value();
};
INSTANTIATE_TEST_SUITE_P(Of, DatabaseTest, ::testing::Values("file", "memory"),
                         [](const auto& info) { return info.param; });

class DatabaseFileTest : public DatabaseTest {};
INSTANTIATE_TEST_SUITE_P(Of, DatabaseFileTest, ::testing::Values("file"),
                         [](const auto& info) { return info.param; });

// It waited for itself for ever, and everybody else with it.
TEST(DatabaseDeathTest, AThreadThatUsesItAndAsksForItAgainEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto database = Database::open(":memory:", schema).value();
  EXPECT_DEATH(std::ignore = database->transaction([&](Database::Transaction&) -> Status {
    auto again = database->read();
    return {};
  }),
               "asked for it again");
  EXPECT_DEATH(
      {
        auto reader = database->read();
        std::ignore = add(*database, "x");
      },
      "asked for it again");
}

TEST_P(DatabaseTest, WhatIsCommittedIsReadAndWhatIsUndoneIsNot) {
  ASSERT_TRUE(add(*database, "x"));
  EXPECT_EQ(count(*database), 2);
  EXPECT_FALSE(database->transaction([&](Database::Transaction& transaction) -> Status {
    SLIPWAY_CHECK(transaction.execute("DELETE FROM note"));
    return fail(Errc::conflict, "no");
  }));
  EXPECT_EQ(count(*database), 2);
}

TEST_P(DatabaseTest, WhoReadsCannotWrite) {
  {
    auto reader = database->read();
    EXPECT_EQ(reader.execute("DELETE FROM note").error().code, Errc::internal);
  }
  EXPECT_EQ(count(*database), 1);
}

TEST_P(DatabaseTest, AStatementInUseTwiceIsTwoStatements) {
  auto reader = database->read();
  constexpr std::string_view sql = "SELECT ? UNION ALL SELECT ?";
  Statement one = reader.prepare(sql).value(), two = reader.prepare(sql).value();
  EXPECT_TRUE(one.bind(1, "one").step().value());
  EXPECT_TRUE(two.bind(1, "two").step().value());
  EXPECT_EQ(one.text(0), "one");
  EXPECT_EQ(two.text(0), "two");
  EXPECT_TRUE(one.step().value());
  EXPECT_TRUE(one.is_null(0));
}

TEST_P(DatabaseTest, AStatementThatIsUsedAgainHasNothingOfBefore) {
  auto reader = database->read();
  constexpr std::string_view sql = "SELECT ?";
  {
    Statement first = reader.prepare(sql).value();
    EXPECT_TRUE(first.bind(1, "before").step().value());
  }
  Statement again = reader.prepare(sql).value();
  EXPECT_TRUE(again.step().value());
  EXPECT_TRUE(again.is_null(0));
}

TEST_P(DatabaseTest, SaysThatItCannotWorkWhileOneWriterDoesNotEnd) {
  EXPECT_TRUE(database->probe(30s));
  std::latch writing(1), asked(1);
  std::jthread writer([&] {
    EXPECT_TRUE(database->transaction([&](Database::Transaction&) -> Status {
      writing.count_down();
      asked.wait();
      return {};
    }));
  });
  writing.wait();
  const Status probed = database->probe(1ms);
  asked.count_down();
  EXPECT_EQ(probed.error().code, Errc::unavailable);
  writer.join();
  EXPECT_TRUE(database->probe(30s));
}

TEST_P(DatabaseFileTest, NobodyWhoReadsWaitsForAWriter) {
  std::latch written(1), read(1);
  std::jthread writer([&] {
    EXPECT_TRUE(database->transaction([&](Database::Transaction& transaction) -> Status {
      SLIPWAY_CHECK(transaction.execute("INSERT INTO note VALUES('x')"));
      written.count_down();
      read.wait();
      return {};
    }));
  });
  written.wait();
  EXPECT_EQ(count(*database), 1);
  read.count_down();
  writer.join();
  EXPECT_EQ(count(*database), 2);
}

TEST_P(DatabaseFileTest, AReaderSeesOnePictureAndTheNextOneWhatWasCommittedMeanwhile) {
  {
    auto reader = database->read();
    EXPECT_EQ(count(reader), 1);
    std::jthread([&] { EXPECT_TRUE(add(*database, "x")); }).join();
    EXPECT_EQ(count(reader), 1);
  }
  EXPECT_EQ(count(*database), 2);
}

TEST_P(DatabaseFileTest, WhatOneThreadHasCommittedEveryOtherReads) {
  std::atomic<std::int64_t> committed = 1;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)  // more than there are connections
    threads.emplace_back([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        const std::int64_t before = committed;
        EXPECT_GE(count(*database), before);
      }
    });
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(add(*database, "x"));
    ++committed;
  }
}

// A writer that comes once a disk is full: the reserve is for what stops things, in parts.
TEST_P(DatabaseFileTest, OnAFullDiskUrgentChangesAloneHaveTheReserve) {
  testing::FaultDisk disk;
  database = Database::open(file, schema).value();
  int parts = 2;
  database->on_full([&] { return parts-- > 0; });
  disk.fail_at(1, testing::FaultDisk::Fault::full);
  EXPECT_EQ(add(*database, "usual").error().code, Errc::disk_full);
  EXPECT_EQ(parts, 2);
  disk.fail_at(1, testing::FaultDisk::Fault::full);
  {
    const Urgent urgent;
    EXPECT_TRUE(add(*database, "urgent"));
    EXPECT_EQ(parts, 1);
  }
  disk.fail_at(1, testing::FaultDisk::Fault::full);
  EXPECT_EQ(add(*database, "usual").error().code, Errc::disk_full);
  EXPECT_EQ(count(*database), 2);
  database.reset();
}

// A trigger's body has statements of its own, each with a semicolon at the end of its line.
TEST(DatabaseSchema, MayHaveTriggersWithWholeBodies) {
  constexpr std::array<std::string_view, 1> triggered{
      R"(CREATE TABLE note (text TEXT NOT NULL) STRICT;
CREATE TABLE copy (text TEXT NOT NULL) STRICT;
CREATE TRIGGER copies AFTER INSERT ON note BEGIN
  INSERT INTO copy VALUES(NEW.text);
  INSERT INTO copy VALUES(NEW.text || ';');
END;
INSERT INTO note VALUES('a');
-- the end
)"};
  const auto database = Database::open(":memory:", triggered).value();
  auto reader = database->read();
  Statement query = reader.prepare("SELECT group_concat(text,'') FROM copy").value();
  EXPECT_TRUE(query.step().value());
  EXPECT_EQ(query.text(0), "aa;");
}

TEST(DatabaseSchema, AStepThatFailsLeavesTheSchemaOfBefore) {
  const auto directory = std::filesystem::temp_directory_path() / ("slipway-schema-" + random_id());
  std::filesystem::create_directory(directory);
  constexpr std::array<std::string_view, 2> broken{
      schema[0], "CREATE TABLE other (a INTEGER) STRICT;\nINSERT INTO nowhere VALUES(1);\n"};
  EXPECT_FALSE(Database::open(directory / "a.db", broken));
  const auto database = Database::open(directory / "a.db", schema).value();
  EXPECT_EQ(count(*database), 1);
  auto reader = database->read();
  EXPECT_FALSE(reader.prepare("SELECT * FROM other"));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace slipway
