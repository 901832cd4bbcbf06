#include "identity/joined.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

using std::chrono::seconds;

TEST(Joined, NarrowingsLeaveWhatEachAllows) {
  const std::vector<Restriction> steps{
      {.id = "tok_a",
       .projects = {{"shop", "bank"}},
       .actions = PermissionSet{Permission::read, Permission::deploy},
       .environments = {{"preview", "staging"}},
       .deploys = 10,
       .expires_at = Timestamp(seconds{200}),
       .label = "first"},
      {.id = "tok_b",
       .projects = {{"shop", "till"}},
       .actions = PermissionSet{Permission::read, Permission::promote},
       .environments = {{"beta", "production"}},
       .deploys = 20,
       .expires_at = Timestamp(seconds{100}),
       .agent = "coder"}};
  const Restriction left = joined(steps);
  EXPECT_EQ(left.projects, std::vector<std::string>{"shop"});
  EXPECT_EQ(left.actions, PermissionSet{Permission::read});
  EXPECT_EQ(left.environments, std::vector<std::string>{"beta"}) << "one of the previews";
  EXPECT_EQ(left.deploys, 10);
  EXPECT_EQ(left.expires_at, Timestamp(seconds{100}));
  EXPECT_EQ(left.label, "first");
  EXPECT_EQ(left.agent, "coder");
  EXPECT_EQ(left.id, "tok_b");
}

TEST(Joined, NothingRestrictsWhereNobodyDid) {
  EXPECT_EQ(joined({}), Restriction{});
  const std::vector<Restriction> apart{{.projects = {{"shop"}}}, {.projects = {{"bank"}}}};
  EXPECT_EQ(joined(apart).projects, std::vector<std::string>{}) << "none, which is not any";
}

}  // namespace
}  // namespace slipway
