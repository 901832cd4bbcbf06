#include "db/host_names.h"

#include <gtest/gtest.h>

#include "db/stores.h"

namespace slipway {
namespace {

struct HostNamesTest : ::testing::Test {
  ManualClock clock;
  Stores stores = Stores::open(":memory:", clock).value();
  Repository& repository = *stores.repository;

  static Deployment deployment(std::string project, std::string_view id, std::string alias) {
    Deployment out;
    out.id = *DeploymentId::parse(id);
    out.project = std::move(project);
    out.alias = std::move(alias);
    return out;
  }
  Status add(const Deployment& deployment) {
    SLIPWAY_CHECK(repository.ensure_project({}, deployment.project, clock.now()));
    auto added = repository.add({}, deployment, "");
    return added ? Status() : fail(added.error());
  }
  Status begin(std::string environment) {
    const Release release{.project = "shop",
                          .environment = environment,
                          .deployment = *DeploymentId::parse("dpl_abcdefghij")};
    const Rollout rollout{.id = RolloutId::random(),
                          .project = "shop",
                          .environment = std::move(environment),
                          .state = RolloutState::running};
    auto begun = stores.releases->begin({}, rollout, release);
    return begun ? Status() : fail(begun.error());
  }
};

TEST_F(HostNamesTest, WhatLooksLikeADeploymentsHostIsAProjectUnlessThereIsOne) {
  ASSERT_TRUE(add(deployment("shop-basketball", "dpl_aaaaaaaaaa", "preview")));
  ASSERT_TRUE(add(deployment("shop", "dpl_abcdefghij", "preview")));
  for (const std::string_view project : {"task-management", "my-dashboards", "shop-abcdefghik"})
    EXPECT_TRUE(repository.ensure_project({}, project, clock.now())) << project;
  // Each way to make one.
  EXPECT_EQ(repository.ensure_project({}, "shop-abcdefghij", clock.now()).error().code,
            Errc::conflict);
  EXPECT_EQ(stores.identity->give_project({}, "default", "shop-abcdefghij").error().code,
            Errc::conflict);
  EXPECT_EQ(
      stores.identity
          ->claim_project({}, Principal{.role = Role::admin}, Permission::deploy, "shop-abcdefghij")
          .error()
          .code,
      Errc::conflict);
  // Nor has a deployment the host of a project that is there.
  EXPECT_EQ(add(deployment("shop", "dpl_basketball", "preview")).error().code, Errc::conflict);
}

TEST_F(HostNamesTest, AnAliasAndAnEnvironmentAreNotCalledAlike) {
  ASSERT_TRUE(add(deployment("shop", "dpl_abcdefghij", "preview")));
  ASSERT_TRUE(begin("beta"));
  EXPECT_EQ(add(deployment("shop", "dpl_bbbbbbbbbb", "beta")).error().code, Errc::conflict);
  EXPECT_TRUE(add(deployment("other", "dpl_cccccccccc", "beta")));
  ASSERT_TRUE(add(deployment("shop", "dpl_dddddddddd", "gamma")));
  EXPECT_EQ(begin("gamma").error().code, Errc::conflict);
  // One that was removed is nobody's, until it comes back.
  const auto set = [&](DeploymentState state) {
    const auto done = repository.update({}, *DeploymentId::parse("dpl_dddddddddd"),
                                        [&](Deployment& change) -> Status {
                                          change.state = state;
                                          return {};
                                        });
    return done.has_value();
  };
  ASSERT_TRUE(set(DeploymentState::deleted));
  ASSERT_TRUE(begin("gamma"));
  EXPECT_FALSE(set(DeploymentState::ready));
}

}  // namespace
}  // namespace slipway
