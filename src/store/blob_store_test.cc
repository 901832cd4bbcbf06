#include "store/blob_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "store/manifest_cache.h"
#include "store/test_support.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using test::digests_of;

std::size_t scratch_files(const fs::path& root) {
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root / "blobs"))
    count += entry.is_regular_file() && entry.path().string().find("/.tmp-") != std::string::npos;
  return count;
}

class Blobs : public testing::Test {
 protected:
  TempDir root_ = test::temp_dir();
  BlobStore store_ = *BlobStore::open(root_.path());

  struct stat status(const fs::path& path) {
    struct stat info{};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info;
  }
};

TEST_F(Blobs, PutThenRead) {
  const Digest digest = store_.put("hello").value();
  EXPECT_EQ(digest, sha256("hello"));
  EXPECT_TRUE(store_.contains(digest));
  EXPECT_EQ(store_.read(digest).value(), "hello");
  EXPECT_EQ(store_.read(digest, 2).value(), "he");
  EXPECT_EQ(test::slurp(store_.path_of(digest)), "hello");
  EXPECT_EQ(status(store_.path_of(digest)).st_mode & 07777, 0644u);
  EXPECT_EQ(scratch_files(root_.path()), 0u);
}

TEST_F(Blobs, PutTwiceKeepsTheFirstFile) {
  const Digest digest = store_.put("hello").value();
  const auto inode = status(store_.path_of(digest)).st_ino;
  ASSERT_TRUE(store_.put("hello").has_value());
  EXPECT_EQ(status(store_.path_of(digest)).st_ino, inode);
}

TEST_F(Blobs, AbsentIsNotFound) {
  EXPECT_FALSE(store_.contains(sha256("no")));
  EXPECT_EQ(store_.open_blob(sha256("no")).error().code, Errc::not_found);
  EXPECT_EQ(store_.read(sha256("no")).error().code, Errc::not_found);
}

TEST_F(Blobs, MissingNamesEachOnceInOrder) {
  ASSERT_TRUE(store_.put("b").has_value());
  const std::vector<Digest> asked = digests_of({"c", "b", "a", "c"});
  EXPECT_EQ(store_.missing(asked), digests_of({"c", "a"}));
}

TEST_F(Blobs, PutFilesCopiesAndIgnoresLaterChanges) {
  const TempDir files = test::temp_dir();
  test::write(files.path() / "a", "one");
  test::write(files.path() / "b", std::string(500'000, 'b'));
  test::write(files.path() / "c", "one");
  const std::vector<fs::path> paths = {files.path() / "a", files.path() / "b", files.path() / "c"};
  EXPECT_EQ(store_.put_files(paths).value(), digests_of({"one", std::string(500'000, 'b'), "one"}));
  test::write(files.path() / "a", "two");
  EXPECT_EQ(store_.read(sha256("one")).value(), "one");
}

TEST_F(Blobs, PutFileTakesRegularFilesOnly) {
  const TempDir files = test::temp_dir();
  fs::create_symlink("/etc/hostname", files.path() / "link");
  EXPECT_FALSE(store_.put_file(files.path() / "link").has_value());
  ASSERT_EQ(::mkfifo((files.path() / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(store_.put_file(files.path() / "fifo").error().code, Errc::invalid_argument);
  EXPECT_EQ(store_.put_file(files.path() / "none").error().code, Errc::not_found);
}

TEST_F(Blobs, LinksHaveTheModeOfTheirKind) {
  const TempDir tree = test::temp_dir();
  const Fd directory = *open_file(tree.path(), O_RDONLY | O_DIRECTORY);
  const Digest digest = store_.put("run").value();
  ASSERT_TRUE(store_.link_to(digest, FileMode::regular, directory.get(), "f").has_value());
  ASSERT_TRUE(store_.link_to(digest, FileMode::executable, directory.get(), "x").has_value());
  ASSERT_TRUE(store_.link_to(digest, FileMode::executable, directory.get(), "y").has_value());
  ASSERT_TRUE(store_.link_to(digest, FileMode::symlink, directory.get(), "l").has_value());
  EXPECT_EQ(status(tree.path() / "f").st_ino, status(store_.path_of(digest)).st_ino);
  EXPECT_EQ(status(tree.path() / "f").st_mode & 07777, 0644u);
  EXPECT_EQ(status(tree.path() / "x").st_mode & 07777, 0755u);
  EXPECT_EQ(status(tree.path() / "x").st_ino, status(tree.path() / "y").st_ino);
  EXPECT_EQ(status(tree.path() / "x").st_ino,
            status(store_.path_of(digest, FileMode::executable)).st_ino);
  EXPECT_EQ(fs::read_symlink(tree.path() / "l"), "run");
  EXPECT_FALSE(store_.link_to(digest, FileMode::regular, directory.get(), "f").has_value());
  EXPECT_EQ(store_.link_to(sha256("no"), FileMode::executable, directory.get(), "n").error().code,
            Errc::not_found);
}

TEST_F(Blobs, CopiesWhenTheInodeBearsNoMoreLinks) {
  const TempDir tree = test::temp_dir();
  const Fd directory = *open_file(tree.path(), O_RDONLY | O_DIRECTORY);
  const Digest digest = store_.put("popular").value();
  constexpr int more_than_ext4_allows = 65'010;
  for (int i = 0; i < more_than_ext4_allows; ++i)
    ASSERT_TRUE(
        store_.link_to(digest, FileMode::regular, directory.get(), std::to_string(i)).has_value())
        << i;
  const fs::path last = tree.path() / std::to_string(more_than_ext4_allows - 1);
  EXPECT_EQ(test::slurp(last), "popular");
  EXPECT_EQ(status(last).st_mode & 07777, 0644u);
}

TEST_F(Blobs, CollectTakesWhatIsOldAndUnused) {
  const Digest used = store_.put("used").value(), unused = store_.put("unused").value();
  const auto in_use = [&](const Digest& digest) { return digest == used; };
  EXPECT_EQ(store_.collect(in_use, 1h).value(), 0u);
  EXPECT_TRUE(store_.contains(unused));
  EXPECT_GT(store_.collect(in_use, -2s).value(), 0u);
  EXPECT_TRUE(store_.contains(used));
  EXPECT_FALSE(store_.contains(unused));
}

TEST_F(Blobs, CollectTakesWhatTheRouterPackedWithTheBlob) {
  const Digest used = store_.put("used").value(), unused = store_.put("unused").value();
  const fs::path kept = store_.path_of(used).string() + ".br";
  const fs::path gone = store_.path_of(unused).string() + ".zst";
  ASSERT_TRUE(write_file_atomic(kept, "packed"));
  ASSERT_TRUE(write_file_atomic(gone, "packed"));
  const auto in_use = [&](const Digest& digest) { return digest == used; };
  ASSERT_TRUE(store_.collect(in_use, -2s).has_value());
  EXPECT_TRUE(fs::exists(kept));
  EXPECT_FALSE(fs::exists(gone));
}

TEST_F(Blobs, CollectTakesExecutableTwinsThatNoTreeLinks) {
  const TempDir tree = test::temp_dir();
  const Fd directory = *open_file(tree.path(), O_RDONLY | O_DIRECTORY);
  const Digest digest = store_.put("run").value();
  ASSERT_TRUE(store_.link_to(digest, FileMode::executable, directory.get(), "x").has_value());
  const fs::path twin = store_.path_of(digest, FileMode::executable);
  const auto all_used = [](const Digest&) { return true; };
  ASSERT_TRUE(store_.collect(all_used, -2s).has_value());
  EXPECT_TRUE(fs::exists(twin));
  fs::remove(tree.path() / "x");
  ASSERT_TRUE(store_.collect(all_used, -2s).has_value());
  EXPECT_FALSE(fs::exists(twin));
  EXPECT_TRUE(store_.contains(digest));
}

TEST_F(Blobs, SameBlobFromManyThreads) {
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 25; ++i) {
          const std::string content = "blob " + std::to_string(i);
          const auto put = store_.put(content);
          if (!put || store_.read(*put).value_or("") != content) ++failures;
        }
      });
  }
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(test::verified_blobs(root_.path()).size(), 25u);
  EXPECT_EQ(scratch_files(root_.path()), 0u);
}

TEST_F(Blobs, FindingProtectsFromACollectAtTheSameTime) {
  // Whatever is found before collect() looked for the last time is young, and stays.
  std::atomic<bool> done = false;
  std::atomic<int> lost = 0;
  std::jthread collector([&] {
    while (!done)
      if (!store_.collect([](const Digest&) { return false; }, 5min)) ++lost;
  });
  for (int i = 0; i < 50; ++i) {
    const Digest digest = store_.put("again").value();
    if (!store_.read(digest)) ++lost;
  }
  done = true;
  EXPECT_EQ(lost, 0);
}

TEST_F(Blobs, WhatWasFoundAndThenCollectedIsMissing) {
  const Digest digest = store_.put("found").value();
  ASSERT_TRUE(store_.contains(digest));
  ASSERT_TRUE(store_.collect([](const Digest&) { return false; }, -2s).has_value());
  EXPECT_EQ(store_.missing(std::vector{digest}), std::vector{digest});
}

TEST_F(Blobs, AManifestIsReadBackAsItWasStored) {
  const Manifest manifest{{{.path = "a", .size = 1, .digest = sha256("a")}}};
  const Digest digest = store_.put_manifest(manifest).value();
  EXPECT_EQ(digest, manifest.digest());
  EXPECT_EQ(**store_.read_manifest(digest), manifest);
  EXPECT_EQ(**BlobStore::open(root_.path())->read_manifest(digest), manifest);
  EXPECT_EQ(store_.read_manifest(sha256("none")).error().code, Errc::not_found);
}

TEST(ManifestCacheTest, KeepsThoseUsedLast) {
  ManifestCache cache;
  const auto key = [](int i) { return sha256(std::to_string(i)); };
  cache.keep(key(0), {});
  for (int i = 1; i < 200; ++i) {
    cache.keep(key(i), {});
    EXPECT_NE(cache.find(key(0)), nullptr) << i;
  }
  EXPECT_NE(cache.find(key(199)), nullptr);
  EXPECT_EQ(cache.find(key(1)), nullptr);
}

TEST(ManifestCacheTest, GivesBackWhatIsTooLargeToKeep) {
  ManifestCache cache;
  Manifest large;
  large.entries.resize(200'000);
  EXPECT_EQ(cache.keep(sha256("large"), std::move(large))->entries.size(), 200'000u);
  EXPECT_EQ(cache.find(sha256("large")), nullptr);
}

TEST_F(Blobs, OpenRemovesWhatAKilledProcessLeft) {
  fs::create_directory(root_.path() / "blobs/.tmp-dead");
  test::write(root_.path() / "blobs/.tmp-dead/0", "half");
  const auto again = BlobStore::open(root_.path());
  ASSERT_TRUE(again.has_value());
  EXPECT_FALSE(fs::exists(root_.path() / "blobs/.tmp-dead"));
  // The first store's own directory is held, and still works.
  EXPECT_TRUE(store_.put("still here").has_value());
}

// Unpacks again and again until it is killed.
[[noreturn]] void unpack_for_ever(const fs::path& root, unsigned seed) {
  auto store = BlobStore::open(root);
  for (unsigned round = 0; store; ++round) {
    std::vector<std::string> contents;
    for (unsigned i = 0; i < 20; ++i)
      contents.push_back(std::to_string(seed) + ":" + std::to_string(round) + ":" +
                         std::string(i * 700, 'x') + std::to_string(i));
    const std::vector<Digest> wanted = digests_of(contents);
    if (!store->unpack(test::reader_of(test::pack_of(contents)), wanted, 1 << 30)) break;
  }
  ::_exit(1);
}

TEST(BlobCrash, KilledAtAnyMomentLeavesWholeBlobsOnly) {
  const TempDir root = test::temp_dir();
  ASSERT_TRUE(BlobStore::open(root.path()));  // a child may die before it has made its folders
  std::mt19937 random(testing::UnitTest::GetInstance()->random_seed());
  std::uniform_int_distribution<int> wait_us(0, 40'000);
  std::size_t seen = 0;
  for (unsigned round = 0; round < 25; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) unpack_for_ever(root.path(), round);
    // Not a wait for anything: the moment of death is the input.
    std::this_thread::sleep_for(std::chrono::microseconds(wait_us(random)));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
    seen = test::verified_blobs(root.path()).size();
  }
  EXPECT_GT(seen, 0u);
  ASSERT_TRUE(BlobStore::open(root.path()).has_value());
  EXPECT_EQ(scratch_files(root.path()), 0u);
}

TEST(BlobDiskFull, IsAnErrorThatLeavesTheStoreUsable) {
  const TempDir root = test::temp_dir();
  test::PrivateMounts mounts;
  if (!mounts.why().empty() || !mounts.mount("tmpfs", root.path(), "size=3m"))
    GTEST_SKIP() << "needs a small file system of its own: " << mounts.why();
  {
    BlobStore store = *BlobStore::open(root.path());
    ASSERT_TRUE(store.put("before").has_value());
    std::vector<std::string> contents;
    for (int i = 0; i < 8; ++i) contents.emplace_back(1'000'000, static_cast<char>('a' + i));
    const std::vector<Digest> wanted = digests_of(contents);
    const auto unpacked =
        store.unpack(test::reader_of(test::pack_of(contents)), wanted, 1ull << 30);
    ASSERT_FALSE(unpacked.has_value());
    EXPECT_EQ(unpacked.error().code, Errc::disk_full) << unpacked.error().message;
    EXPECT_EQ(test::verified_blobs(root.path()).size(), 1u);
    EXPECT_EQ(scratch_files(root.path()), 0u);
    // The space came back.
    EXPECT_TRUE(store.put(std::string(2'000'000, 'z')).has_value());
    EXPECT_EQ(store.put(std::string(2'000'000, 'y')).error().code, Errc::disk_full);
    EXPECT_EQ(store.read(sha256("before")).value(), "before");
  }
}

}  // namespace
}  // namespace slipway
