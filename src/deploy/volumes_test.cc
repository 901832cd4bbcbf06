#include "deploy/volumes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "db/database.h"
#include "sys/files.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class VolumesTest : public ::testing::Test {
 protected:
  VolumesTest() {
    settings.data = directory.path();
    EXPECT_TRUE(volumes.recover());
  }

  // A layer with these files of /app.
  std::string layer(const std::string& id,
                    const std::vector<std::pair<std::string, std::string>>& files) {
    auto draft = layers.begin(id).value();
    EXPECT_TRUE(make_directories(draft.path() / "app"));
    for (const auto& [path, text] : files) {
      const fs::path at = draft.path() / "app" / path;
      EXPECT_TRUE(make_directories(at.parent_path()));
      write(at, text);
    }
    EXPECT_TRUE(draft.commit());
    return id;
  }
  static void write(const fs::path& at, std::string_view text) {
    const Fd file = open_file(at, O_WRONLY | O_CREAT | O_TRUNC).value();
    EXPECT_TRUE(write_all(file.get(), text));
  }
  static std::string read(const fs::path& at) {
    const auto text = read_file(at);
    return text ? *text : "(" + std::string(info(text.error().code).name) + ")";
  }
  // The volumes of a service whose layers these are.
  Result<std::vector<BindMount>> binds(const std::string& owner, std::vector<std::string> kept,
                                       std::vector<std::string> over) {
    service.volumes = std::move(kept);
    artifact.layers = std::move(over);
    return volumes.binds("shop", owner, unit);
  }
  [[nodiscard]] fs::path live(const std::string& owner) const {
    return directory.path() / "volumes/shop" / owner / "live";
  }

  TempDir directory = TempDir::create(fs::temp_directory_path(), "slipway-volumes-").value();
  Settings settings;
  ManualClock clock;
  LayerStore layers = LayerStore::open(directory.path()).value();
  Volumes volumes{{.settings = settings, .clock = clock, .layers = layers}};
  Service service{.name = "web"};
  Artifact artifact;
  Unit unit{.label = "", .service = &service, .artifact = &artifact};
};

TEST_F(VolumesTest, ANewVolumeStartsWithWhatTheLayersHoldAndIsThenItsOwn) {
  const auto first = binds("production", {"data"}, {layer("source-1", {{"data/seed", "one"}})});
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_EQ(first->size(), 1u);
  EXPECT_EQ(first->front().target, "/app/data");
  EXPECT_EQ(first->front().access, BindMount::Access::read_write);
  EXPECT_EQ(read(first->front().source / "seed"), "one");

  write(first->front().source / "seed", "changed");
  const auto second = binds("production", {"data"}, {layer("source-2", {{"data/seed", "two"}})});
  ASSERT_TRUE(second);
  EXPECT_EQ(read(second->front().source / "seed"), "changed");
  const auto other = binds("staging", {"data"}, {"source-2"});
  ASSERT_TRUE(other);
  EXPECT_EQ(read(other->front().source / "seed"), "two") << "each environment has its own";
}

TEST_F(VolumesTest, ASeedIsWhatTheLayersTogetherShow) {
  if (::geteuid() != 0) GTEST_SKIP() << "laying layers over each other needs root";
  layer("source-1", {{"data/a", "1"}, {"data/b", "1"}});
  layer("install-1", {{"data/b", "2"}});
  const auto made = binds("production", {"data"}, {"source-1", "install-1"});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(read(made->front().source / "a"), "1");
  EXPECT_EQ(read(made->front().source / "b"), "2");
}

TEST_F(VolumesTest, ALinkInTheProjectIsNotFollowed) {
  auto draft = layers.begin("source-evil").value();
  ASSERT_TRUE(make_directories(draft.path() / "app"));
  write(directory.path() / "secret", "of the server");
  fs::create_symlink(directory.path(), draft.path() / "app/data");
  ASSERT_TRUE(draft.commit());
  const auto made = binds("production", {"data"}, {"source-evil"});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::start_failed);
  EXPECT_FALSE(fs::exists(live("production") / "data"));
  const auto below = binds("production", {"data/secret"}, {"source-evil"});
  ASSERT_FALSE(below);
}

TEST_F(VolumesTest, OwnersThatAreNoNamesHaveNoVolumes) {
  layer("source-1", {});
  for (const char* owner : {"../staging", "", ".", "a/b", ".new-x"})
    EXPECT_FALSE(binds(owner, {"data"}, {"source-1"})) << owner;
}

TEST_F(VolumesTest, ADatabaseFileIsKeptByALinkAndItsFolderIsNot) {
  service.evidence = {{.file = "schema.prisma", .fact = "volumes: SQLite database prisma/dev.db"}};
  const auto made = binds("production", {"prisma"},
                          {layer("source-1", {{"prisma/schema.prisma", "model"},
                                              {"prisma/dev.db", "rows"},
                                              {"prisma/dev.db-journal", "undo"},
                                              {"prisma/dev.dbx", "no"}})});
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(made->size(), 1u);
  const BindMount& bind = made->front();
  EXPECT_EQ(bind.link, "/app/prisma/dev.db");
  EXPECT_EQ(bind.link_to, bind.target + "/dev.db");
  EXPECT_EQ(read(bind.source / "dev.db"), "rows");
  EXPECT_EQ(read(bind.source / "dev.db-journal"), "undo");
  EXPECT_FALSE(fs::exists(bind.source / "schema.prisma"));
  EXPECT_FALSE(fs::exists(bind.source / "dev.dbx"));
}

TEST_F(VolumesTest, AFolderOfNothingButADatabaseIsKeptWholeAndStaysSo) {
  service.evidence = {{.file = "app.py", .fact = "volumes: SQLite database data/app.db"}};
  const auto first = binds("production", {"data"}, {layer("source-1", {{"data/.gitkeep", ""}})});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->front().target, "/app/data");
  const auto later =
      binds("production", {"data"}, {layer("source-2", {{"data/README.md", "hello"}})});
  ASSERT_TRUE(later);
  EXPECT_EQ(later->front().source, first->front().source) << "its data would be lost";
}

// -- previews -------------------------------------------------------------------------------------

TEST_F(VolumesTest, APreviewInheritsACopy) {
  layer("source-1", {});
  const std::string old_one = "dpl_aaaaaaaaaa", next = "dpl_bbbbbbbbbb";
  ASSERT_TRUE(binds(old_one, {"data"}, {"source-1"}));
  write(live(old_one) / "data/row", "kept");
  ASSERT_TRUE(volumes.inherit("shop", next, old_one));
  EXPECT_EQ(read(live(next) / "data/row"), "kept");
  write(live(next) / "data/row", "mine");
  EXPECT_EQ(read(live(old_one) / "data/row"), "kept");

  ASSERT_TRUE(volumes.inherit("shop", next, old_one)) << "one that has volumes keeps them";
  EXPECT_EQ(read(live(next) / "data/row"), "mine");
  ASSERT_TRUE(volumes.remove("shop", old_one));
  EXPECT_FALSE(fs::exists(directory.path() / "volumes/shop" / old_one));
  EXPECT_EQ(read(live(next) / "data/row"), "mine");
}

TEST_F(VolumesTest, ACopyBeyondTheLimitIsRefusedAndLeavesNothing) {
  layer("source-1", {});
  settings.volumes.copy_limit = 10'000;
  ASSERT_TRUE(binds("dpl_aaaaaaaaaa", {"data"}, {"source-1"}));
  write(live("dpl_aaaaaaaaaa") / "data/big", std::string(50'000, 'x'));
  const Status copied = volumes.inherit("shop", "dpl_bbbbbbbbbb", "dpl_aaaaaaaaaa");
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Errc::too_large);
  EXPECT_NE(copied.error().hint.find("volumes.copy_limit"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(directory.path() / "volumes/shop/dpl_bbbbbbbbbb"));
}

// -- snapshots ------------------------------------------------------------------------------------

TEST_F(VolumesTest, GoingBackToASnapshotKeepsWhatWasThere) {
  EXPECT_FALSE(volumes.snapshot("shop", "production", "nothing yet").value());
  layer("source-1", {});
  ASSERT_TRUE(binds("production", {"data"}, {"source-1"}));
  write(live("production") / "data/row", "good");
  const auto made = volumes.snapshot("shop", "production", "before a release").value();
  ASSERT_TRUE(made);
  EXPECT_GE(made->bytes, 4u);
  write(live("production") / "data/row", "bad");
  write(live("production") / "data/new", "x");

  clock.advance(1s);
  ASSERT_TRUE(volumes.restore("shop", "production", made->id));
  EXPECT_EQ(read(live("production") / "data/row"), "good");
  EXPECT_FALSE(fs::exists(live("production") / "data/new"));
  const auto all = volumes.snapshots("shop", "production").value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].id, made->id);
  EXPECT_NE(all[0].reason.find(made->id), std::string::npos);
  clock.advance(1s);
  ASSERT_TRUE(volumes.restore("shop", "production", all[0].id));
  EXPECT_EQ(read(live("production") / "data/row"), "bad");
}

TEST_F(VolumesTest, OldSnapshotsGoAndUnknownOnesAreErrors) {
  layer("source-1", {{"data/x", "1"}});
  settings.volumes.keep_snapshots = 2;
  ASSERT_TRUE(binds("production", {"data"}, {"source-1"}));
  std::string newest;
  for (int i = 0; i < 4; ++i) {
    clock.advance(1s);
    newest = volumes.snapshot("shop", "production", "").value()->id;
  }
  const auto all = volumes.snapshots("shop", "production").value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all.front().id, newest);
  for (const char* id : {"snp_aaaaaaaaaa", "../../../x", "", ".swap-x"}) {
    EXPECT_EQ(volumes.restore("shop", "production", id).error().code, Errc::not_found) << id;
    EXPECT_EQ(volumes.remove_snapshot("shop", "production", id).error().code, Errc::not_found);
  }
  ASSERT_TRUE(volumes.remove_snapshot("shop", "production", newest));
  EXPECT_EQ(volumes.snapshots("shop", "production").value().size(), 1u);
}

TEST_F(VolumesTest, WhatARestoreKeepsCountsToo) {
  layer("source-1", {{"data/x", "1"}});
  settings.volumes.keep_snapshots = 2;
  ASSERT_TRUE(binds("production", {"data"}, {"source-1"}));
  std::string newest = volumes.snapshot("shop", "production", "").value()->id;
  for (int i = 0; i < 4; ++i) {
    clock.advance(1s);
    ASSERT_TRUE(volumes.restore("shop", "production", newest));
    newest = volumes.snapshots("shop", "production").value().front().id;
  }
  EXPECT_EQ(volumes.snapshots("shop", "production").value().size(), 2u);
}

TEST_F(VolumesTest, WhatAKilledProcessLeftIsTakenAwayOrFinished) {
  layer("source-1", {{"data/x", "1"}});
  ASSERT_TRUE(binds("production", {"data"}, {"source-1"}));
  const auto made = volumes.snapshot("shop", "production", "").value();
  const fs::path home = live("production").parent_path();
  ASSERT_TRUE(make_directories(home / ".new-abc/half"));
  // As if it had died between the exchange of a restore and the naming of what was there before.
  fs::copy(home / "snapshots" / made->id, home / "snapshots/.swap-snp_bbbbbbbbbb",
           fs::copy_options::recursive);
  ASSERT_TRUE(volumes.recover());
  EXPECT_FALSE(fs::exists(home / ".new-abc"));
  EXPECT_EQ(volumes.snapshots("shop", "production").value().size(), 2u);
  EXPECT_EQ(read(live("production") / "data/x"), "1");

  // Or between the newest copy and the removal of the oldest.
  settings.volumes.keep_snapshots = 1;
  ASSERT_TRUE(volumes.recover());
  EXPECT_EQ(volumes.snapshots("shop", "production").value().size(), 1u);
}

TEST_F(VolumesTest, ADatabaseInUseIsCopiedConsistently) {
  layer("source-1", {});
  ASSERT_TRUE(binds("production", {"data"}, {"source-1"}));
  const fs::path file = live("production") / "data/app.db";
  const std::array<std::string_view, 1> schema{
      "CREATE TABLE account(id INTEGER PRIMARY KEY, money INTEGER) STRICT;\n"
      "INSERT INTO account VALUES(1,1000),(2,0);\n"};
  const auto app = Database::open(file, schema).value();
  // Money moves all the time; no copy may show it twice or not at all.
  std::jthread writer([&](std::stop_token stop) {
    while (!stop.stop_requested())
      EXPECT_TRUE(app->transaction([](Database::Transaction& session) -> Status {
        SLIPWAY_CHECK(session.execute("UPDATE account SET money=money-1 WHERE id=1"));
        return session.execute("UPDATE account SET money=money+1 WHERE id=2");
      }));
  });
  for (int i = 0; i < 5; ++i) {
    const auto made = volumes.snapshot("shop", "production", "").value();
    ASSERT_TRUE(made);
    const fs::path copy =
        live("production").parent_path() / "snapshots" / made->id / "volumes/data";
    EXPECT_FALSE(fs::exists(copy / "app.db-wal")) << "it is in the copy already";
    const auto opened = Database::open(copy / "app.db", schema).value();
    auto session = opened->read();
    Statement sum = session.prepare("SELECT sum(money) FROM account").value();
    ASSERT_TRUE(sum.step().value());
    EXPECT_EQ(sum.number(0), 1000);
  }
}

TEST_F(VolumesTest, AFileThatOnlyLooksLikeADatabaseIsCopiedAsItIs) {
  layer("source-1", {});
  ASSERT_TRUE(binds("production", {"data"}, {"source-1"}));
  const std::string text = std::string("SQLite format 3\0", 16) + "and then something else";
  write(live("production") / "data/odd.db", text);
  write(live("production") / "data/odd.db-wal", "log");
  const auto made = volumes.snapshot("shop", "production", "").value();
  ASSERT_TRUE(made);
  const fs::path copy = live("production").parent_path() / "snapshots" / made->id / "volumes/data";
  EXPECT_EQ(read(copy / "odd.db"), text);
}

TEST_F(VolumesTest, LinksPipesAndHolesInAVolumeDoNoHarm) {
  layer("source-1", {});
  ASSERT_TRUE(binds("production", {"data"}, {"source-1"}));
  const fs::path data = live("production") / "data";
  fs::create_symlink("/etc/shadow", data / "shadow");
  fs::create_symlink("/", data / "root");
  ASSERT_EQ(::mkfifo((data / "pipe").c_str(), 0600), 0);
  write(data / "sparse", "x");
  ASSERT_EQ(::truncate((data / "sparse").c_str(), off_t{1} << 40), 0);
  const auto made = volumes.snapshot("shop", "production", "").value();
  ASSERT_TRUE(made);
  EXPECT_LT(made->bytes, 100'000u);
  const fs::path copy = data.parent_path().parent_path() / "snapshots" / made->id / "volumes/data";
  EXPECT_EQ(fs::read_symlink(copy / "shadow"), "/etc/shadow");
  EXPECT_TRUE(fs::is_symlink(copy / "root"));
  EXPECT_FALSE(fs::exists(copy / "pipe"));
  EXPECT_EQ(fs::file_size(copy / "sparse"), std::uintmax_t{1} << 40);
  EXPECT_LT(disk_usage(copy, UINT64_MAX), 200'000u);
}

TEST_F(VolumesTest, AnOwnersVolumesHaveALimitTogether) {
  layer("source-1", {});
  settings.volumes.limit = 100'000;
  ASSERT_TRUE(binds("production", {"data"}, {"source-1"}));
  EXPECT_FALSE(volumes.excess("shop", "production"));
  write(live("production") / "data/big", std::string(300'000, 'x'));
  const auto excess = volumes.excess("shop", "production");
  ASSERT_TRUE(excess);
  EXPECT_NE(excess->find("100 KB"), std::string::npos) << *excess;
}

}  // namespace
}  // namespace slipway
