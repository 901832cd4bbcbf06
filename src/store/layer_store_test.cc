#include "store/layer_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <signal.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <chrono>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "store/source_tree.h"
#include "store/test_support.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

struct TreeFile {
  FileMode mode = FileMode::regular;
  std::string content;  // a link's target
  bool operator==(const TreeFile&) const = default;
};
using TreeFiles = std::map<std::string, TreeFile>;

std::optional<Manifest> manifest_of(const TreeFiles& files) {
  std::vector<ManifestEntry> entries;
  for (const auto& [path, file] : files)
    entries.push_back({.path = path,
                       .mode = file.mode,
                       .size = file.content.size(),
                       .digest = sha256(file.content)});
  auto manifest = Manifest::from_entries(std::move(entries));
  return manifest ? std::optional(*manifest) : std::nullopt;
}

// What the kernel shows below `directory`; of empty directories nothing.
TreeFiles files_below(const fs::path& directory) {
  TreeFiles out;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    struct stat info{};
    EXPECT_EQ(::lstat(entry.path().c_str(), &info), 0);
    TreeFile& file = out[entry.path().lexically_relative(directory)];
    if (S_ISDIR(info.st_mode)) {
      EXPECT_EQ(info.st_mode & 07777, 0755u) << entry.path();
      out.erase(entry.path().lexically_relative(directory));
    } else if (S_ISLNK(info.st_mode)) {
      file = {.mode = FileMode::symlink, .content = fs::read_symlink(entry.path())};
    } else {
      EXPECT_TRUE(S_ISREG(info.st_mode)) << entry.path();
      const bool executable = (info.st_mode & 0111) != 0;
      EXPECT_EQ(info.st_mode & 07777, executable ? 0755u : 0644u) << entry.path();
      file = {.mode = executable ? FileMode::executable : FileMode::regular,
              .content = test::slurp(entry.path())};
    }
  }
  return out;
}

class Layers : public testing::Test {
 protected:
  TempDir root_ = test::temp_dir();
  BlobStore blobs_ = *BlobStore::open(root_.path());
  LayerStore layers_ = *LayerStore::open(root_.path());

  Manifest store(const TreeFiles& files) {
    for (const auto& [path, file] : files) EXPECT_TRUE(blobs_.put(file.content).has_value());
    return manifest_of(files).value();
  }
  std::vector<std::string> materialize(const Manifest& manifest, const Manifest* base = nullptr,
                                       std::string_view prefix = "app") {
    auto ids = layers_.materialize(manifest, prefix, blobs_, base);
    EXPECT_TRUE(ids.has_value()) << ids.error().message;
    return ids.value_or(std::vector<std::string>{});
  }
  fs::path raw(const std::string& id) { return root_.path() / "layers" / id; }
  void commit(const std::string& id) {
    auto draft = layers_.begin(id);
    ASSERT_TRUE(draft.has_value());
    test::write(draft->path() / "file", id);
    ASSERT_TRUE(draft->commit().has_value());
  }
  // As if the machine had been started anew since the layer was committed.
  void forget_boot(const std::string& id) { test::write(raw(id) / "boot", "another boot\n"); }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(root_.path() / "layers"))
      out.push_back(entry.path().filename());
    return out;
  }
};

TEST_F(Layers, CommittedLayersAreFound) {
  EXPECT_FALSE(layers_.find("install-1").has_value());
  commit("install-1");
  const auto found = layers_.find("install-1");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(test::slurp(*found / "file"), "install-1");
  EXPECT_THAT(layers_.ids(), ElementsAre("install-1"));
  EXPECT_THAT(names(), ElementsAre("install-1"));
}

TEST_F(Layers, DraftsAreInvisibleAndAbandonedUnlessCommitted) {
  {
    auto draft = layers_.begin("install-1");
    ASSERT_TRUE(draft.has_value());
    EXPECT_TRUE(fs::is_empty(draft->path()));
    EXPECT_TRUE(fs::is_empty(draft->work_path()));
    test::write(draft->path() / "a/b", "x");
    EXPECT_FALSE(layers_.find("install-1").has_value());
    EXPECT_THAT(layers_.ids(), IsEmpty());
  }
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(Layers, TheFirstOfTwoDraftsStays) {
  auto first = layers_.begin("install-1"), second = layers_.begin("install-1");
  ASSERT_TRUE(first.has_value() && second.has_value());
  test::write(first->path() / "file", "first");
  test::write(second->path() / "file", "second");
  EXPECT_TRUE(first->commit().has_value());
  EXPECT_TRUE(second->commit().has_value());
  EXPECT_EQ(test::slurp(*layers_.find("install-1") / "file"), "first");
  EXPECT_THAT(names(), ElementsAre("install-1"));
}

TEST_F(Layers, IdsCannotLeaveTheStore) {
  for (const char* id : {"", ".", "..", "../x", "a/b", "/etc", ".draft-x", "A", "a b"}) {
    EXPECT_FALSE(layers_.find(id).has_value()) << id;
    EXPECT_FALSE(layers_.begin(id).has_value()) << id;
  }
}

TEST_F(Layers, OpenDropsAbandonedDraftsAndKeepsHeldOnes) {
  auto held = layers_.begin("install-1");
  ASSERT_TRUE(held.has_value());
  test::write(root_.path() / "layers/.draft-dead/fs/file", "half");
  LayerStore again = *LayerStore::open(root_.path());
  EXPECT_FALSE(fs::exists(root_.path() / "layers/.draft-dead"));
  EXPECT_TRUE(held->commit().has_value());
  EXPECT_GT(again.collect([](std::string_view) { return true; }, 1h).value(), 0u);
  EXPECT_THAT(names(), ElementsAre("install-1"));
}

TEST_F(Layers, SurviveARestartOfTheServer) {
  commit("install-1");
  EXPECT_TRUE(LayerStore::open(root_.path())->find("install-1").has_value());
}

TEST_F(Layers, AreDroppedWhenTheMachineDiedBeforeTheyWereOnDisk) {
  commit("install-1");
  commit("install-2");
  commit("install-3");
  forget_boot("install-1");
  fs::remove(raw("install-2") / "boot");
  const LayerStore again = *LayerStore::open(root_.path());
  EXPECT_FALSE(again.find("install-1").has_value());
  EXPECT_FALSE(again.find("install-2").has_value());
  EXPECT_TRUE(again.find("install-3").has_value());
}

TEST_F(Layers, FlushedLayersSurviveTheMachine) {
  commit("install-1");
  ASSERT_TRUE(layers_.flush().has_value());
  commit("install-2");
  forget_boot("install-1");
  forget_boot("install-2");
  const LayerStore again = *LayerStore::open(root_.path());
  EXPECT_TRUE(again.find("install-1").has_value());
  EXPECT_FALSE(again.find("install-2").has_value());
}

TEST_F(Layers, CollectLeavesWhatIsUsedPinnedOrYoung) {
  for (const char* id : {"used", "pinned", "old"}) commit(id);
  const auto in_use = [](std::string_view id) { return id == "used"; };
  EXPECT_EQ(layers_.collect(in_use, 1h).value(), 0u);
  {
    const LayerStore::Pin pin = layers_.pin({"pinned", "not-there"});
    const LayerStore::Pin twice = layers_.pin({"pinned"});
    EXPECT_GT(layers_.collect(in_use, -2s).value(), 0u);
    EXPECT_THAT(layers_.ids(), ElementsAre("pinned", "used"));
  }
  ASSERT_TRUE(layers_.collect(in_use, -2s).has_value());
  EXPECT_THAT(names(), ElementsAre("used"));
}

TEST_F(Layers, MaterializedTreesAreNamedByTheirContent) {
  const Manifest manifest = store({{"server.js", {.content = "1"}}});
  const std::vector<std::string> ids = materialize(manifest);
  EXPECT_EQ(ids, materialize(manifest));
  EXPECT_NE(ids, materialize(manifest, nullptr, "srv/app"));
  EXPECT_THAT(ids, ElementsAre(StartsWith("source-")));
  EXPECT_EQ(test::slurp(*layers_.find(ids[0]) / "app/server.js"), "1");
  EXPECT_EQ(test::slurp(*layers_.find(materialize(manifest, nullptr, "")[0]) / "server.js"), "1");
}

TEST_F(Layers, AMissingBlobIsNotFoundAndLeavesNothing) {
  const Manifest manifest = manifest_of({{"a", {.content = "never stored"}}}).value();
  const auto ids = layers_.materialize(manifest, "app", blobs_);
  ASSERT_FALSE(ids.has_value());
  EXPECT_EQ(ids.error().code, Errc::not_found);
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(Layers, LinksThatLeaveTheTreeAreRefused) {
  const Manifest manifest =
      store({{"a/link", {.mode = FileMode::symlink, .content = "../../etc/passwd"}}});
  const auto ids = layers_.materialize(manifest, "app", blobs_);
  ASSERT_FALSE(ids.has_value());
  EXPECT_EQ(ids.error().code, Errc::invalid_argument);
}

TEST_F(Layers, AChangeIsALayerOfTheDifferenceOnly) {
  TreeFiles files;
  for (int i = 0; i < 50; ++i) files["f" + std::to_string(i)] = {.content = std::to_string(i)};
  const Manifest first = store(files);
  files["f7"] = {.content = "changed"};
  const Manifest second = store(files);
  files["f8"] = {.content = "changed too"};
  const Manifest third = store(files);

  const std::vector<std::string> base = materialize(first);
  const std::vector<std::string> one = materialize(second, &first);
  // The second tree has no layer of its own: what it was made from serves again.
  const std::vector<std::string> two = materialize(third, &second);
  EXPECT_THAT(one, ElementsAre(base[0], StartsWith("delta-")));
  EXPECT_THAT(two, ElementsAre(base[0], StartsWith("delta-")));
  EXPECT_EQ(files_below(*layers_.find(one[1])).size(), 1u);
  EXPECT_EQ(files_below(*layers_.find(two[1])).size(), 2u);
  // Known again without a base, and after a restart.
  EXPECT_EQ(materialize(second), one);
  layers_ = *LayerStore::open(root_.path());
  EXPECT_EQ(materialize(second), one);
}

TEST_F(Layers, ADeltaWithoutItsBaseIsNoUse) {
  TreeFiles files = {{"a", {.content = "1"}}, {"b", {.content = "2"}}};
  const Manifest first = store(files);
  const std::vector<std::string> base = materialize(first);
  files["a"] = {.content = "3"};
  const Manifest second = store(files);
  ASSERT_EQ(materialize(second, &first).size(), 2u);
  // collect() would keep it.
  ASSERT_TRUE(layers_.collect([&](std::string_view id) { return id != base[0]; }, -2s).has_value());
  ASSERT_TRUE(layers_.find(base[0]).has_value());
  fs::remove_all(raw(base[0]));
  EXPECT_THAT(materialize(second, &first), ElementsAre(StartsWith("source-")));
}

rc::Gen<TreeFiles> any_tree() {
  return rc::gen::exec([] {
    TreeFiles files;
    // What all have in common makes the rest a small difference.
    for (int i = 0; i < 40; ++i) files["z/" + std::to_string(i)] = {.content = "same"};
    const int count = *rc::gen::inRange(0, 14);
    for (int i = 0; i < count; ++i) {
      const int parts = *rc::gen::inRange(1, 5);
      std::string path;
      for (int j = 0; j < parts; ++j)
        path += (j == 0 ? "" : "/") + *rc::gen::element<std::string>("a", "b", "a-b", "c");
      TreeFile file{
          .mode = *rc::gen::weightedElement<FileMode>(
              {{4, FileMode::regular}, {2, FileMode::executable}, {1, FileMode::symlink}}),
          .content = *rc::gen::element<std::string>("a", "b", "c/a")};
      TreeFiles candidate = files;
      candidate[path] = std::move(file);
      if (manifest_of(candidate)) files = std::move(candidate);
    }
    return files;
  });
}

TEST_F(Layers, AnOverlayOfADifferenceShowsTheNewTree) {
  test::PrivateMounts mounts;
  const TempDir nothing = test::temp_dir(), target = test::temp_dir(), more = test::temp_dir();
  const std::string probe = "lowerdir=" + nothing.path().string() + ":" + more.path().string();
  if (!mounts.why().empty() || !mounts.mount("overlay", target.path(), probe))
    GTEST_SKIP() << "needs overlayfs: " << mounts.why();
  mounts.unmount();
  const auto shown = [&](const std::vector<std::string>& ids) {
    std::string options = "lowerdir=";
    for (auto id = ids.rbegin(); id != ids.rend(); ++id)
      options += layers_.find(*id).value().string() + ":";
    options += nothing.path().string();
    RC_ASSERT(mounts.mount("overlay", target.path(), options));
    TreeFiles files;
    if (fs::exists(target.path() / "app")) files = files_below(target.path() / "app");
    mounts.unmount();
    return files;
  };
  EXPECT_TRUE(rc::check("base, change of it, change of that", [&] {
    const TreeFiles first = *any_tree(), second = *any_tree(), third = *any_tree();
    const Manifest a = store(first), b = store(second), c = store(third);
    RC_ASSERT(shown(materialize(a)) == first);
    const std::vector<std::string> b_ids = materialize(b, &a), c_ids = materialize(c, &b);
    RC_TAG(b_ids.size(), c_ids.size());
    RC_ASSERT(shown(b_ids) == second);
    RC_ASSERT(shown(c_ids) == third);
    RC_ASSERT(layers_.collect([](std::string_view) { return false; }, -2s).has_value());
  }));
}

TEST(LayerDiskFull, IsAnErrorThatLeavesNothing) {
  const TempDir root = test::temp_dir();
  test::PrivateMounts mounts;
  if (!mounts.why().empty() || !mounts.mount("tmpfs", root.path(), "size=8m,nr_inodes=150"))
    GTEST_SKIP() << "needs a small file system of its own: " << mounts.why();
  BlobStore blobs = *BlobStore::open(root.path());
  LayerStore layers = *LayerStore::open(root.path());
  TreeFiles files;
  for (int i = 0; i < 150; ++i) files[std::to_string(i) + "/f"] = {.content = "same"};
  ASSERT_TRUE(blobs.put("same").has_value());
  const auto full = layers.materialize(*manifest_of(files), "app", blobs);
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().code, Errc::disk_full) << full.error().message;
  EXPECT_TRUE(fs::is_empty(root.path() / "layers"));
  EXPECT_TRUE(
      layers.materialize(*manifest_of({{"a", {.content = "same"}}}), "app", blobs).has_value());
}

TEST_F(Layers, AVanishedDirectoryIsOneWhiteout) {
  if (::geteuid() != 0) GTEST_SKIP() << "making whiteouts needs root";
  TreeFiles files;
  for (int i = 0; i < 20; ++i) files["keep" + std::to_string(i)] = {.content = "k"};
  TreeFiles before = files;
  for (int i = 0; i < 9; ++i) before["gone/deep/f" + std::to_string(i)] = {.content = "g"};
  const Manifest a = store(before), b = store(files);
  materialize(a);
  const auto ids = materialize(b, &a);
  ASSERT_EQ(ids.size(), 2u);
  const fs::path app = *layers_.find(ids[1]) / "app";
  EXPECT_EQ(std::distance(fs::directory_iterator(app), fs::directory_iterator()), 1);
  struct stat info{};
  ASSERT_EQ(::lstat((app / "gone").c_str(), &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode));
  EXPECT_EQ(info.st_rdev, ::makedev(0, 0));
}

// Makes layers again and again until it is killed.
[[noreturn]] void materialize_for_ever(const fs::path& root, unsigned seed) {
  auto blobs = BlobStore::open(root);
  auto layers = LayerStore::open(root);
  std::optional<Manifest> base;
  for (unsigned round = 0; blobs && layers; ++round) {
    TreeFiles files;
    for (unsigned i = 0; i < 20; ++i)
      files["d" + std::to_string(i % 3) + "/f" + std::to_string(i)] = {
          .content = i < 17 ? std::to_string(i) : std::to_string(seed * 1000 + round)};
    for (const auto& [path, file] : files)
      if (!blobs->put(file.content)) ::_exit(2);
    const Manifest manifest = *manifest_of(files);
    if (!layers->materialize(manifest, "app", *blobs, base ? &*base : nullptr)) ::_exit(3);
    if (round % 3 == 0) base = manifest;
    if (round % 5 == 4 && !layers->collect([](std::string_view) { return false; }, -2s)) ::_exit(4);
  }
  ::_exit(1);
}

TEST(LayerCrash, KilledAtAnyMomentLeavesWholeLayersOnly) {
  const TempDir root = test::temp_dir();
  std::mt19937 random(testing::UnitTest::GetInstance()->random_seed());
  std::uniform_int_distribution<int> wait_us(0, 60'000);
  std::size_t checked = 0;
  for (unsigned round = 0; round < 25; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) materialize_for_ever(root.path(), round);
    // Not a wait for anything: the moment of death is the input.
    std::this_thread::sleep_for(std::chrono::microseconds(wait_us(random)));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
    const auto layers = LayerStore::open(root.path());
    ASSERT_TRUE(layers.has_value());
    for (const std::string& id : layers->ids()) {
      const fs::path files = layers->find(id).value();
      if (id.starts_with("source-")) {
        const auto manifest = Manifest::parse(test::slurp(files.parent_path() / "manifest"));
        ASSERT_TRUE(manifest.has_value());
        EXPECT_EQ(full_layer_id(source_key(*manifest, "app")), id);
        EXPECT_EQ(manifest_of(files_below(files / "app")), manifest);
      }
      ++checked;
    }
  }
  EXPECT_GT(checked, 0u);
  LayerStore layers = *LayerStore::open(root.path());
  ASSERT_TRUE(layers.collect([](std::string_view) { return false; }, -2s).has_value());
  EXPECT_TRUE(fs::is_empty(root.path() / "layers"));
}

}  // namespace
}  // namespace slipway
