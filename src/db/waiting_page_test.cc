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

TEST_F(WaitingPages, EndWhereWhatOneMaySeeEnds) {
  for (const char* project : {"bank", "shop", "bank", "shop", "bank"}) {
    ask(project);
    clock.advance(1min);
  }
  const auto shop = [](std::string_view project, std::string_view) { return project == "shop"; };
  EXPECT_EQ(read({.limit = 1, .visible = shop}), (std::vector<std::string>{ids[3], ids[1]}));
  // No cursor names what is on no page, and none is given to what follows there.
  const std::string cursor = store.waiting({.limit = 1, .visible = shop})->next;
  EXPECT_TRUE(cursor.ends_with(ids[3])) << cursor;
  EXPECT_EQ(store.waiting({.project = "bank", .limit = 1, .visible = shop})->next, "");
  const auto no_production = [](std::string_view, std::string_view environment) {
    return environment != "production";
  };
  const ApprovalRequest production{.id = ApprovalId::random(),
                                   .project = "shop",
                                   .environment = "production",
                                   .created_at = clock.now()};
  ASSERT_TRUE(store.add({}, production));
  EXPECT_EQ(read({.limit = 10, .visible = no_production}).size(), 5u);
}

TEST_F(WaitingPages, OfOneAskerAreNotPushedOutByAnother) {
  const auto refused = [&](const Actor& who, const std::string& resource) {
    const ApprovalRequest request{.id = ApprovalId::random(),
                                  .state = "withdrawn",
                                  .resource = resource,
                                  .project = "shop",
                                  .requester = who,
                                  .created_at = clock.now(),
                                  .closed_at = clock.now()};
    EXPECT_TRUE(store.add({}, request));
    return request.id.str();
  };
  const Actor ann{.kind = "human", .name = "ann"},
      bot{.kind = "agent", .name = "ann", .on_behalf_of = "bob"};
  const std::string hers = refused(ann, "configuration/shop/preview");
  clock.advance(1min);
  for (int i = 0; i < 300; ++i) refused(bot, "configuration/shop/beta");
  WaitingFilter filter{.kind = WaitingFilter::Kind::approvals, .state = "withdrawn", .limit = 200};
  const auto first = [&] { return store.waiting(filter)->approvals.front().id.str(); };
  filter.asker = "human:ann";
  EXPECT_EQ(read(filter), std::vector<std::string>{hers});
  filter.asker.clear();
  filter.resource = "configuration/shop/preview";
  EXPECT_EQ(first(), hers);
  filter.resource.clear();
  filter.asker_for = "bob";
  EXPECT_EQ(read(filter).size(), 300u);
  filter.asker_for.clear();
  filter.closed_since = clock.now();
  EXPECT_EQ(read(filter).size(), 300u) << "what was closed before is left out";
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
