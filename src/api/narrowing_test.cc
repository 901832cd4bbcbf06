// Walks the whole table of routes with tokens that are narrowed, against objects outside of what
// they are narrowed to.
#include <gtest/gtest.h>

#include <map>

#include "api/server_start.h"
#include "api/testing/api_world.h"

namespace slipway {
namespace {

using testing::ApiWorld;
using testing::json_of;

// One of each thing that a route may name, all of production of the project "bank".
struct Objects {
  std::string project = "bank", environment = "production";
  std::map<Touches, std::string> ids;
  std::string upload;

  [[nodiscard]] bool contains(std::string_view text) const {
    return std::ranges::any_of(ids, [&](const auto& each) {
      return each.first != Touches::record && text.contains(each.second);
    });
  }
};

struct NarrowingTest : ::testing::Test {
  ApiWorld w;
  const std::string admin = w.token_of("person", Role::admin);

  static bool refused(const ApiResponse& response) {
    if (response.status != 403) return false;
    const json::value problem = json_of(response);
    const json::value* cause = problem.as_object().if_contains("cause");
    return cause != nullptr && *cause == "not_permitted";
  }
  // An object of the same kind that does not exist.
  static std::string nothing_of(Touches touches) {
    switch (touches) {
      case Touches::deployment:
        return DeploymentId::random().str();
      case Touches::upload:
        return UploadId::random().str();
      case Touches::rollout:
        return RolloutId::random().str();
      case Touches::approval:
        return ApprovalId::random().str();
      case Touches::waiver:
        return WaiverId::random().str();
      case Touches::emergency:
        return BreakGlassId::random().str();
      case Touches::decision:
        return DecisionId::random().str();
      case Touches::domain:
        return "nobody.example";
      case Touches::record:
        return "4000000";
      default:
        return "";
    }
  }
  // The same answer, but for the name that was asked for.
  static bool answers_alike(const ApiResponse& one, const std::string& its_name,
                            const ApiResponse& other, const std::string& others_name) {
    const auto text = [](const ApiResponse& response, const std::string& name) {
      std::string out = std::get<std::string>(response.body);
      for (std::size_t at = 0; (at = out.find(name, at)) != std::string::npos;)
        out.replace(at, name.size(), "?");
      return out;
    };
    return one.status == 404 && other.status == 404 &&
           text(one, its_name) == text(other, others_name);
  }
  std::string made(const std::string& path, const std::string& body, std::string_view member) {
    const ApiResponse response = w.call(admin, "POST", path, body);
    EXPECT_EQ(response.status, 201) << path << std::get<std::string>(response.body);
    return std::string(json_of(response).at(member).as_string());
  }

  Objects make_objects() {
    Objects out;
    const Deployment deployment = w.world.deploy("bank", {{"index.html", "<h1>money</h1>"}});
    const Rollout rollout = w.world.live(deployment);
    out.upload = w.world.upload("bank", {{"index.html", "x"}}).str();
    GovernanceStore& governance = *w.stores().governance;
    const Timestamp now = w.world.clock.now(), later = now + std::chrono::days{300};
    const ApprovalRequest approval{.id = ApprovalId::random(),
                                   .action = "promote",
                                   .resource = "deployment/" + deployment.id.str(),
                                   .project = "bank",
                                   .environment = "production",
                                   .point = DecisionPoint::promote,
                                   .created_at = now,
                                   .expires_at = later};
    EXPECT_TRUE(governance.add(AuditContext{}, approval));
    const Waiver waiver{.id = WaiverId::random(),
                        .state = "requested",
                        .rule = "r",
                        .project = "bank",
                        .created_at = now,
                        .expires_at = later};
    EXPECT_TRUE(governance.add({}, waiver));
    const BreakGlass emergency{.id = BreakGlassId::random(),
                               .project = "bank",
                               .reason = "x",
                               .created_at = now,
                               .expires_at = later};
    EXPECT_TRUE(governance.add({}, emergency));
    out.ids = {{Touches::deployment, deployment.id.str()},
               {Touches::upload, out.upload},
               {Touches::rollout, rollout.id.str()},
               {Touches::approval, approval.id.str()},
               {Touches::waiver, waiver.id.str()},
               {Touches::emergency, emergency.id.str()},
               {Touches::alert,
                made("/v1/projects/bank/alerts",
                     R"({"url":"https://hooks.example/","environment":"production"})", "id")},
               {Touches::domain,
                made("/v1/domains", R"({"project":"bank","name":"bank.example"})", "name")},
               {Touches::decision, promotion_decision()}};
    for (const json::value& record :
         json_of(w.call(admin, "GET", "/v1/audit")).at("records").as_array())
      if (const json::value* at = record.as_object().if_contains("environment");
          at != nullptr && *at == "production" && record.at("project") == "bank")
        out.ids[Touches::record] = std::to_string(record.at("seq").to_number<std::int64_t>());
    EXPECT_TRUE(out.ids.contains(Touches::record));
    return out;
  }
  std::string promotion_decision() {
    for (const json::value& decision :
         json_of(w.call(admin, "GET", "/v1/decisions")).at("decisions").as_array())
      if (decision.at("environment") == "production")
        return std::string(decision.at("id").as_string());
    ADD_FAILURE() << "no decision about production";
    return "";
  }

  // A body that names the objects' project and environment, for what reads it from there.
  static std::string body_for(const ApiRoute& route, const Objects& objects) {
    const std::map<std::string_view, std::string> bodies{
        {"openUpload", R"({"project":"bank","manifest":""})"},
        {"plan", fmt::format(R"({{"upload":"{}"}})", objects.upload)},
        {"createDeployment",
         fmt::format(R"({{"upload":"{}","promote_to":"production"}})", objects.upload)},
        {"undo", fmt::format(R"({{"deployment":"{}"}})", objects.ids.at(Touches::deployment))},
        {"tryDecision", R"({"point":"promote","project":"bank","environment":"production"})"},
        {"createWaiver", R"({"rule":"r","project":"bank","reason":"x","for_s":60})"},
        {"declareEmergency", R"({"project":"bank","reason":"x"})"},
        {"addDomain", R"({"project":"bank","name":"other.example"})"},
        {"addAlert", R"({"url":"https://hooks.example/x","environment":"production"})"},
        {"shareVolumes", R"({"from":"production"})"}};
    const auto found = bodies.find(route.operation);
    if (route.touches == Touches::body || route.touches == Touches::new_body)
      EXPECT_NE(found, bodies.end()) << route.operation << ": say what its body would name";
    return found == bodies.end() ? R"({"version":1})" : found->second;
  }
  static std::string path_for(const ApiRoute& route, const Objects& objects) {
    std::string path(route.path);
    const auto put = [&](std::string_view name, const std::string& value) {
      if (const auto at = path.find(name); at != std::string::npos)
        path.replace(at, name.size(), value);
    };
    const auto id = objects.ids.find(route.touches);
    put("{project}", objects.project);
    put("{environment}", objects.environment);
    put("{team}", "default");
    for (const std::string_view name : {"{ref}", "{id}", "{name}", "{seq}"})
      put(name, id == objects.ids.end() ? "tok_aaaaaaaaaa" : id->second);
    return path;
  }
  // What a token must not do, by what the route touches and how the token is narrowed.
  enum class Outside { project, environment };
  static bool must_refuse(const ApiRoute& route, Outside outside) {
    switch (route.touches) {
      case Touches::nothing:
      case Touches::self:
      case Touches::caller:
      case Touches::listed:
        return false;
      case Touches::team:
        return true;  // No narrowed token manages teams, nor one of another team.
      case Touches::upload:
        return outside == Outside::project;
      case Touches::project:
      case Touches::new_project:
        // Without a word on environments it leaves out those that the token is not for.
        return outside == Outside::project || route.method != "GET";
      case Touches::new_body:
        return outside == Outside::project ||
               (route.operation != "openUpload" && route.operation != "plan");
      case Touches::deployment:
        return outside == Outside::project;  // previews
      case Touches::body:
        return outside == Outside::project || route.operation != "undo";
      default:
        return true;
    }
  }
  void walk(const std::string& token, Outside outside, const Objects& objects) {
    for (const ApiRoute& route : api_routes()) {
      w.world.clock.advance(std::chrono::minutes{1});  // No speed limit has a say in this.
      const std::string path = path_for(route, objects);
      const ApiResponse response =
          w.call(token, std::string(route.method), path, body_for(route, objects));
      const auto* text = std::get_if<std::string>(&response.body);
      const std::string said = text ? *text : "a stream";
      const std::string nothing = nothing_of(route.touches);
      if (outside == Outside::project && !nothing.empty()) {
        Objects others = objects;
        others.ids[route.touches] = nothing;
        const ApiResponse other = w.call(token, std::string(route.method), path_for(route, others),
                                         body_for(route, objects));
        EXPECT_TRUE(answers_alike(response, objects.ids.at(route.touches), other, nothing))
            << route.method << ' ' << path << ' ' << said << " not as "
            << std::get<std::string>(other.body);
      } else if (must_refuse(route, outside))
        EXPECT_TRUE(refused(response) || (outside == Outside::project && response.status == 404))
            << route.method << ' ' << path << ' ' << response.status << ' ' << said;
      // What it answers to, whatever the route, has nothing of what is outside.
      else if (outside == Outside::project)
        EXPECT_FALSE(objects.contains(said)) << route.method << ' ' << path << ' ' << said;
      else
        for (const Touches of : {Touches::rollout, Touches::approval, Touches::alert,
                                 Touches::domain, Touches::decision})
          EXPECT_FALSE(said.contains(objects.ids.at(of))) << route.method << ' ' << path << said;
    }
  }
};

TEST_F(NarrowingTest, ATokenForOneProjectReachesNothingOfAnother) {
  const Objects objects = make_objects();
  walk(w.narrowed(admin, {.projects = {{"shop"}}}), Outside::project, objects);
}

TEST_F(NarrowingTest, ATokenForPreviewsReachesNothingOfProduction) {
  const Objects objects = make_objects();
  walk(w.narrowed(admin, {.environments = {{"preview"}}}), Outside::environment, objects);
  // Nor does one that came of it and says less.
  walk(w.narrowed(w.narrowed(admin, {.environments = {{"preview"}}}), {.label = "x"}),
       Outside::environment, objects);
}

TEST_F(NarrowingTest, AMemberOfAnotherTeamReachesNothingOfTheServers) {
  const Objects objects = make_objects();
  ASSERT_TRUE(w.stores().identity->create_team({}, "makers"));
  walk(w.token_of("ann", Role::admin, "makers"), Outside::project, objects);
  EXPECT_EQ(w.stores().governance->waivers("requested", "bank")->size(), 1u);
}

TEST_F(NarrowingTest, WhatIsAnotherTeamsIsNeitherToldByBodiesNorByStartsOfIdsNorByCursors) {
  const Objects objects = make_objects();
  ASSERT_TRUE(w.stores().identity->create_team({}, "makers"));
  const std::string maker = w.token_of("ann", Role::admin, "makers");
  ASSERT_TRUE(w.stores().identity->give_project({}, "makers", "shop"));
  const Deployment own = w.world.deploy("shop", {{"index.html", "x"}});
  const auto said = [&](std::string path, std::string body) {
    const ApiResponse response = w.call(maker, "POST", std::move(path), std::move(body));
    return fmt::format("{} {}", response.status, std::get<std::string>(response.body));
  };
  const std::vector<std::array<std::string, 4>> bodies{
      {"/v1/deployments", R"({"upload":"?"})", objects.upload, UploadId::random().str()},
      {"/v1/plan", R"({"upload":"?"})", objects.upload, UploadId::random().str()},
      {"/v1/undo", R"({"deployment":"?"})", objects.ids.at(Touches::deployment),
       DeploymentId::random().str()},
      {"/v1/policy/test", R"({"decision":"?"})", objects.ids.at(Touches::decision),
       DecisionId::random().str()},
      {"/v1/policy/test", R"({"point":"promote","deployment":"?"})",
       objects.ids.at(Touches::deployment), DeploymentId::random().str()},
      {"/v1/policy/test", R"({"point":"promote","project":"?"})", "bank", "bonk"},
      {"/v1/break-glass", R"({"project":"?","reason":"x"})", "bank", "bonk"},
      {"/v1/projects/shop/environments/production/promotions", R"({"deployment":"?"})",
       objects.ids.at(Touches::deployment), DeploymentId::random().str()}};
  const auto put = [](std::string in, std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = in.find(from, at)) != std::string::npos; at += to.size())
      in.replace(at, from.size(), to);
    return in;
  };
  for (const auto& [path, body, theirs, nobodys] : bodies)
    EXPECT_EQ(put(said(path, put(body, "?", theirs)), theirs, "?"),
              put(said(path, put(body, "?", nobodys)), nobodys, "?"))
        << path << body;
  for (const std::string path : {"/v1/projects/?/alerts", "/v1/projects/?/environments"}) {
    const ApiResponse theirs = w.call(maker, "GET", put(path, "?", "bank")),
                      nobodys = w.call(maker, "GET", put(path, "?", "bonk"));
    EXPECT_EQ(theirs.status, nobodys.status);
    EXPECT_EQ(put(std::get<std::string>(theirs.body), "bank", "bonk"),
              std::get<std::string>(nobodys.body));
  }
  // The start of an id means one's own, whatever else begins like it; a name of another's nothing.
  for (std::size_t length = 1; length < own.id.tail().size(); ++length)
    EXPECT_EQ(
        w.call(maker, "GET", fmt::format("/v1/deployments/{}", own.id.tail().substr(0, length)))
            .status,
        200);
  for (const std::string& name :
       {std::string("bank"), objects.ids.at(Touches::deployment).substr(4, 6)})
    EXPECT_EQ(
        put(std::get<std::string>(w.call(maker, "GET", "/v1/deployments/" + name).body), name, "?"),
        put(std::get<std::string>(w.call(maker, "GET", "/v1/deployments/bonk").body), "bonk", "?"));
  // A page ends where what one may see ends.
  for (const auto& [path, list] :
       std::vector<std::pair<std::string, std::string>>{{"/v1/deployments", "deployments"},
                                                        {"/v1/decisions", "decisions"},
                                                        {"/v1/waivers", "waivers"},
                                                        {"/v1/break-glass", "emergencies"},
                                                        {"/v1/approvals", "approvals"}})
    for (const std::string& project : {std::string("bank"), std::string("bonk"), std::string()}) {
      const json::value page =
          json_of(w.call_at(maker, "GET", path, {{"project", project}, {"limit", "1"}}));
      if (project.empty() && list == "decisions") continue;  // The caller has some.
      EXPECT_TRUE(page.at("next_cursor").is_null()) << path;
      if (!project.empty()) EXPECT_TRUE(page.at(list).as_array().empty());
    }
  EXPECT_EQ(json_of(w.call_at(maker, "GET", "/v1/deployments", {{"limit", "1"}}))
                .at("deployments")
                .as_array()
                .size(),
            1u);
}

TEST_F(NarrowingTest, ATokenForSomeActionsDoesNoOther) {
  const Objects objects = make_objects();
  for (const Permission allowed : {Permission::read, Permission::approve, Permission::deploy}) {
    const std::string token = w.narrowed(admin, {.actions = PermissionSet{allowed}});
    for (const ApiRoute& route : api_routes()) {
      if (route.permission == Permission::none || route.permission == allowed) continue;
      if (route.touches == Touches::self) {
        EXPECT_EQ(w.call(token, "GET", path_for(route, objects)).status, 200) << route.path;
        continue;
      }
      w.world.clock.advance(std::chrono::minutes{1});
      EXPECT_TRUE(refused(w.call(token, std::string(route.method), path_for(route, objects),
                                 body_for(route, objects))))
          << to_string(allowed) << ' ' << route.operation;
    }
    // A vote for a waiver or an emergency is not one for an approval.
    for (const Touches what : {Touches::waiver, Touches::emergency})
      EXPECT_TRUE(
          refused(w.call(token, "POST", "/v1/approvals/" + objects.ids.at(what) + "/approve")));
  }
}

TEST_F(NarrowingTest, TheObjectsAreThereForWhoReachesThem) {
  const Objects objects = make_objects();
  for (const ApiRoute& route : api_routes()) {
    if (route.method != "GET" || !objects.ids.contains(route.touches)) continue;
    const ApiResponse response = w.call(admin, "GET", path_for(route, objects));
    EXPECT_EQ(response.status, 200) << route.path;
  }
}

TEST_F(NarrowingTest, RequestsAboutNoProjectAreTheServersToSeeAndToVote) {
  GovernanceStore& governance = *w.stores().governance;
  const ApprovalRequest request{
      .id = ApprovalId::random(),
      .action = "policy",
      .resource = "policy/sha256:0",
      .point = DecisionPoint::policy,
      .requester = {.kind = "human", .name = "eve", .chain = {"human:eve"}},
      .needs = {{.rule = "policy-weakened", .need = 1, .roles = {"admin"}}},
      .created_at = w.world.clock.now(),
      .expires_at = w.world.clock.now() + std::chrono::hours{1}};
  ASSERT_TRUE(governance.add(AuditContext{}, request));
  ASSERT_TRUE(w.stores().identity->create_team({}, "makers"));
  const std::string path = "/v1/approvals/" + request.id.str();
  for (const std::string& token :
       {w.token_of("xavier", Role::admin, "makers"), w.narrowed(admin, {.projects = {{"shop"}}}),
        w.narrowed(admin, {.environments = {{"preview"}}})}) {
    EXPECT_EQ(w.call(token, "POST", path + "/approve").status, 404);
    EXPECT_EQ(w.call(token, "POST", path + "/reject").status, 404);
    EXPECT_EQ(w.call(token, "GET", path).status, 404);
    EXPECT_FALSE(std::get<std::string>(w.call(token, "GET", "/v1/approvals").body)
                     .contains(request.id.str()));
  }
  EXPECT_EQ(governance.approval(request.id)->state, "open");
  EXPECT_EQ(w.call(admin, "POST", path + "/approve").status, 200);
  EXPECT_EQ(governance.approval(request.id)->state, "approved");
}

// Its owner's first release would run with it.
TEST_F(NarrowingTest, WhoeverSpeaksOfANewProjectFirstMakesItInTheirOwnTeam) {
  ASSERT_TRUE(w.stores().identity->create_team({}, "makers"));
  const std::string maker = w.token_of("ann", Role::admin, "makers");
  const std::vector<std::array<std::string, 3>> firsts{
      {"one", "/v1/projects/one/environments/production/env",
       R"({"set":[{"name":"MODE","value":"x"},{"name":"KEY","value":"y","secret":true}]})"},
      {"two", "/v1/projects/two/alerts", R"({"url":"https://hooks.example/"})"},
      {"three", "/v1/domains", R"({"project":"three","name":"three.example"})"},
      {"four", "/v1/projects/four/volumes/share", R"({"from":"production"})"},
      {"five", "/v1/deployments",
       fmt::format(R"({{"upload":"{}"}})", w.world.upload("five", {{"index.html", "x"}}).str())}};
  for (const auto& [project, path, body] : firsts) {
    const ApiResponse response = w.call(maker, "POST", path, body);
    EXPECT_LT(response.status, 300) << path << std::get<std::string>(response.body);
    EXPECT_EQ(w.stores().repository->team_of(project).value(), "makers") << path;
    EXPECT_TRUE(std::get<std::string>(w.call(maker, "GET", "/v1/projects").body)
                    .contains("\"" + project + "\""));
  }
  // What would lie in wait for whoever makes it.
  for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
           {"/v1/waivers", R"({"rule":"r","project":"later","reason":"x","for_s":60})"},
           {"/v1/break-glass", R"({"project":"later","reason":"x"})"}})
    EXPECT_TRUE(refused(w.call(maker, "POST", path, body))) << path;
  // And one that is the server's stays so.
  EXPECT_EQ(w.call(admin, "POST", "/v1/projects/ours/environments/production/env",
                   R"({"set":[{"name":"MODE","value":"x"}]})")
                .status,
            200);
  EXPECT_EQ(w.stores().repository->team_of("ours").value(), "default");
  EXPECT_TRUE(refused(w.call(maker, "POST", "/v1/projects/ours/environments/production/env",
                             R"({"set":[{"name":"MODE","value":"y"}]})")));
}

TEST_F(NarrowingTest, ANameInAnotherTeamIsAnotherPerson) {
  ASSERT_TRUE(w.stores().identity->create_team({}, "makers"));
  const std::string boss = w.token_of("boss", Role::admin),
                    other = w.token_of("boss", Role::admin, "makers");
  // Revoking.
  EXPECT_TRUE(refused(w.call(other, "DELETE", "/v1/tokens/" + testing::id_of(boss))));
  EXPECT_EQ(w.call(boss, "GET", "/v1/whoami").status, 200);
  // What the log says.
  EXPECT_EQ(json_of(w.call(other, "GET", "/v1/whoami")).at("actor").at("name"), "makers/boss");
  EXPECT_EQ(json_of(w.call(boss, "GET", "/v1/whoami")).at("actor").at("name"), "boss");
  const json::value agent =
      json_of(w.call(w.narrowed(other, {.agent = "ci"}), "GET", "/v1/whoami")).at("actor");
  EXPECT_EQ(agent.at("on_behalf_of"), "makers/boss");
  EXPECT_EQ(agent.at("chain").at(0), "human:makers/boss");
  // How fast they may be.
  int spent = 0;
  while (spent < 5000 && w.call(other, "GET", "/v1/whoami").status == 200) ++spent;
  EXPECT_EQ(w.call(other, "GET", "/v1/whoami").status, 429);
  EXPECT_EQ(w.call(boss, "GET", "/v1/whoami").status, 200);
  // Whose approval counts.
  const ApprovalRequest request{
      .id = ApprovalId::random(),
      .action = "policy",
      .resource = "x/y",
      .project = "site",
      .environment = "production",
      .point = DecisionPoint::promote,
      .requester = {.kind = "human", .name = "makers/eve", .chain = {"human:makers/eve"}},
      .needs = {{.rule = "r", .need = 1, .roles = {"admin"}, .people = {"boss"}}},
      .created_at = w.world.clock.now(),
      .expires_at = w.world.clock.now() + std::chrono::hours{24}};
  ASSERT_TRUE(w.stores().identity->give_project({}, "makers", "site"));
  GovernanceStore& governance = *w.stores().governance;
  ASSERT_TRUE(governance.add(AuditContext{}, request));
  w.world.clock.advance(std::chrono::minutes{1});
  const std::string path = "/v1/approvals/" + request.id.str() + "/approve";
  EXPECT_EQ(w.call(other, "POST", path).status, 403);
  EXPECT_EQ(governance.approval(request.id)->state, "open");
  EXPECT_EQ(w.call(boss, "POST", path).status, 200);
}

TEST_F(NarrowingTest, AnAgentOfAnotherTeamIsAnotherAgent) {
  ASSERT_TRUE(w.stores().identity->create_team({}, "makers"));
  const std::string boss = w.token_of("boss", Role::admin),
                    maker = w.token_of("eve", Role::admin, "makers");
  const std::string ours = w.narrowed(boss, {.agent = "coder"}),
                    theirs = w.narrowed(maker, {.agent = "coder"});
  const auto lives = [&](const std::string& token) {
    return w.call(token, "GET", "/v1/whoami").status == 200;
  };
  const json::value actor = json_of(w.call(theirs, "GET", "/v1/whoami")).at("actor");
  EXPECT_EQ(actor.at("name"), "makers/coder");
  EXPECT_EQ(actor.at("chain").at(1), "agent:makers/coder");
  EXPECT_TRUE(lives(ours));
  // What its team sees, and ends.
  EXPECT_EQ(json_of(w.call(maker, "GET", "/v1/agents")).at("agents").as_array().size(), 1u);
  EXPECT_EQ(json_of(w.call(boss, "GET", "/v1/agents")).at("agents").as_array().size(), 2u);
  const auto kill = [&](const std::string& token, const std::string& team) {
    return w.call_at(token, "POST", "/v1/agents/coder/kill", {{"team", team}});
  };
  EXPECT_TRUE(refused(kill(maker, "default")));
  EXPECT_TRUE(refused(kill(w.narrowed(maker, {.projects = {{"x"}}}), "makers")));
  EXPECT_EQ(kill(boss, "nobody").status, 404);
  // What waits for people goes by the name, too.
  const auto actor_of = [](const std::string& agent, const std::string& person) {
    return Actor{.kind = "agent",
                 .name = agent,
                 .on_behalf_of = person,
                 .chain = {"human:" + person, "agent:" + agent}};
  };
  const auto stands = [&](const Actor& who) {
    return standing_of(*w.stores().identity, who, "makers", "admin").has_value();
  };
  EXPECT_EQ(w.call(maker, "POST", "/v1/agents/coder/kill").status, 200);
  EXPECT_FALSE(lives(theirs));
  EXPECT_FALSE(lives(w.narrowed(maker, {.agent = "coder"})));
  EXPECT_FALSE(stands(actor_of("makers/coder", "makers/eve")));
  EXPECT_TRUE(lives(ours));
  EXPECT_TRUE(lives(w.narrowed(boss, {.agent = "coder"})));
  EXPECT_TRUE(stands(actor_of("coder", "boss")));
  EXPECT_EQ(w.call(maker, "POST", "/v1/agents/coder/revive").status, 200);
  EXPECT_TRUE(lives(w.narrowed(maker, {.agent = "coder"})));
  EXPECT_EQ(kill(boss, "makers").status, 200);
  EXPECT_FALSE(lives(w.narrowed(maker, {.agent = "coder"})));
  EXPECT_TRUE(lives(ours));
  EXPECT_EQ(kill(boss, "default").status, 200);
  EXPECT_FALSE(lives(ours));
}

TEST_F(NarrowingTest, KillingAnAgentNobodyHasSeenBlocksItsNameAndSaysSo) {
  ASSERT_TRUE(w.stores().identity->create_team({}, "makers"));
  const std::string boss = w.token_of("boss", Role::admin),
                    maker = w.token_of("eve", Role::admin, "makers"),
                    coder = w.narrowed(boss, {.agent = "coder"}),
                    theirs = w.narrowed(maker, {.agent = "builder"});
  for (const std::string& token : {coder, theirs})
    ASSERT_EQ(w.call(token, "GET", "/v1/whoami").status, 200);
  const auto kill = [&](const std::string& token, const std::string& name) {
    const ApiResponse response = w.call(token, "POST", "/v1/agents/" + name + "/kill");
    EXPECT_EQ(response.status, 200);
    return json_of(response).as_object();
  };
  // A slip of the hand: nothing of the real one ended.
  json::object said = kill(boss, "codr");
  EXPECT_EQ(said.at("seen"), json::value(false));
  EXPECT_EQ(said.at("similar"), (json::array{"coder"}));
  EXPECT_EQ(said.at("refused_since"), json::value(nullptr));
  EXPECT_EQ(w.call(coder, "GET", "/v1/whoami").status, 200);
  // It may have been made offline, so the name is refused all the same.
  EXPECT_EQ(w.call(w.narrowed(boss, {.agent = "codr"}), "GET", "/v1/whoami").status, 401);
  EXPECT_TRUE(kill(boss, "codr").at("refused_since").is_string());
  // The same name in a team: told to who may see that team's, and to nobody else.
  EXPECT_EQ(kill(boss, "builder").at("similar"), (json::array{"makers/builder"}));
  said = kill(maker, "coder");
  EXPECT_EQ(said.at("seen"), json::value(false));
  EXPECT_EQ(said.at("similar"), json::array());
  EXPECT_EQ(w.call(coder, "GET", "/v1/whoami").status, 200);
  EXPECT_EQ(kill(boss, "coder").at("seen"), json::value(true));
  EXPECT_EQ(w.call(coder, "GET", "/v1/whoami").status, 401);
}

TEST_F(NarrowingTest, ATokenForPreviewsDoesNotListNorRemoveProductionsWebhooks) {
  const auto add = [&](const std::string& environment) {
    return made(
        "/v1/projects/shop/alerts",
        environment.empty()
            ? R"({"url":"https://hooks.example/"})"
            : fmt::format(R"({{"url":"https://hooks.example/","environment":"{}"}})", environment),
        "id");
  };
  const std::string production = add("production"), all = add(""), preview = add("preview");
  const std::string token = w.narrowed(admin, {.environments = {{"preview"}}});
  const std::string listed =
      std::get<std::string>(w.call(token, "GET", "/v1/projects/shop/alerts").body);
  EXPECT_TRUE(listed.contains(preview));
  for (const std::string& id : {production, all}) {
    EXPECT_FALSE(listed.contains(id));
    EXPECT_TRUE(refused(w.call(token, "DELETE", "/v1/projects/shop/alerts/" + id)));
    EXPECT_TRUE(refused(w.call(token, "POST", "/v1/projects/shop/alerts/" + id + "/test")));
  }
  EXPECT_TRUE(refused(
      w.call(token, "POST", "/v1/projects/shop/alerts", R"({"url":"https://hooks.example/"})")));
  EXPECT_EQ(w.call(token, "DELETE", "/v1/projects/shop/alerts/" + preview).status, 200);
}

}  // namespace
}  // namespace slipway
