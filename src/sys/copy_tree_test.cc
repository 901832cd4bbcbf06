#include "sys/copy_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

class CopyTreeTest : public ::testing::Test {
 protected:
  CopyTreeTest() {
    fs::create_directories(from);
    fs::create_directories(to);
  }
  Result<CopiedTree> copy(const CopyTreeOptions& options = {}) const {
    return copy_tree(open_file(from, O_RDONLY | O_DIRECTORY).value(),
                     open_file(to, O_RDONLY | O_DIRECTORY).value(), options);
  }
  TempDir directory = TempDir::create(fs::temp_directory_path(), "slipway-copy-").value();
  fs::path from = directory.path() / "from", to = directory.path() / "to";
};

TEST_F(CopyTreeTest, KeepsModesTimesAndLinks) {
  fs::create_directories(from / "a/b");
  ASSERT_TRUE(write_file_atomic(from / "a/b/run", "#!/bin/sh", 0755));
  fs::last_write_time(from / "a/b/run", fs::file_time_type{} + std::chrono::hours{1});
  fs::create_symlink("b/run", from / "a/link");
  const auto copied = copy();
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(copied->bytes, 9u);
  EXPECT_EQ(read_file(to / "a/b/run").value(), "#!/bin/sh");
  EXPECT_EQ(fs::status(to / "a/b/run").permissions(), fs::status(from / "a/b/run").permissions());
  EXPECT_EQ(fs::last_write_time(to / "a/b/run"), fs::last_write_time(from / "a/b/run"));
  EXPECT_EQ(fs::read_symlink(to / "a/link"), "b/run");
}

TEST_F(CopyTreeTest, StopsAtItsLimits) {
  ASSERT_TRUE(write_file_atomic(from / "a", std::string(20'000, 'x')));
  ASSERT_TRUE(write_file_atomic(from / "b", std::string(20'000, 'x')));
  EXPECT_EQ(copy({.max_bytes = 30'000}).error().code, Errc::too_large);
  fs::remove(to / "a");
  fs::remove(to / "b");
  EXPECT_EQ(copy({.max_entries = 1}).error().code, Errc::too_large);
}

TEST_F(CopyTreeTest, RefusesFoldersWithoutEnd) {
  fs::path deep = from;
  for (int i = 0; i < 300; ++i) deep /= "d";
  fs::create_directories(deep);
  EXPECT_EQ(copy().error().code, Errc::too_large);
}

TEST_F(CopyTreeTest, AFolderThatBecomesALinkMeanwhileIsNotFollowed) {
  fs::create_directories(directory.path() / "secret");
  ASSERT_TRUE(write_file_atomic(directory.path() / "secret/key", "k"));
  fs::create_directories(from / "z");
  ASSERT_TRUE(write_file_atomic(from / "a", "1"));
  CopyTreeOptions options;
  options.before_file = [&](const Fd&, const fs::path&) -> Result<CopyTreeOptions::What> {
    fs::remove_all(from / "z");
    fs::create_directory_symlink(directory.path() / "secret", from / "z");
    return CopyTreeOptions::What::copy;
  };
  ASSERT_TRUE(copy(options));
  EXPECT_FALSE(fs::exists(to / "z") && !fs::is_symlink(to / "z") && fs::exists(to / "z/key"));
}

TEST_F(CopyTreeTest, LeavesOutWhatItIsToldTo) {
  ASSERT_TRUE(write_file_atomic(from / "a", "1"));
  ASSERT_TRUE(write_file_atomic(from / "b", "1"));
  CopyTreeOptions options;
  options.only = [](const fs::path& relative) { return relative == "b"; };
  ASSERT_TRUE(copy(options));
  EXPECT_FALSE(fs::exists(to / "a"));
  EXPECT_TRUE(fs::exists(to / "b"));
}

}  // namespace
}  // namespace slipway
