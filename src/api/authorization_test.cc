// Walks the whole table of routes as everybody.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "api/testing/api_world.h"

namespace slipway {
namespace {

using testing::ApiWorld;
using testing::code_of;
using testing::json_of;

struct AuthorizationTest : ::testing::Test {
  ApiWorld w;

  // Whether it got past the question of who asks and what they may do.
  static bool admitted(const ApiResponse& response) {
    if (response.status != 401 && response.status != 403) return true;
    const json::value problem = json_of(response);
    const json::value* cause = problem.as_object().if_contains("cause");
    const bool not_permitted = cause != nullptr && *cause == "not_permitted";
    return response.status == 403 && !not_permitted;
  }
  ApiResponse ask(const ApiRoute& route, const std::string& token) {
    return w.call(token, std::string(route.method), std::string(route.path), "{}");
  }
};

TEST_F(AuthorizationTest, EveryRouteAsksWhatItsRowSays) {
  for (const Role role : all_roles) {
    const std::string human = w.token_of("person", role);
    const std::string agent = w.narrowed(human, {.agent = "ci"});
    for (const ApiRoute& route : api_routes()) {
      w.world.clock.advance(std::chrono::minutes{1});  // No speed limit has a say in this.
      const bool has = role_permissions(role).contains(route.permission);
      // Reviving what was never killed and such is refused for what it is, not for who asks.
      EXPECT_EQ(admitted(ask(route, human)), has)
          << route.method << ' ' << route.path << " as " << to_string(role);
      EXPECT_EQ(admitted(ask(route, agent)), has && !never_for_agents.contains(route.permission))
          << route.method << ' ' << route.path << " as an agent that is " << to_string(role);
    }
  }
}

TEST_F(AuthorizationTest, NobodyGetsNothingButTheOpenPages) {
  const std::string human = w.token_of("person", Role::admin);
  const std::string revoked = w.narrowed(human, {});
  const std::string id = testing::id_of(revoked);
  ASSERT_EQ(w.call(human, "DELETE", "/v1/tokens/" + id).status, 200);
  for (const ApiRoute& route : api_routes()) {
    for (const std::string& token : {std::string(), std::string("wrong"), revoked})
      EXPECT_EQ(ask(route, token).status == 401, route.permission != Permission::none)
          << route.method << ' ' << route.path;
  }
}

TEST_F(AuthorizationTest, UploadsOfOtherProjectsAreNotDeployedNorFilled) {
  const std::string admin = w.token_of("person", Role::admin);
  const std::string narrow = w.narrowed(admin, {.projects = {{"shop"}}});
  const std::string upload = w.world.upload("bank", {{"index.html", "x"}}).str();
  EXPECT_EQ(w.call(narrow, "PUT", "/v1/uploads/" + upload + "/pack", "x").status, 404);
  const std::string body = fmt::format(R"({{"upload":"{}","project":"shop"}})", upload);
  EXPECT_EQ(w.call(narrow, "POST", "/v1/deployments", body).status, 404);
  EXPECT_EQ(w.call(narrow, "POST", "/v1/plan", body).status, 404);
  EXPECT_EQ(w.call(narrow, "POST", "/v1/uploads", R"({"project":"bank","manifest":""})").status,
            403);
}

TEST_F(AuthorizationTest, AnotherCallerGetsNoAnswerByRepeatingAKey) {
  const std::string ann = w.token_of("ann", Role::admin), bob = w.token_of("bob", Role::admin);
  const HttpHeaders key{{"Idempotency-Key", "k1"}};
  const std::string body = R"({"label":"laptop"})";
  const ApiResponse first = w.call(ann, "POST", "/v1/tokens", body, key);
  ASSERT_EQ(first.status, 201);
  const ApiResponse again = w.call(ann, "POST", "/v1/tokens", body, key);
  EXPECT_EQ(json_of(again).at("id"), json_of(first).at("id"));
  const ApiResponse other = w.call(bob, "POST", "/v1/tokens", body, key);
  EXPECT_NE(json_of(other).at("id"), json_of(first).at("id"));
}

TEST_F(AuthorizationTest, TokensAreShownWhenMadeAndNeverAgain) {
  const std::string ann = w.token_of("ann", Role::admin);
  const ApiResponse made =
      w.call(ann, "POST", "/v1/tokens", R"({"agent":"ci","deploys":2,"ttl_ms":60000})");
  const std::string text(json_of(made).at("token").as_string());
  EXPECT_EQ(find_header(made.headers, "Cache-Control"), "no-store");
  EXPECT_EQ(w.call(text, "GET", "/v1/whoami").status, 200);
  for (const std::string& token : {ann, text})
    for (const ApiRoute& route : api_routes()) {
      if (route.method != "GET") continue;
      const ApiResponse response = ask(route, token);
      if (const auto* body = std::get_if<std::string>(&response.body))
        for (const std::string& secret : {text, ann})
          EXPECT_EQ(body->find(secret.substr(secret.rfind('.') + 1)), std::string::npos)
              << route.path;
    }
  const json::value me = json_of(w.call(text, "GET", "/v1/whoami"));
  EXPECT_EQ(me.at("actor").at("kind").as_string(), "agent");
  EXPECT_EQ(me.at("actor").at("on_behalf_of").as_string(), "ann");
  EXPECT_EQ(me.at("deploys_left").as_int64(), 2);
}

TEST_F(AuthorizationTest, ATeamsAdminMakesNobodyOfAnotherTeam) {
  ASSERT_TRUE(w.stores().identity->create_team({}, "makers"));
  const std::string maker = w.token_of("ann", Role::admin, "makers");
  const std::string role = R"({"role":"admin"})";
  EXPECT_EQ(w.call(maker, "POST", "/v1/teams/default/members/ann", role).status, 403);
  EXPECT_EQ(w.call(maker, "POST", "/v1/teams/makers/members/eve", role).status, 200);
  std::ignore = w.token_of("bob", Role::viewer);
  EXPECT_EQ(w.call(maker, "POST", "/v1/tokens", R"({"member":"bob","team":"default"})").status,
            403);
  EXPECT_EQ(w.call(maker, "POST", "/v1/tokens", R"({"member":"eve"})").status, 201);
  EXPECT_EQ(w.call_at(maker, "POST", "/v1/agents/ci/kill", {{"team", "default"}}).status, 403);
}

TEST_F(AuthorizationTest, ANarrowTokenMakesNoWideOne) {
  const std::string admin = w.token_of("ann", Role::admin);
  for (const Restriction& restriction :
       {Restriction{.projects = {{"shop"}}}, Restriction{.deploys = 1},
        Restriction{.expires_at = w.world.clock.now() + std::chrono::hours{1}},
        Restriction{.agent = "ci"}}) {
    const std::string narrow = w.narrowed(admin, restriction);
    EXPECT_EQ(w.call(narrow, "POST", "/v1/tokens", R"({"member":"ann"})").status, 403);
    EXPECT_EQ(w.call(narrow, "POST", "/v1/teams/default/members/eve", R"({"role":"admin"})").status,
              403);
  }
}

TEST_F(AuthorizationTest, TooManyRequestsSayWhenToComeAgain) {
  const std::string agent = w.narrowed(w.token_of("ann", Role::viewer), {.agent = "ci"});
  ApiResponse response;
  for (int i = 0; i < 400 && response.status != 429; ++i)
    response = w.call(agent, "GET", "/v1/whoami");
  ASSERT_EQ(response.status, 429);
  EXPECT_EQ(code_of(response), "rate_limited");
  const auto wait = find_header(response.headers, "Retry-After");
  ASSERT_TRUE(wait);
  EXPECT_GE(std::stoi(std::string(*wait)), 1);
  w.world.clock.advance(std::chrono::seconds{std::stoi(std::string(*wait))});
  EXPECT_EQ(w.call(agent, "GET", "/v1/whoami").status, 200);
}

TEST_F(AuthorizationTest, DeploysEndWithTheTokensNumber) {
  const std::string text = w.narrowed(w.token_of("ann", Role::deployer), {.deploys = 1});
  const std::string body =
      fmt::format(R"({{"upload":"{}"}})", w.world.upload("shop", {{"index.html", "x"}}).str());
  // A refused one takes none.
  EXPECT_EQ(w.call(text, "POST", "/v1/deployments", R"({"upload":"upl_aaaaaaaaaa"})").status, 404);
  const ApiResponse made = w.call(text, "POST", "/v1/deployments", body);
  ASSERT_EQ(made.status, 202) << std::get<std::string>(made.body);
  EXPECT_EQ(code_of(w.call(text, "POST", "/v1/deployments", body)), "over_budget");
  std::ignore = w.world.settled(DeploymentId::parse(json_of(made).at("id").as_string()).value());
}

TEST_F(AuthorizationTest, KillingAnAgentRemovesItsPreviewsAndLeavesProduction) {
  const std::string ann = w.token_of("ann", Role::admin);
  const std::string agent = w.narrowed(ann, {.agent = "coder"});
  const auto deploy = [&](const std::string& token, const std::string& alias) {
    const std::string body =
        fmt::format(R"({{"upload":"{}","alias":"{}"}})",
                    w.world.upload("shop", {{"index.html", alias}}).str(), alias);
    const ApiResponse made = w.call(token, "POST", "/v1/deployments", body);
    EXPECT_EQ(made.status, 202) << std::get<std::string>(made.body);
    return w.world.settled(DeploymentId::parse(json_of(made).at("id").as_string()).value()).id;
  };
  const DeploymentId preview = deploy(agent, "beta"), production = deploy(agent, "delta"),
                     other = deploy(ann, "gamma");
  EXPECT_EQ(w.world.live(w.stores().repository->get(production).value()).state, RolloutState::done);
  const ApiResponse killed = w.call(ann, "POST", "/v1/agents/coder/kill");
  ASSERT_EQ(killed.status, 200);
  EXPECT_EQ(json_of(killed).at("removed").as_array().size(), 1u);
  EXPECT_EQ(w.call(agent, "GET", "/v1/whoami").status, 401);
  const auto state = [&](const DeploymentId& id) { return w.stores().repository->get(id)->state; };
  EXPECT_EQ(state(preview), DeploymentState::deleted);
  EXPECT_EQ(state(production), DeploymentState::ready);
  EXPECT_EQ(state(other), DeploymentState::ready);
  EXPECT_EQ(w.call(ann, "POST", "/v1/undo", fmt::format(R"({{"deployment":"{}"}})", preview.str()))
                .status,
            200);
  EXPECT_EQ(state(preview), DeploymentState::ready);
}

TEST_F(AuthorizationTest, ATeamsKillLeavesWhatTheAgentMadeInAProjectThatAnotherTeamHasNow) {
  IdentityStore& identity = *w.stores().identity;
  ASSERT_TRUE(identity.create_team({}, "makers"));
  ASSERT_TRUE(identity.give_project({}, "makers", "site"));
  const std::string maker = w.token_of("eve", Role::admin, "makers"),
                    ann = w.token_of("ann", Role::admin);
  const std::string agent = w.narrowed(maker, {.agent = "coder"});
  const std::string body =
      fmt::format(R"({{"upload":"{}"}})", w.world.upload("site", {{"index.html", "x"}}).str());
  const ApiResponse made = w.call(agent, "POST", "/v1/deployments", body);
  ASSERT_EQ(made.status, 202) << std::get<std::string>(made.body);
  const DeploymentId id =
      w.world.settled(DeploymentId::parse(json_of(made).at("id").as_string()).value()).id;
  const auto state = [&] { return w.stores().repository->get(id)->state; };
  ASSERT_EQ(state(), DeploymentState::ready);
  ASSERT_TRUE(identity.give_project({}, "default", "site"));

  const ApiResponse killed = w.call(maker, "POST", "/v1/agents/coder/kill");
  ASSERT_EQ(killed.status, 200);
  EXPECT_TRUE(json_of(killed).at("removed").as_array().empty());
  EXPECT_EQ(state(), DeploymentState::ready);
  EXPECT_EQ(w.call(agent, "GET", "/v1/whoami").status, 401);
  EXPECT_EQ(w.call_at(ann, "POST", "/v1/agents/coder/kill", {{"team", "makers"}}).status, 200);
  EXPECT_EQ(state(), DeploymentState::deleted);
}

// docs/routes.md is this table. SLIPWAY_ACCEPT=1 writes it.
TEST(Docs, ShowEveryRouteWithWhatItNeeds) {
  std::string table =
      "# What each route needs\n\nWritten by `SLIPWAY_ACCEPT=1 api_test` from the table that "
      "dispatches; what a permission is, and who has it, is in [identity.md](identity.md). "
      "*Touches*: "
      "whose project and environment the token must reach, looked up before the route does "
      "anything. *The server*: only for tokens that are narrowed to no project and no environment, "
      "of a member of the team `default`; what is about no project (policies, some approvals) is "
      "the server's too.\n\n"
      "| method | path | permission | touches | roles | agents |\n|---|---|---|---|---|---|\n";
  for (const ApiRoute& route : api_routes()) {
    std::string roles;
    for (const Role role : all_roles)
      if (role_permissions(role).contains(route.permission))
        roles += fmt::format("{}{}", roles.empty() ? "" : ", ", to_string(role));
    const bool open = route.permission == Permission::none;
    table += fmt::format("| {} | `{}` | {} | {} | {} | {} |\n", route.method, route.path,
                         to_string(route.permission), to_string(route.touches),
                         open ? "everybody, without a token" : roles,
                         open                                          ? ""
                         : never_for_agents.contains(route.permission) ? "never"
                                                                       : "yes");
  }
  const std::string file = std::string(SLIPWAY_SOURCE_DIR) + "/docs/routes.md";
  if (std::getenv("SLIPWAY_ACCEPT") != nullptr) std::ofstream(file) << table;
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), table) << "accept it with SLIPWAY_ACCEPT=1";
}

}  // namespace
}  // namespace slipway
