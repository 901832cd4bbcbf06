#include "identity/principal.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/ids.h"

namespace slipway {
namespace {

Principal somebody(Role role) {
  return {.actor = {.kind = "human", .name = "ann", .chain = {"human:ann"}, .token = "tok_a"},
          .role = role,
          .path = "tok_a"};
}

Principal narrowed(Role role, Restriction restriction) {
  Principal out = somebody(role);
  restriction.id = TokenId::random().str();
  apply_narrowing(out, restriction);
  return out;
}

TEST(Permits, AnAgentNeverDoesWhatTakesAHumanWhateverItsRole) {
  for (const Role role : all_roles) {
    const Principal agent = narrowed(role, {.agent = "ci"});
    for (const Permission permission : all_permissions) {
      const bool human_only = never_for_agents.contains(permission);
      if (human_only) EXPECT_FALSE(permits(agent, permission)) << to_string(permission);
      EXPECT_EQ(permits(agent, permission).has_value(), agent.permissions().contains(permission));
    }
  }
  for (const Permission permission :
       {Permission::approve, Permission::waive, Permission::policy_write, Permission::budget_write,
        Permission::break_glass})
    EXPECT_TRUE(never_for_agents.contains(permission));
}

TEST(Permits, AnActorOfUnknownKindIsNoHuman) {
  Principal odd = somebody(Role::admin);
  odd.actor.kind = "Human";
  EXPECT_FALSE(permits(odd, Permission::approve));
}

TEST(Permits, EveryRefusalExplainsItself) {
  const Status refused = permits(somebody(Role::viewer), Permission::deploy);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
  EXPECT_EQ(info(refused.error().code).exit_code, 77);
  EXPECT_EQ(refused.error().cause, "not_permitted");
  EXPECT_NE(refused.error().hint.find("deployer"), std::string::npos);
  EXPECT_FALSE(refused.error().next.empty());
}

TEST(Permits, AProjectAndAnEnvironmentMustBeAllowedByEveryNarrowing) {
  Principal agent = narrowed(Role::deployer, {.projects = {{"shop", "blog"}}});
  EXPECT_TRUE(permits(agent, Permission::deploy, "shop", "production"));
  EXPECT_FALSE(permits(agent, Permission::deploy, "docs"));
  EXPECT_FALSE(agent.reaches_all());
  apply_narrowing(agent,
                  {.id = "tok_b", .projects = {{"blog", "docs"}}, .environments = {{"preview"}}});
  EXPECT_FALSE(permits(agent, Permission::deploy, "shop"));
  EXPECT_FALSE(permits(agent, Permission::deploy, "docs"));
  EXPECT_TRUE(permits(agent, Permission::deploy, "blog", "beta"));
  EXPECT_FALSE(permits(agent, Permission::deploy, "blog", "production"));
  EXPECT_FALSE(permits(agent, Permission::deploy, "blog", "staging"));
}

TEST(Permits, ANarrowedTokenMakesNoMembers) {
  EXPECT_TRUE(permits(somebody(Role::admin), Permission::team_manage));
  EXPECT_FALSE(permits(narrowed(Role::admin, {.deploys = 3}), Permission::team_manage));
}

TEST(Narrowing, TellsOnWhoseBehalfAnAgentActs) {
  Principal agent = narrowed(Role::admin, {.agent = "ci", .session = "s1"});
  apply_narrowing(agent, {.id = "tok_c", .agent = "helper", .task = "t1"});
  EXPECT_EQ(agent.actor.kind, "agent");
  EXPECT_EQ(agent.actor.name, "helper");
  EXPECT_EQ(agent.actor.on_behalf_of, "ann");
  EXPECT_EQ(agent.actor.chain, (std::vector<std::string>{"human:ann", "agent:ci", "agent:helper"}));
  EXPECT_EQ(agent.actor.session, "s1");
  EXPECT_EQ(agent.actor.task, "t1");
  EXPECT_EQ(agent.actor.token, "tok_c");
}

TEST(Permission, EveryNameReadsBack) {
  for (const Permission permission : all_permissions)
    EXPECT_EQ(parse_permission(to_string(permission)), permission);
  for (const Role role : all_roles) EXPECT_EQ(parse_role(to_string(role)), role);
  EXPECT_FALSE(parse_permission("sudo"));
  EXPECT_EQ(parse_permissions(to_string(PermissionSet::all())), PermissionSet::all());
}

// The rows of docs/identity.md, as code has them. SLIPWAY_ACCEPT is for goldens; here one copies
// the table that the failure prints.
std::string table() {
  std::string out =
      "| permission | viewer | deployer | approver | admin | agents |\n"
      "|---|---|---|---|---|---|\n";
  for (const Permission permission : all_permissions) {
    if (permission == Permission::none) continue;
    out += "| `" + std::string(to_string(permission)) + "` |";
    for (const Role role : all_roles)
      out += role_permissions(role).contains(permission) ? " yes |" : " |";
    out += never_for_agents.contains(permission) ? " never |\n" : " as the role |\n";
  }
  return out;
}

TEST(Docs, ShowTheRolesAsTheCodeHasThem) {
  std::ifstream file(std::string(SLIPWAY_SOURCE_DIR) + "/docs/identity.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find(table()), std::string::npos) << "docs/identity.md must show:\n"
                                                         << table();
}

}  // namespace
}  // namespace slipway
