#include "db/database.h"

#include <gtest/gtest.h>

#include <array>

namespace slipway {
namespace {

constexpr std::array<std::string_view, 1> schema{
    "CREATE TABLE note (text TEXT NOT NULL) STRICT;\n"};

std::unique_ptr<Database> open() { return Database::open(":memory:", schema).value(); }

// It waited for itself for ever, and everybody else with it.
TEST(DatabaseDeathTest, AThreadThatUsesItAndAsksForItAgainEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto database = open();
  EXPECT_DEATH(std::ignore = database->transaction([&](Database::Session&) -> Status {
    auto again = database->session();
    return {};
  }),
               "asked for it again");
}

TEST(Database, ATransactionAfterAnotherIsFine) {
  const auto database = open();
  const auto add = [](Database::Session& session) {
    return session.execute("INSERT INTO note VALUES('x')");
  };
  ASSERT_TRUE(database->transaction(add));
  ASSERT_TRUE(database->transaction(add));
}

}  // namespace
}  // namespace slipway
