#include "deploy/preview_volumes.h"

#include <gtest/gtest.h>

#include "db/stores.h"
#include "sys/files.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class PreviewVolumesTest : public ::testing::Test {
 protected:
  PreviewVolumesTest() {
    settings.data = directory.path();
    settings.gc.min_free_disk = 0;
    auto draft = layers.begin("source-1").value();
    EXPECT_TRUE(make_directories(draft.path() / "app"));
    EXPECT_TRUE(draft.commit());
    EXPECT_TRUE(stores.repository->ensure_project({}, "shop", clock.now()));
  }

  // A preview that was ready, with one volume; `says` is then written to it.
  Deployment preview(const std::string& alias, const std::string& says = "") {
    clock.advance(1s);
    Deployment made{.id = DeploymentId::random(),
                    .project = "shop",
                    .alias = alias,
                    .state = DeploymentState::ready,
                    .created_at = clock.now(),
                    .ready_at = clock.now(),
                    .source = sha256("x")};
    made.plan.services.push_back({.name = "web", .volumes = {"data"}});
    made.first = "web";
    made.artifact.layers = {"source-1"};
    EXPECT_TRUE(stores.repository->add({}, made, ""));
    const auto unit = units_of(made).front();
    const auto binds = previews.binds(made, unit);
    EXPECT_TRUE(binds) << binds.error().message;
    if (!says.empty()) EXPECT_TRUE(write_file_atomic(file_of(made), says));
    return made;
  }
  void end(const Deployment& deployment, DeploymentState state) {
    EXPECT_TRUE(stores.repository->update({}, deployment.id, [&](Deployment& change) -> Status {
      change.state = state;
      change.expires_at = clock.now();
      if (state == DeploymentState::deleted) change.deleted_at = clock.now();
      return {};
    }));
  }
  [[nodiscard]] fs::path home(const std::string& owner) const {
    return directory.path() / "volumes/shop" / owner;
  }
  [[nodiscard]] fs::path file_of(const Deployment& deployment) const {
    return home(deployment.id.str()) / "live/data/row";
  }
  [[nodiscard]] std::string row(const Deployment& deployment) const {
    const auto text = read_file(file_of(deployment));
    return text ? *text : "";
  }
  // Production's volume, with a row of its own.
  void production_has(const std::string& says) {
    Deployment any = Deployment{.id = DeploymentId::random(), .project = "shop", .alias = "x"};
    any.plan.services.push_back({.name = "web", .volumes = {"data"}});
    any.artifact.layers = {"source-1"};
    ASSERT_TRUE(volumes.binds("shop", "production", units_of(any).front()));
    ASSERT_TRUE(write_file_atomic(home("production") / "live/data/row", says));
  }

  TempDir directory = TempDir::create(fs::temp_directory_path(), "slipway-previews-").value();
  Settings settings;
  ManualClock clock;
  Stores stores = Stores::open(":memory:", clock).value();
  LayerStore layers = LayerStore::open(directory.path()).value();
  Volumes volumes{{.settings = settings, .clock = clock, .layers = layers}};
  PreviewVolumes previews{{.settings = settings,
                           .clock = clock,
                           .volumes = volumes,
                           .repository = *stores.repository,
                           .store = *stores.volumes}};
};

TEST_F(PreviewVolumesTest, ASeriesKeepsItsDataAndEachHasItsOwn) {
  const Deployment first = preview("main", "one");
  const Deployment second = preview("main");
  EXPECT_EQ(row(second), "one");
  ASSERT_TRUE(write_file_atomic(file_of(second), "two"));
  EXPECT_EQ(row(first), "one");
  EXPECT_EQ(row(preview("main")), "two") << "the last one's";
  EXPECT_EQ(row(preview("other")), "") << "another series";
}

TEST_F(PreviewVolumesTest, OneThatNeverAnsweredIsNotCopied) {
  preview("main", "good");
  const Deployment broken = preview("main", "broken");
  ASSERT_TRUE(stores.repository->update({}, broken.id, [](Deployment& change) -> Status {
    change.state = DeploymentState::failed;
    change.ready_at.reset();
    return {};
  }));
  EXPECT_EQ(row(preview("main")), "good");
}

TEST_F(PreviewVolumesTest, ProductionsIsCopiedOnlyWhenPeopleSaidSo) {
  production_has("customers");
  EXPECT_EQ(row(preview("before")), "");
  ASSERT_TRUE(stores.volumes->set_share({}, "shop", "production"));
  const Deployment shared = preview("after");
  EXPECT_EQ(row(shared), "customers");
  ASSERT_TRUE(write_file_atomic(file_of(shared), "spoiled"));
  EXPECT_EQ(read_file(home("production") / "live/data/row").value(), "customers");
  ASSERT_TRUE(stores.volumes->set_share({}, "shop", ""));
  EXPECT_EQ(row(preview("again")), "");
}

TEST_F(PreviewVolumesTest, ThoseOfGonePreviewsGoButTheLastOfASeriesStaysForAWhile) {
  const Deployment first = preview("main", "one"), second = preview("main");
  end(first, DeploymentState::expired);
  end(second, DeploymentState::expired);
  ASSERT_TRUE(previews.collect());
  EXPECT_FALSE(fs::exists(home(first.id.str())));
  EXPECT_TRUE(fs::exists(home(second.id.str())));
  EXPECT_EQ(row(preview("main")), "one");
  clock.advance(settings.previews.ttl);
  ASSERT_TRUE(previews.collect());
  EXPECT_FALSE(fs::exists(home(second.id.str())));
}

TEST_F(PreviewVolumesTest, ARemovedOneKeepsThemUntilItIsForgotten) {
  const Deployment removed = preview("main", "one");
  end(removed, DeploymentState::deleted);
  clock.advance(24h * 30);
  ASSERT_TRUE(previews.collect());
  EXPECT_EQ(row(removed), "one") << "it can be brought back";
  ASSERT_TRUE(stores.repository->purge({}, removed.id));
  ASSERT_TRUE(previews.collect());
  EXPECT_FALSE(fs::exists(home(removed.id.str())));
}

}  // namespace
}  // namespace slipway
