#include "db/waiting_page.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "db/stores.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

struct WaitingPages : ::testing::Test {
  void ask(const std::string& project, const std::string& state = "open") {
    const ApprovalRequest request{
        .id = ApprovalId::random(), .state = state, .project = project, .created_at = clock.now()};
    ASSERT_TRUE(store.add({}, request));
    ids.push_back(request.id.str());
  }
  void waive(const std::string& project) {
    const Waiver waiver{.id = WaiverId::random(), .project = project, .created_at = clock.now()};
    ASSERT_TRUE(store.add({}, waiver));
    ids.push_back(waiver.id.str());
  }
  void declare(const std::string& project) {
    const BreakGlass emergency{
        .id = BreakGlassId::random(), .project = project, .created_at = clock.now()};
    ASSERT_TRUE(store.add({}, emergency));
    ids.push_back(emergency.id.str());
  }
  // The ids of all pages, page after page; of one kind after another within a page.
  std::vector<std::string> read(WaitingFilter filter) {
    std::vector<std::string> out;
    do {
      const WaitingPage page = store.waiting(filter).value();
      EXPECT_LE(page.approvals.size() + page.waivers.size() + page.emergencies.size(),
                filter.limit);
      for (const auto& each : page.approvals) out.push_back(each.id.str());
      for (const auto& each : page.waivers) out.push_back(each.id.str());
      for (const auto& each : page.emergencies) out.push_back(each.id.str());
      filter.cursor = page.next;
    } while (!filter.cursor.empty());
    return out;
  }

  ManualClock clock;
  Stores stores = Stores::open(":memory:", clock).value();
  GovernanceStore& store = *stores.governance;
  std::vector<std::string> ids;
};

TEST_F(WaitingPages, OfAnySizeHaveEachThingOnceThoughSeveralAreOfOneMoment) {
  for (int moment = 0; moment < 3; ++moment) {
    for (int i = 0; i < 3; ++i) ask("shop");
    waive("shop");
    declare("shop");
    clock.advance(1min);
  }
  std::ranges::sort(ids);
  for (std::size_t limit = 1; limit < 17; ++limit) {
    std::vector<std::string> found = read({.limit = limit});
    std::ranges::sort(found);
    EXPECT_EQ(found, ids) << limit;
  }
}

TEST_F(WaitingPages, BeginWithTheNewestAndHoldWhatIsAskedForAlone) {
  ask("shop");
  clock.advance(1min);
  ask("shop", "rejected");
  ask("site");
  waive("shop");
  clock.advance(1min);
  ask("shop");
  EXPECT_EQ(store.waiting({.limit = 1})->approvals.front().id.str(), ids.back());
  EXPECT_EQ(read({.state = "open", .project = "shop", .limit = 2}),
            (std::vector<std::string>{ids[4], ids[3], ids[0]}));
  EXPECT_EQ(read({.kind = WaitingFilter::Kind::waivers}), std::vector<std::string>{ids[3]});
  EXPECT_EQ(read({.kind = WaitingFilter::Kind::approvals, .state = "rejected"}),
            std::vector<std::string>{ids[1]});
}

TEST_F(WaitingPages, RefuseACursorThatNoPageGave) {
  for (const char* cursor : {"1", "x.apr_a", "99999999999999999999.apr_a", "."})
    EXPECT_EQ(store.waiting({.cursor = cursor}).error().code, Errc::invalid_argument) << cursor;
}

// What goes on by itself, ends or is counted is looked at wherever it stands in the list.
TEST_F(WaitingPages, AreNotWhatIsReadToGoOn) {
  for (int i = 0; i < 1200; ++i) ask("shop");
  EXPECT_EQ(store.approvals("open", "")->size(), 1200u);
}

}  // namespace
}  // namespace slipway
