#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <span>

#include "base/ids.h"
#include "db/database.h"
#include "db/schema.h"

namespace slipway {
namespace {

using Counts = std::map<std::string, std::int64_t>;

Counts read(Database& database, std::string_view sql) {
  auto session = database.read();
  auto query = session.prepare(sql).value();
  Counts out;
  while (query.step().value()) out[query.text(0)] = query.number(1);
  return out;
}

Counts kept(Database& database) {
  return read(database, "SELECT scope||' '||name, count FROM live_previews WHERE count<>0");
}
Counts counted(Database& database) {
  return read(database,
              "SELECT 'all '||'', count(*) FROM deployment WHERE state IN ('ready','sleeping')"
              " HAVING count(*)>0"
              " UNION ALL SELECT 'project '||project, count(*) FROM deployment"
              " WHERE state IN ('ready','sleeping') GROUP BY project"
              " UNION ALL SELECT 'actor '||actor, count(*) FROM deployment"
              " WHERE state IN ('ready','sleeping') AND actor IS NOT NULL GROUP BY actor"
              " UNION ALL SELECT 'agent '||top_agent, count(*) FROM deployment"
              " WHERE state IN ('ready','sleeping') AND top_agent IS NOT NULL GROUP BY top_agent");
}

// One change of one deployment out of a few, by `choice`.
Status change(Database::Transaction& session, unsigned choice) {
  static constexpr const char* states[] = {"queued", "ready", "sleeping", "failed", "deleted"};
  const std::string id = fmt::format("dpl_{}", choice % 12);
  const std::string state = states[(choice / 12) % 5];
  const unsigned kind = (choice / 60) % 4;
  if (kind == 0) {
    SLIPWAY_TRY(Statement remove, session.prepare("DELETE FROM deployment WHERE id=?"));
    return remove.bind(1, id).run();
  }
  if (kind == 1) {
    const std::string record =
        choice % 3 == 0
            ? R"({"actor":{"kind":"human","name":"ann"}})"
            : R"({"actor":{"kind":"agent","name":"coder","chain":["human:ann","agent:coder"]}})";
    SLIPWAY_TRY(Statement add,
                session.prepare("INSERT OR IGNORE INTO deployment(id,project,alias,state,"
                                "created_at,record) VALUES(?,?,'preview',?,0,?)"));
    return add.bind(1, id)
        .bind(2, choice % 2 == 0 ? "a" : "b")
        .bind(3, state)
        .bind(4, record)
        .run();
  }
  SLIPWAY_TRY(Statement update, session.prepare("UPDATE deployment SET state=? WHERE id=?"));
  return update.bind(1, state).bind(2, id).run();
}

Status projects(Database::Transaction& session) {
  for (const char* name : {"a", "b"}) {
    SLIPWAY_TRY(Statement add,
                session.prepare("INSERT INTO project(name,team,created_at) VALUES(?,'default',0)"));
    SLIPWAY_CHECK(add.bind(1, name).run());
  }
  return {};
}

TEST(LivePreviews, AreCountedRightAfterAnySequenceOfChanges) {
  const auto database = Database::open(":memory:", schema_migrations).value();
  ASSERT_TRUE(database->transaction(projects));
  std::uint32_t chance = 12345;
  for (int i = 0; i < 2000; ++i) {
    chance = chance * 1664525 + 1013904223;
    ASSERT_TRUE(database->transaction(
        [&](Database::Transaction& session) { return change(session, chance >> 8); }));
    ASSERT_EQ(kept(*database), counted(*database)) << "after change " << i;
  }
  EXPECT_FALSE(kept(*database).empty());
}

TEST(LivePreviews, OfAnOlderServerAreCountedWhenANewerOneStarts) {
  const auto directory = std::filesystem::temp_directory_path() / ("slipway-live-" + random_id());
  std::filesystem::create_directory(directory);
  {
    const auto older =
        Database::open(directory / "slipway.db",
                       std::span(schema_migrations).first(schema_migrations.size() - 1))
            .value();
    ASSERT_TRUE(older->transaction([](Database::Transaction& session) -> Status {
      SLIPWAY_CHECK(projects(session));
      for (unsigned i = 0; i < 12; ++i) SLIPWAY_CHECK(change(session, 60 + 12 * (i % 5) + i));
      return {};
    }));
  }
  const auto database = Database::open(directory / "slipway.db", schema_migrations).value();
  EXPECT_FALSE(kept(*database).empty());
  EXPECT_EQ(kept(*database), counted(*database));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace slipway
