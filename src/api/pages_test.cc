#include "api/pages.h"

#include <gtest/gtest.h>

#include <set>

#include "api/testing/api_world.h"

namespace slipway {
namespace {

using testing::ApiWorld;
using testing::json_of;

TEST(Pages, OfEachListHaveEverythingOnce) {
  ApiWorld w;
  const std::string admin = w.token_of("person", Role::admin);
  for (const char* name : {"alpha", "beta", "gamma", "delta"}) {
    ASSERT_TRUE(w.stores().identity->create_team({}, name));
    ASSERT_TRUE(w.stores().identity->give_project({}, "default", fmt::format("{}-app", name)));
    EXPECT_EQ(w.call(admin, "POST", "/v1/domains",
                     fmt::format(R"({{"project":"{0}-app","name":"{0}.example"}})", name))
                  .status,
              201);
    EXPECT_EQ(w.call(w.narrowed(admin, {.agent = name}), "GET", "/v1/whoami").status, 200);
  }
  for (const auto& [path, list, member, least] :
       std::vector<std::tuple<std::string, std::string, std::string, std::size_t>>{
           {"/v1/teams", "teams", "name", 5},
           {"/v1/projects", "projects", "name", 4},
           {"/v1/domains", "domains", "name", 4},
           {"/v1/agents", "agents", "name", 4},
           {"/v1/tokens", "tokens", "path", 5}}) {
    const json::value whole = json_of(w.call_at(admin, "GET", path, {{"limit", "1000"}}));
    EXPECT_TRUE(whole.at("next_cursor").is_null()) << path;
    EXPECT_GE(whole.at(list).as_array().size(), least) << path;
    std::vector<std::string> seen;
    for (std::string cursor;;) {
      const json::value page =
          json_of(w.call_at(admin, "GET", path, {{"limit", "2"}, {"cursor", cursor}}));
      EXPECT_LE(page.at(list).as_array().size(), 2u);
      for (const json::value& each : page.at(list).as_array())
        seen.emplace_back(each.at(member).as_string());
      if (page.at("next_cursor").is_null()) break;
      cursor = page.at("next_cursor").as_string();
      ASSERT_LT(seen.size(), 100u) << path << " does not end";
    }
    EXPECT_EQ(seen.size(), whole.at(list).as_array().size()) << path;
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), seen.size()) << path;
    for (const char* limit : {"x", "-1", "1001"})
      EXPECT_EQ(w.call_at(admin, "GET", path, {{"limit", limit}}).status, 400) << path << limit;
  }
}

TEST(Pages, OfTokensSayWhatIsLeftTogetherWithThoseTheyCameFrom) {
  ApiWorld w;
  const std::string admin = w.token_of("person", Role::deployer);
  const std::string one = w.narrowed(
      admin,
      {.projects = {{"shop"}}, .actions = PermissionSet{Permission::read, Permission::deploy}});
  const std::string two = w.narrowed(one, {.environments = {{"preview"}}, .agent = "coder"});
  ASSERT_EQ(w.call(two, "GET", "/v1/whoami").status, 200);
  for (const std::string& who : {admin, two}) {
    const json::value all = json_of(w.call(who, "GET", "/v1/tokens"));
    bool found = false;
    for (const json::value& each : all.at("tokens").as_array()) {
      if (each.at("id").as_string() != testing::id_of(two)) continue;
      found = true;
      EXPECT_TRUE(each.at("projects").is_null()) << "its own narrowing";
      const json::value& left = each.at("effective");
      EXPECT_EQ(left.at("projects"), (json::array{"shop"}));
      EXPECT_EQ(left.at("environments"), (json::array{"preview"}));
      EXPECT_EQ(left.at("actions"), (json::array{"read", "deploy"}));
    }
    EXPECT_TRUE(found);
  }
}

}  // namespace
}  // namespace slipway
