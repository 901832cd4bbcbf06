#include "deploy/upload_shares.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

using namespace std::chrono_literals;

struct SharesOfUploads : ::testing::Test {
  // Into 1,000 bytes that are there for all.
  bool take(const std::string& holder, std::uint64_t bytes) {
    const auto taken = shares.take(holder, bytes, 1000 - used);
    if (taken) {
      used += bytes;
      last = *taken;
    } else {
      EXPECT_EQ(taken.error().code, Errc::over_budget);
    }
    return taken.has_value();
  }
  ManualClock clock;
  Duration lately = 1h;
  UploadShares shares{clock, lately};
  UploadShares::Ticket last{};
  std::uint64_t used = 0;
};

TEST_F(SharesOfUploads, OnePersonHoldsHalfAndTheNextHalfOfTheRest) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(take("ann", 100), i < 5) << i;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(take("bob", 50), i < 5) << i;
  EXPECT_TRUE(take("cat", 100)) << "there is room for others whatever two of them do";
}

TEST_F(SharesOfUploads, ComeBackWithTheTime) {
  ASSERT_TRUE(take("ann", 300));
  clock.advance(30min);
  ASSERT_TRUE(take("ann", 200));
  EXPECT_FALSE(take("ann", 1));
  clock.advance(30min);
  EXPECT_TRUE(take("ann", 100)) << "200 are from half an hour ago, and 500 are left";
  EXPECT_FALSE(take("ann", 100));
}

TEST_F(SharesOfUploads, AreOfWhatWasWritten) {
  ASSERT_TRUE(take("ann", 500));
  shares.settle(last, 100);
  used -= 400;
  EXPECT_TRUE(take("ann", 400));
  EXPECT_FALSE(take("ann", 1));
  shares.settle(last, 0);
  used -= 400;
  EXPECT_TRUE(take("ann", 400));
  EXPECT_FALSE(take("ann", 1));
  clock.advance(1h);
  shares.settle(last, 0);
  EXPECT_TRUE(take("ann", 250)) << "what was forgotten is not given back again";
  EXPECT_FALSE(take("ann", 1));
}

}  // namespace
}  // namespace slipway
