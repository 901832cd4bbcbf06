#include "sys/directory.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

TEST(EntriesOf, AreTheNamesInADirectory) {
  const TempDir made = TempDir::create(fs::temp_directory_path(), "slipway-entries-").value();
  ASSERT_TRUE(write_file_atomic(made.path() / "a", ""));
  fs::create_directory(made.path() / "b");
  std::error_code error;
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : entries_of(made.path(), error))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(error);
}

TEST(EntriesOf, WhatIsNoDirectoryHasNoneAndSaysWhy) {
  std::error_code error;
  EXPECT_TRUE(entries_of("/proc/self/status", error).empty());
  EXPECT_EQ(error, std::errc::not_a_directory);
  EXPECT_TRUE(entries_of("/nowhere/at/all", error).empty());
  EXPECT_EQ(error, std::errc::no_such_file_or_directory);
  EXPECT_TRUE(entries_of("/nowhere/at/all").empty());
}

}  // namespace
}  // namespace slipway
