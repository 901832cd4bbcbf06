#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "store/stat_cache.h"
#include "store/test_support.h"
#include "store/workspace.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Scan : public testing::Test {
 protected:
  TempDir root_ = test::temp_dir();
  fs::path folder_ = root_.path() / "app";
  fs::path cache_ = root_.path() / "cache/app.stat";

  void SetUp() override { fs::create_directory(folder_); }
  void add(const std::string& path, std::string_view content = "x", unsigned mode = 0644) {
    test::write(folder_ / path, content, mode);
  }
  ScannedFolder scan(const ScanLimits& limits = {}) {
    auto scanned = scan_folder(folder_, cache_, limits);
    EXPECT_TRUE(scanned.has_value()) << scanned.error().message;
    return scanned.value_or(ScannedFolder{});
  }
  std::vector<std::string> paths() {
    std::vector<std::string> out;
    for (const ManifestEntry& entry : scan().manifest.entries) out.push_back(entry.path);
    return out;
  }
  // Files are trusted once the clock has moved on from their last change.
  void settle() {
    const auto start = std::chrono::system_clock::now();
    while (std::chrono::system_clock::now() - start < std::chrono::milliseconds(60))
      std::this_thread::yield();
  }
};

TEST_F(Scan, ReadsContentAndMode) {
  add("b.txt", "hello");
  add("a/run.sh", "#!/bin/sh", 0755);
  fs::create_symlink("run.sh", folder_ / "a/link");
  const ScannedFolder scanned = scan();
  EXPECT_EQ(scanned.hashed_files, 2u);
  ASSERT_EQ(scanned.manifest.entries.size(), 3u);
  EXPECT_EQ(*scanned.manifest.find("b.txt"),
            (ManifestEntry{.path = "b.txt", .size = 5, .digest = sha256("hello")}));
  EXPECT_EQ(scanned.manifest.find("a/run.sh")->mode, FileMode::executable);
  EXPECT_EQ(
      *scanned.manifest.find("a/link"),
      (ManifestEntry{
          .path = "a/link", .mode = FileMode::symlink, .size = 6, .digest = sha256("run.sh")}));
  EXPECT_EQ(Manifest::parse(scanned.manifest.to_text()), scanned.manifest);
}

TEST_F(Scan, NeverSendsDependenciesSecretsOrHistory) {
  for (const char* path : {".git/config",
                           "node_modules/a/index.js",
                           "package.json",
                           "sub/node_modules/b/x",
                           ".venv/lib/x",
                           "env3/pyvenv.cfg",
                           "env3/lib/y",
                           "__pycache__/m.pyc",
                           ".env",
                           ".env.local",
                           "sub/.env.production",
                           ".envrc",
                           "Cargo.toml",
                           "target/debug/app",
                           ".next/x",
                           ".DS_Store",
                           "sub/.git",
                           "index.js",
                           ".env.example",
                           "sub/target/kept",
                           "venv/kept.py",
                           "dist/kept.js"})
    add(path);
  EXPECT_THAT(paths(), ElementsAre(".env.example", "Cargo.toml", "dist/kept.js", "index.js",
                                   "package.json", "sub/target/kept", "venv/kept.py"));
  EXPECT_THAT(scan().notes, Contains(HasSubstr("node_modules")));
}

TEST_F(Scan, OfAFileOfVariablesOnlyWhatIsPublicIsSent) {
  add(".gitignore", ".env*\n");
  add(".env", "VITE_URL=https://a.example\nDATABASE_URL=postgres://secret\n");
  add(".env.local", "STRIPE_SECRET=x\n");
  add("web/.env.production", "NEXT_PUBLIC_A=1\nB=2\n");
  add(".env.js", "export default {}");
  EXPECT_THAT(paths(), ElementsAre(".env", ".gitignore", "web/.env.production"));
  const ScannedFolder scanned = scan();
  auto items = pack_items(folder_, scanned, test::digests_of({"VITE_URL=https://a.example\n"}));
  ASSERT_TRUE(items.has_value());
  std::array<char, 100> buffer;
  EXPECT_EQ(items->front().read(buffer).value(), 27u);
  EXPECT_EQ(items->front().read(buffer).value(), 0u);
  EXPECT_THAT(scanned.notes, Contains(AllOf(HasSubstr("VITE_URL (.env)"),
                                            HasSubstr("NEXT_PUBLIC_A (web/.env.production)"))));
  EXPECT_THAT(scanned.notes, Contains(AllOf(HasSubstr("left 3 values of .env, .env.local"),
                                            HasSubstr("slipway env import -s .env"))));
  for (const std::string& note : scanned.notes) EXPECT_THAT(note, Not(HasSubstr("secret")));
}

TEST_F(Scan, CodeThatIsCalledLikeAFileOfVariablesGoesUp) {
  for (const char* path : {".env.js", "config/.env.json", ".envrc"}) add(path, "x");
  EXPECT_THAT(paths(), ElementsAre(".env.js", "config/.env.json"));
}

TEST_F(Scan, AFinishedSitesOwnFoldersGoUp) {
  for (const char* path : {"index.html", "assets/node_modules/x.ttf", "node_modules/y.js"})
    add(path);
  EXPECT_THAT(paths(), ElementsAre("assets/node_modules/x.ttf", "index.html"));
  add("package.json");
  EXPECT_THAT(paths(), ElementsAre("index.html", "package.json"));
  add(".slipwayignore", "!assets/node_modules/\n");
  EXPECT_THAT(paths(), ElementsAre(".slipwayignore", "assets/node_modules/x.ttf", "index.html",
                                   "package.json"));
}

TEST_F(Scan, FilesAreNotTakenForTheFoldersOfTheSameName) {
  add("Cargo.toml");
  add("target");
  add("node_modules");
  fs::create_directory_symlink("/", folder_ / ".venv");
  EXPECT_THAT(paths(), ElementsAre("Cargo.toml", "node_modules", "target"));
}

TEST_F(Scan, TheCacheIsWrittenWhenReadingAgainWouldCostMore) {
  for (int i = 0; i < 200; ++i) add("f" + std::to_string(i), std::to_string(i));
  settle();
  scan();
  const std::string cache = test::slurp(cache_);
  add("f7", "changed");
  settle();
  EXPECT_EQ(scan().hashed_files, 1u);
  EXPECT_EQ(test::slurp(cache_), cache);
  for (int i = 0; i < 100; ++i) add("f" + std::to_string(i), "changed");
  settle();
  EXPECT_EQ(scan().hashed_files, 100u);
  EXPECT_NE(test::slurp(cache_), cache);
  EXPECT_EQ(scan().hashed_files, 0u);
}

TEST_F(Scan, SlipwayignoreWins) {
  add(".gitignore", "dist/\n*.log\n");
  add("sub/.gitignore", "*.txt\n");
  add(".slipwayignore", "!dist/\n!keep.log\n!sub/keep.txt\ndocs/\n!.env\n!.git/\n.env.local\n");
  add(".git/config");
  add(".env.local", "VITE_A=1\n");
  for (const char* path :
       {"dist/a.js", "a.log", "keep.log", "sub/keep.txt", "sub/b.txt", "docs/x", ".env"})
    add(path);
  EXPECT_THAT(paths(), ElementsAre(".env", ".gitignore", ".slipwayignore", "dist/a.js", "keep.log",
                                   "sub/.gitignore", "sub/keep.txt"));
}

TEST_F(Scan, SkipsWhatNoManifestCanHoldWithANote) {
  add("good");
  add("bad\nname");
  add("bad\xff");
  fs::create_symlink("/etc/passwd", folder_ / "absolute");
  fs::create_symlink("../outside", folder_ / "outside");
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  const ScannedFolder scanned = scan();
  ASSERT_EQ(scanned.manifest.entries.size(), 1u);
  EXPECT_THAT(scanned.notes, Contains(HasSubstr("leaves the folder")));
  EXPECT_THAT(scanned.notes, Contains(HasSubstr("not plain UTF-8")));
  EXPECT_THAT(scanned.notes, Contains(HasSubstr("fifo")));
  for (const std::string& note : scanned.notes) EXPECT_EQ(note.find('\n'), std::string::npos);
}

TEST_F(Scan, UnchangedFilesAreNotReadAgain) {
  for (int i = 0; i < 20; ++i) add("f" + std::to_string(i), std::to_string(i));
  settle();
  const ScannedFolder first = scan();
  EXPECT_EQ(first.hashed_files, 20u);
  const ScannedFolder second = scan();
  EXPECT_EQ(second.hashed_files, 0u);
  EXPECT_EQ(second.manifest, first.manifest);
  add("f7", "changed");
  settle();
  const ScannedFolder third = scan();
  EXPECT_EQ(third.hashed_files, 1u);
  EXPECT_EQ(third.manifest.find("f7")->digest, sha256("changed"));
}

TEST_F(Scan, ChangesThatKeepSizeAndMtimeAreSeen) {
  add("f", "aaaa");
  settle();
  scan();
  struct stat before{};
  ASSERT_EQ(::stat((folder_ / "f").c_str(), &before), 0);
  add("f", "bbbb");
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder_ / "f").c_str(), times, 0), 0);
  EXPECT_EQ(scan().manifest.find("f")->digest, sha256("bbbb"));
}

// git's "racy" case: a change within the same tick of the clock as the scan.
TEST_F(Scan, ChangesRightAfterAScanAreSeen) {
  for (int i = 0; i < 200; ++i) {
    const std::string content = std::to_string(i % 10);
    add("f", content);
    ASSERT_EQ(scan().manifest.find("f")->digest, sha256(content)) << i;
  }
}

TEST_F(Scan, AModeChangeIsSeenWithoutAChangeOfContent) {
  add("f", "x");
  settle();
  scan();
  ASSERT_EQ(::chmod((folder_ / "f").c_str(), 0755), 0);
  EXPECT_EQ(scan().manifest.find("f")->mode, FileMode::executable);
}

TEST_F(Scan, ADamagedCacheIsMadeAnew) {
  for (int i = 0; i < 5; ++i) add("f" + std::to_string(i), std::to_string(i));
  settle();
  const Manifest good = scan().manifest;
  const std::string cache = test::slurp(cache_);
  for (std::size_t at = 0; at < cache.size(); at += 7) {
    std::string damaged = cache;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    test::write(cache_, damaged);
    const ScannedFolder scanned = scan();
    ASSERT_EQ(scanned.hashed_files, 5u) << at;
    ASSERT_EQ(scanned.manifest, good) << at;
    ASSERT_EQ(test::slurp(cache_), cache) << at;
  }
}

TEST_F(Scan, ACacheThatCannotBeWrittenIsANote) {
  add("f");
  settle();
  test::write(root_.path() / "file", "");
  const auto scanned = scan_folder(folder_, root_.path() / "file/cache");
  ASSERT_TRUE(scanned.has_value());
  EXPECT_THAT(scanned->notes, Contains(HasSubstr("no stat cache")));
}

TEST_F(Scan, LimitsNameWhatIsTooLarge) {
  add("big.bin", std::string(2000, 'x'));
  add("small", "x");
  const auto refused = [&](const ScanLimits& limits) {
    const auto scanned = scan_folder(folder_, cache_, limits);
    EXPECT_FALSE(scanned.has_value());
    return scanned.has_value() ? Error{} : scanned.error();
  };
  EXPECT_THAT(refused({.max_file_bytes = 1000}).message, HasSubstr("big.bin"));
  EXPECT_EQ(refused({.max_file_bytes = 1000}).code, Errc::too_large);
  EXPECT_EQ(refused({.max_files = 1}).code, Errc::too_large);
  EXPECT_EQ(refused({.max_total_bytes = 2000}).code, Errc::too_large);
}

TEST_F(Scan, FoldersThatAreNoneAreErrors) {
  test::write(root_.path() / "file", "");
  EXPECT_EQ(scan_folder(root_.path() / "none", cache_).error().code, Errc::not_found);
  EXPECT_EQ(scan_folder(root_.path() / "file", cache_).error().code, Errc::invalid_argument);
  EXPECT_THAT(paths(), IsEmpty());
}

TEST_F(Scan, SurvivesFilesThatComeAndGo) {
  for (int i = 0; i < 50; ++i) add("stay/" + std::to_string(i));
  std::atomic<bool> done = false;
  std::jthread churn([&] {
    for (unsigned i = 0; !done; ++i) {
      const fs::path path = folder_ / ("churn/" + std::to_string(i % 7));
      if (i % 3 == 0)
        fs::remove_all(path);
      else
        test::write(path / std::to_string(i % 5), "x");
    }
  });
  for (int i = 0; i < 30; ++i) {
    const auto scanned = scan_folder(folder_, cache_);
    ASSERT_TRUE(scanned.has_value()) << scanned.error().message;
    EXPECT_GE(scanned->manifest.entries.size(), 50u);
  }
  done = true;
}

TEST_F(Scan, AFileThatNeverHoldsStillIsAnErrorThatNamesIt) {
  add("log");
  fs::resize_file(folder_ / "log", 64 << 20);  // takes long enough to read for a line to be added
  std::atomic<bool> done = false, started = false;
  std::jthread writer([&] {
    const Fd fd = *open_file(folder_ / "log", O_WRONLY | O_APPEND);
    for (; !done && ::write(fd.get(), "y", 1) == 1; std::this_thread::yield()) started = true;
  });
  while (!started) std::this_thread::yield();
  const auto scanned = scan_folder(folder_, cache_);
  done = true;
  ASSERT_FALSE(scanned.has_value());
  EXPECT_THAT(scanned.error().message, HasSubstr("log keeps changing"));
}

TEST_F(Scan, WhatWasScannedCanBePackedAndUnpacked) {
  add("a", "one");
  add("b/c", std::string(300'000, 'c'));
  add("d", "one");
  fs::create_symlink("b/c", folder_ / "link");
  const ScannedFolder scanned = scan();
  BlobStore store = *BlobStore::open(root_.path());
  std::vector<Digest> all;
  for (const ManifestEntry& entry : scanned.manifest.entries) all.push_back(entry.digest);
  const std::vector<Digest> missing = store.missing(all);
  EXPECT_EQ(missing.size(), 3u);
  auto items = pack_items(folder_, scanned, missing);
  ASSERT_TRUE(items.has_value());
  std::string pack;
  ASSERT_TRUE(write_pack(*items, [&](std::string_view bytes) -> Status {
                pack += bytes;
                return {};
              }).has_value());
  ASSERT_TRUE(store.unpack(test::reader_of(pack), missing, 1 << 20).has_value());
  const ManifestTree tree(scanned.manifest, store);
  ASSERT_EQ(tree.files().size(), 3u);
  EXPECT_EQ(tree.read("b/c", 10).value(), std::string(10, 'c'));
  EXPECT_EQ(tree.read("link", 10).error().code, Errc::not_found);
  EXPECT_EQ(tree.read("nope", 10).error().code, Errc::not_found);
}

TEST_F(Scan, PackingAFileThatChangedOrWentIsAConflict) {
  for (const bool remove : {false, true}) {
    add("a", "one");
    const ScannedFolder scanned = scan();
    const std::vector<Digest> missing = test::digests_of({"one"});
    auto items = pack_items(folder_, scanned, missing);
    ASSERT_TRUE(items.has_value());
    if (remove)
      fs::remove(folder_ / "a");
    else
      add("a", "two");
    const Status written = write_pack(*items, [](std::string_view) -> Status { return {}; });
    ASSERT_FALSE(written.has_value());
    EXPECT_EQ(written.error().code, Errc::conflict) << written.error().message;
  }
}

TEST_F(Scan, TheLastManifestIsKeptForTheNextDeploy) {
  add("a", "one");
  const Manifest manifest = scan().manifest;
  const fs::path file = root_.path() / "cache/app.manifest";
  EXPECT_FALSE(load_manifest(file).has_value());
  ASSERT_TRUE(save_manifest(file, manifest).has_value());
  EXPECT_EQ(load_manifest(file), manifest);
  test::write(file, "nonsense");
  EXPECT_FALSE(load_manifest(file).has_value());
}

TEST(StatCache, ParseUndoesToBytes) {
  EXPECT_TRUE(rc::check("parse(to_bytes(c)) == c", [] {
    StatCache cache;
    for (const std::string& path :
         *rc::gen::container<std::set<std::string>>(rc::gen::arbitrary<std::string>()))
      cache.entries.push_back({.path = path,
                               .stamp = {.size = *rc::gen::arbitrary<std::uint64_t>(),
                                         .inode = *rc::gen::arbitrary<std::uint64_t>(),
                                         .mtime_ns = *rc::gen::arbitrary<std::int64_t>(),
                                         .ctime_ns = *rc::gen::arbitrary<std::int64_t>(),
                                         .executable = *rc::gen::inRange(0u, 2u)},
                               .digest = sha256(path)});
    const StatCache parsed = StatCache::parse(cache.to_bytes());
    RC_ASSERT(parsed.entries.size() == cache.entries.size());
    for (std::size_t i = 0; i < parsed.entries.size(); ++i) {
      RC_ASSERT(parsed.entries[i].path == cache.entries[i].path);
      RC_ASSERT(parsed.entries[i].stamp == cache.entries[i].stamp);
      RC_ASSERT(parsed.entries[i].digest == cache.entries[i].digest);
    }
  }));
}

}  // namespace
}  // namespace slipway
