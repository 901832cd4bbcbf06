#include "store/disk_reserve.h"

#include <gtest/gtest.h>

#include "store/test_support.h"

namespace slipway {
namespace {

std::uint64_t blocks(const std::filesystem::path& file) {
  struct stat info{};
  return ::stat(file.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_blocks) * 512 : 0;
}

constexpr std::uint64_t size = 1u << 20;

TEST(DiskReserve, TakesItsRoomAndGivesItUpInParts) {
  const TempDir directory = test::temp_dir();
  const auto file = directory.path() / "reserve";
  DiskReserve reserve = DiskReserve::open(file, size).value();
  EXPECT_GE(blocks(file), size);
  int parts = 0;
  while (reserve.release()) {
    ++parts;
    EXPECT_LE(blocks(file), size - static_cast<std::uint64_t>(parts) * (size / 8) + 4096);
  }
  EXPECT_EQ(parts, 8);
  EXPECT_EQ(blocks(file), 0u);
  reserve.refill();
  EXPECT_GE(blocks(file), size);
}

TEST(DiskReserve, FindsWhatItHadAndMayChangeItsSize) {
  const TempDir directory = test::temp_dir();
  const auto file = directory.path() / "reserve";
  EXPECT_EQ(DiskReserve::open(file, size)->bytes(), size);
  EXPECT_EQ(DiskReserve::open(file, size / 2)->bytes(), size / 2);
  EXPECT_LE(blocks(file), size / 2 + 4096);
  DiskReserve none = DiskReserve::open(file, 0).value();
  EXPECT_EQ(blocks(file), 0u);
  EXPECT_FALSE(none.release());
}

TEST(DiskReserve, OnAFullDiskIsNotTakenAndNotAnError) {
  const TempDir directory = test::temp_dir();
  test::PrivateMounts mounts;
  if (!mounts.why().empty() || !mounts.mount("tmpfs", directory.path(), "size=2m"))
    GTEST_SKIP() << mounts.why();
  DiskReserve reserve = DiskReserve::open(directory.path() / "reserve", size).value();
  EXPECT_EQ(reserve.bytes(), 0u) << "half of what there is would be too much";
  EXPECT_FALSE(reserve.release());
}

TEST(DiskReserve, WhatItGivesUpCanBeWritten) {
  const TempDir directory = test::temp_dir();
  test::PrivateMounts mounts;
  if (!mounts.why().empty() || !mounts.mount("tmpfs", directory.path(), "size=8m"))
    GTEST_SKIP() << mounts.why();
  DiskReserve reserve = DiskReserve::open(directory.path() / "reserve", size).value();
  const auto filler = directory.path() / "filler";
  const Fd fd = open_file(filler, O_WRONLY | O_CREAT).value();
  const std::string chunk(64u << 10, 'x');
  while (write_all(fd.get(), chunk)) continue;
  EXPECT_EQ(write_all(fd.get(), chunk).error().code, Errc::disk_full);
  ASSERT_TRUE(reserve.release());
  EXPECT_TRUE(write_all(fd.get(), chunk));
  reserve.refill();
  EXPECT_EQ(reserve.bytes(), size - size / 8) << "there is no room";
}

}  // namespace
}  // namespace slipway
