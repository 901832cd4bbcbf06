#include "identity/path_quota.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

constexpr PathQuota::Limits small{.own = 2, .below = {6, 4, 2, 1}};

TEST(PathQuota, ATokensOwnRoomIsNobodyElses) {
  PathQuota quota(small);
  // Whatever comes of "a/t", and of what comes of that, "a" has its own.
  for (int i = 0; i < 1000; ++i)
    for (const std::string path : {"a/t", "a/t/x", "a/t/y", "a/t/x/z"})
      if (!quota.full(path)) quota.add(path);
  ASSERT_TRUE(quota.full("a/t"));
  EXPECT_FALSE(quota.full("a"));
  EXPECT_FALSE(quota.full("b/t"));
}

TEST(PathQuota, WhatCameOfOneTokenLeavesRoomForAnother) {
  PathQuota quota(small);
  for (int i = 0; i < 1000; ++i) {
    const std::string path = "a/t/" + std::to_string(i);
    if (!quota.full(path)) quota.add(path);
  }
  ASSERT_EQ(quota.full("a/t/x")->path, "a/t");
  EXPECT_FALSE(quota.full("a/other"));
  EXPECT_FALSE(quota.full("a/other/x"));
}

TEST(PathQuota, WhatIsForgottenMakesRoom) {
  PathQuota quota(small);
  quota.add("a/t");
  quota.add("a/t");
  ASSERT_EQ(quota.full("a/t")->room, PathQuota::Full::Room::own);
  quota.remove("a/t");
  EXPECT_FALSE(quota.full("a/t"));
  EXPECT_EQ(quota.own("a/t"), 1u);
}

TEST(Paths, AreReadFromTheirEnd) {
  EXPECT_EQ(parent_path("a/b/c"), "a/b");
  EXPECT_EQ(parent_path("a"), "");
  EXPECT_EQ(last_id("a/b"), "b");
  EXPECT_TRUE(is_within("a/b", "a"));
  EXPECT_FALSE(is_within("ab", "a"));
}

}  // namespace
}  // namespace slipway
