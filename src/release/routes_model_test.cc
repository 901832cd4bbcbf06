// Whatever happens, the routes are what a restart would publish from the records.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "release/environment_routes.h"
#include "release/testing/release_world.h"
#include "router/traffic.h"

namespace slipway {
namespace {

struct RoutesModelTest : ::testing::Test {
  testing::ReleaseWorld w;
  const std::vector<std::string> aliases{"preview", "beta", "gamma"};
  const std::vector<std::string> environments{"production", "beta", "qa"};
  std::mt19937 random{1};

  template <class Items>
  auto any(const Items& items) {
    return items[random() % items.size()];
  }
  static std::string describe(const RouteTable& table, const std::string& host) {
    const auto target = table.find(host);
    if (!target) return "nothing";
    if (const auto* page = std::get_if<std::shared_ptr<const StatusPage>>(&*target))
      return fmt::format("page {} of {}", (*page)->kind, (*page)->deployment);
    if (const auto* site = std::get_if<std::shared_ptr<const StaticSite>>(&*target))
      return fmt::format("site {}", (*site)->deployment().str());
    if (const auto* split = std::get_if<std::shared_ptr<const TrafficSplit>>(&*target))
      return fmt::format("environment {}",
                         std::get<std::shared_ptr<const StaticSite>>((*split)->arms.front().target)
                             ->deployment()
                             .str());
    return "other";
  }
  std::vector<Deployment> in(const std::vector<DeploymentState>& states) {
    return w.repository->in_states(states).value();
  }
  std::string step() {
    const std::vector<Deployment> live = in({DeploymentState::ready, DeploymentState::sleeping});
    switch (random() % 9) {
      case 0:
      case 1:
      case 2: {
        const std::string alias = any(aliases);
        auto made = w.submit("shop", {{"index.html", std::to_string(random())}}, {.alias = alias});
        if (made) std::ignore = w.settled(made->id);
        return "deploy " + alias;
      }
      case 3: {
        if (live.empty()) break;
        const Deployment gone = any(live);
        std::ignore = w.service.remove(w.ann, gone);
        return "remove " + gone.alias;
      }
      case 4: {
        const auto deleted = in({DeploymentState::deleted});
        if (deleted.empty()) break;
        const Deployment back = any(deleted);
        std::ignore = w.service.undo(w.ann, back.id);
        return "undo " + back.alias;
      }
      case 5: {
        if (live.empty()) break;
        const Deployment old = any(live);
        std::ignore = w.service.expire(by_system("housekeeping"), old, "old");
        return "expire " + old.alias;
      }
      case 6:
      case 7: {
        if (live.empty()) break;
        const std::string environment = any(environments);
        const auto rollout = w.promote(any(live), {.environment = environment});
        if (rollout) std::ignore = w.baked(rollout->id);
        return "promote to " + environment;
      }
      default: {
        const std::string environment = any(environments);
        const auto rollout =
            w.releases->roll_back(w.ann, "shop", environment, std::nullopt, "", std::nullopt);
        if (rollout) std::ignore = w.baked(rollout->id);
        return "roll back " + environment;
      }
    }
    return "nothing";
  }
  void compare(const std::string& after) {
    RouteTable table;
    Routes routes(table, w.names, w.fleet, *w.repository, w.sites);
    ASSERT_TRUE(routes.publish_all()) << after;
    const Releases::Parts parts = w.parts(table);
    EnvironmentRoutes published(parts);
    for (const std::string& environment : environments)
      ASSERT_TRUE(published.publish("shop", environment)) << after;
    std::vector<std::string> hosts{"shop.localhost"};
    for (const auto* list : {&aliases, &environments})
      for (const std::string& name : *list) hosts.push_back(name + "--shop.localhost");
    ASSERT_TRUE(w.repository->each(
        [&](const Deployment& each) { hosts.push_back(w.names.deployment_host(each)); }));
    for (const std::string& host : hosts)
      EXPECT_EQ(describe(w.table, host), describe(table, host)) << host << " after:" << after;
    EXPECT_EQ(w.table.size(), table.size()) << after;
  }
};

TEST_F(RoutesModelTest, EqualWhatARestartPublishes) {
  std::string history;
  for (int i = 0; i < 60 && !HasFailure(); ++i) {
    history += "\n  " + step();
    compare(history);
  }
}

TEST_F(RoutesModelTest, APreviewNeverTakesTheHostOfAnEnvironment) {
  const Deployment first = w.preview("one");
  const auto rollout = w.promote(first, {.environment = "beta"});
  ASSERT_TRUE(rollout);
  std::ignore = w.baked(rollout->id);
  const std::string serves = describe(w.table, "beta--shop.localhost");
  EXPECT_EQ(serves, "environment " + first.id.str());
  const auto taken = w.submit("shop", {{"index.html", "mine"}}, {.alias = "beta"});
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, Errc::conflict);
  EXPECT_EQ(describe(w.table, "beta--shop.localhost"), serves);
}

TEST_F(RoutesModelTest, AnAliasThatLosesAServiceLosesItsHost) {
  // Nothing of an older deployment stays at a host that the newest has not.
  const Deployment one = w.deploy("shop", {{"index.html", "1"}});
  ASSERT_TRUE(w.service.remove(w.ann, one));
  EXPECT_EQ(describe(w.table, "preview--shop.localhost"), "page deleted of " + one.id.str());
  compare("remove");
  ASSERT_TRUE(w.service.undo(w.ann, one.id));
  compare("undo");
  EXPECT_EQ(describe(w.table, "preview--shop.localhost"), "site " + one.id.str());
}

}  // namespace
}  // namespace slipway
