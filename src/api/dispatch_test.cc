#include <gtest/gtest.h>

#include <set>

#include "api/testing/api_world.h"
#include "audit/tile.h"

namespace slipway {
namespace {

class ApiTest : public ::testing::Test {
 protected:
  ApiResponse call(std::string method, std::string path, std::string body = {},
                   HttpHeaders headers = {}) {
    return w.call(token, std::move(method), std::move(path), std::move(body), std::move(headers));
  }
  static json::value body_of(const ApiResponse& response) {
    return parse_json(std::get<std::string>(response.body)).value();
  }
  static std::string code_of(const ApiResponse& response) {
    return std::string(body_of(response).at("code").as_string());
  }
  // An upload of one page whose blob is here already.
  std::string upload() { return world.upload("shop", {{"index.html", "<h1>hello</h1>"}}).str(); }
  std::string deployment_body() { return fmt::format(R"({{"upload":"{}"}})", upload()); }

  testing::ApiWorld w;
  testing::World& world = w.world;
  ApiDispatcher& api = w.api;
  std::string token = w.token_of("ada", Role::admin);
};

TEST_F(ApiTest, EveryRouteButTheOpenOnesNeedsAToken) {
  for (const ApiRoute& route : api_routes()) {
    for (const char* header : {"", "Bearer wrong", "Basic c2VjcmV0", "Bearer slpt_aaaaaaaaaa."}) {
      ApiRequest request{.method = std::string(route.method), .path = std::string(route.path)};
      if (*header != '\0') request.headers.emplace_back("Authorization", header);
      const ApiResponse response = api(request);
      EXPECT_EQ(response.status == 401, route.permission != Permission::none)
          << route.path << ' ' << header;
    }
  }
}

TEST_F(ApiTest, TheDescriptionNamesEveryRoute) {
  const json::value document = body_of(call("GET", "/v1/openapi.json"));
  for (const ApiRoute& route : api_routes()) {
    std::string method(route.method);
    std::ranges::transform(method, method.begin(),
                           [](char c) { return static_cast<char>(std::tolower(c)); });
    EXPECT_TRUE(document.at("paths").at(route.path).as_object().contains(method)) << route.path;
    for (const std::string_view name : {route.request, route.response})
      if (!name.empty() && name != "Pack")
        EXPECT_TRUE(document.at("components").at("schemas").as_object().contains(name)) << name;
  }
}

TEST_F(ApiTest, DeploysAnUploadAndTellsItsUrls) {
  const ApiResponse response = call("POST", "/v1/deployments", deployment_body());
  ASSERT_EQ(response.status, 202);
  const json::value made = body_of(response);
  const auto id = DeploymentId::parse(made.at("id").as_string()).value();
  EXPECT_EQ(made.at("url").as_string(),
            "http://shop-" + std::string(id.tail()) + ".localhost:7070");
  EXPECT_EQ(world.settled(id).state, DeploymentState::ready);
  EXPECT_EQ(world.settled(id).actor.name, "ada");
  EXPECT_EQ(body_of(call("GET", "/v1/deployments/" + id.str())).at("state").as_string(), "ready");
}

TEST_F(ApiTest, TheSameIdempotencyKeyGetsTheSameReplyAndAnotherBodyIsRefused) {
  const std::string body = deployment_body();
  const HttpHeaders key{{"Idempotency-Key", "k1"}};
  const json::value first = body_of(call("POST", "/v1/deployments", body, key));
  const ApiResponse again = call("POST", "/v1/deployments", body, key);
  EXPECT_EQ(body_of(again).at("id"), first.at("id"));
  EXPECT_EQ(find_header(again.headers, "Idempotent-Replayed"), "true");
  EXPECT_EQ(code_of(call("POST", "/v1/deployments", deployment_body(), key)), "conflict");
  ApiRequest elsewhere{.method = "POST",
                       .path = "/v1/deployments",
                       .query = {{"team", "makers"}},
                       .headers = {{"Authorization", "Bearer " + token}, {"Idempotency-Key", "k1"}},
                       .body = body,
                       .body_bytes = body.size()};
  EXPECT_EQ(code_of(api(elsewhere)), "conflict");
  std::ignore = world.settled(DeploymentId::parse(first.at("id").as_string()).value());
}

TEST_F(ApiTest, SaysWhatIsWrongWithARequest) {
  EXPECT_EQ(code_of(call("POST", "/v1/deployments", "{")), "invalid_argument");
  EXPECT_EQ(body_of(call("POST", "/v1/deployments", "{}")).at("message").as_string(),
            "upload is missing");
  EXPECT_EQ(code_of(call("POST", "/v1/deployments", R"({"upload":"upl_aaaaaaaaaa"})")),
            "not_found");
  EXPECT_EQ(code_of(call("GET", "/v1/deployments/nope")), "not_found");
}

TEST_F(ApiTest, ServesTheLogAsTilesWhoseEntriesTakeAToken) {
  const auto open = [&](std::string path) {
    ApiRequest request{.method = "GET", .path = "/v1/audit/tlog/" + std::move(path)};
    return api(request);
  };
  ASSERT_TRUE(world.stores.audit->record({.event = "deployment.created"}));
  ASSERT_TRUE(w.audit->sign());
  const ApiResponse checkpoint = open("checkpoint");
  EXPECT_EQ(find_header(checkpoint.headers, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(find_header(checkpoint.headers, "Cache-Control"), "no-cache");
  const auto signed_one = SignedCheckpoint::parse(std::get<std::string>(checkpoint.body)).value();
  const tlog::TileNumber all{.index = 0,
                             .width = static_cast<unsigned>(signed_one.checkpoint.size)};
  const ApiResponse tile = open("tile/0/" + all.path());
  EXPECT_EQ(tile.status, 200);
  EXPECT_EQ(find_header(tile.headers, "Content-Type"), "application/octet-stream");
  EXPECT_TRUE(find_header(tile.headers, "Cache-Control").value().contains("immutable"));
  EXPECT_EQ(std::get<std::string>(tile.body).size(), 32u * all.width);
  EXPECT_EQ(open("tile/entries/" + all.path()).status, 401);
  const ApiResponse entries = call("GET", "/v1/audit/tlog/tile/entries/" + all.path());
  EXPECT_EQ(entries.status, 200);
  EXPECT_TRUE(find_header(entries.headers, "Cache-Control").value().starts_with("private"));
  const ApiResponse packed =
      call("GET", "/v1/audit/tlog/tile/entries/" + all.path(), "", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(find_header(packed.headers, "Content-Encoding"), "gzip");
  EXPECT_EQ(open("tile/0/x001/000").status, 404);
  EXPECT_EQ(open("tile/0/1").status, 400);
  EXPECT_EQ(open("tile/64/000").status, 400);
  EXPECT_EQ(open("tile/0").status, 404);
}

TEST_F(ApiTest, UnknownPathsAndMethodsAreToldApart) {
  EXPECT_EQ(call("GET", "/v1/nothing").status, 404);
  const ApiResponse response = call("PATCH", "/v1/deployments");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(find_header(response.headers, "Allow"), "POST, GET");
}

TEST_F(ApiTest, ValuesOfVariablesNeverComeBack) {
  const std::string body = fmt::format(R"({{"upload":"{}","env":{{"KEY":"hunter2"}}}})", upload());
  const ApiResponse made = call("POST", "/v1/deployments", body);
  ASSERT_EQ(made.status, 202);
  EXPECT_EQ(std::get<std::string>(made.body).find("hunter2"), std::string::npos);
  EXPECT_EQ(body_of(made).at("env").as_array().at(0).as_string(), "KEY");
  std::ignore = world.settled(DeploymentId::parse(body_of(made).at("id").as_string()).value());
}

// By its head alone, on the event loop: nothing of a body is kept for somebody who may not send it.
TEST_F(ApiTest, APathThatIsNotThereAndAMissingTokenAreAnsweredByTheHead) {
  const auto planned = [&](std::string method, std::string path, HttpHeaders headers = {}) {
    return api.plan(
        {.method = std::move(method), .path = std::move(path), .headers = std::move(headers)});
  };
  EXPECT_EQ(planned("POST", "/v1/nothing").answer->status, 404);
  EXPECT_EQ(planned("POST", "/healthz").answer->status, 405);
  const HttpHeaders token_of_somebody{{"Authorization", "Bearer somebody"}};
  for (const ApiRoute& route : api_routes()) {
    const std::string method(route.method), path(route.path);
    if (route.permission == Permission::none) continue;
    EXPECT_EQ(planned(method, path).answer.value().status, 401) << path;
    const ApiPlan plan = planned(method, path, token_of_somebody);
    EXPECT_FALSE(plan.answer) << path;
    // Only packs are large, and they are not kept.
    const bool pack = path == "/v1/uploads/{id}/pack";
    EXPECT_EQ(plan.kind == CallKind::upload, pack) << path;
    EXPECT_EQ(plan.body_limit > small_body, path == "/v1/uploads") << path;
  }
  EXPECT_EQ(planned("GET", "/healthz").health, ApiPlan::Health::asked);
}

TEST_F(ApiTest, WhatMustAlwaysWorkHasThreadsOfItsOwn) {
  std::set<std::string_view> brakes;
  for (const ApiRoute& route : api_routes())
    if (route.kind == CallKind::brake) brakes.insert(route.operation);
  for (const char* name : {"killAgent", "revokeToken", "rollBack", "reject", "cancelRollout"})
    EXPECT_TRUE(brakes.contains(name)) << name;
}

TEST_F(ApiTest, AgentsOfOnePersonShareWhatOneMayTake) {
  const auto admitted = [&](const std::string& text) {
    ApiRequest request{
        .method = "GET", .path = "/v1/whoami", .headers = {{"Authorization", "Bearer " + text}}};
    return api.admit(request);
  };
  const ApiAdmission person = admitted(token);
  const ApiAdmission narrowed = admitted(w.narrowed(token, {}));
  const ApiAdmission agent = admitted(w.narrowed(token, {.agent = "coder"}));
  const ApiAdmission renamed =
      admitted(w.narrowed(w.narrowed(token, {.agent = "coder"}), {.agent = "coder7"}));
  EXPECT_EQ(person.principal, narrowed.principal);
  EXPECT_EQ(agent.principal, renamed.principal);
  EXPECT_NE(person.principal, agent.principal);
  EXPECT_EQ(person.work, WorkClass::release);
  EXPECT_EQ(agent.work, WorkClass::preview);
  EXPECT_NE(admitted(w.token_of("bob", Role::admin)).principal, person.principal);
}

TEST_F(ApiTest, ABodyOfNothingButBracketsIsNotParsed) {
  std::string brackets = R"({"project":"shop","manifest":[)";
  while (brackets.size() < (8u << 20)) brackets += "[],";
  brackets += "[]]}";
  EXPECT_EQ(code_of(call("POST", "/v1/uploads", brackets)), "too_large");
  EXPECT_EQ(code_of(call("POST", "/v1/deployments", std::string(2u << 20, ' '))), "too_large");
}

// "done" ends the watching, and the command with it: "ok: … is building" was said at a SIGTERM.
TEST_F(ApiTest, WatchersAreNotToldThatADeploymentIsDoneBeforeItIs) {
  struct Heard final : StreamWriter {
    Status write(std::string_view bytes) override {
      text += bytes;
      return {};
    }
    [[nodiscard]] bool closed() const override { return false; }
    std::string text;
  };
  const auto watched = [&](const DeploymentId& id) {
    const ApiResponse response = call("GET", "/v1/deployments/" + id.str() + "/events");
    Heard heard;
    std::get<ApiResponse::Stream>(response.body)(heard);
    return heard.text;
  };
  const Deployment ready = world.deploy("shop", {{"index.html", "<p>"}});
  EXPECT_NE(watched(ready.id).find("event: done"), std::string::npos);
  Deployment building = ready;
  building.id = DeploymentId::random();
  building.state = DeploymentState::building;
  ASSERT_TRUE(world.stores.repository->add({}, building, ""));
  EXPECT_EQ(watched(building.id).find("event: done"), std::string::npos);
}

TEST_F(ApiTest, HealthSaysWhatDoesNotAnswer) {
  const std::vector<HealthReason> reasons{{"store", "has not answered for 1000 ms"}};
  const ApiResponse ill = api.health(reasons);
  EXPECT_EQ(ill.status, 503);
  EXPECT_EQ(body_of(ill).at("reasons").at(0).at("part").as_string(), "store");
  EXPECT_EQ(api.health({}).status, 200);
  EXPECT_TRUE(api.probe());
}

TEST_F(ApiTest, UploadsLearnWhatIsMissing) {
  const std::string digest = sha256("abc").hex();
  const std::string body =
      fmt::format(R"({{"project":"shop","manifest":"f {} 3 index.html\n"}})", digest);
  const ApiResponse opened = call("POST", "/v1/uploads", body);
  ASSERT_EQ(opened.status, 201) << std::get<std::string>(opened.body);
  EXPECT_EQ(body_of(opened).at("missing").as_array().at(0).as_string(), "sha256:" + digest);
  EXPECT_EQ(code_of(call("POST", "/v1/uploads",
                         R"({"project":"shop","manifest":"f x 3 ../etc/passwd\n"})")),
            "invalid_argument");
}

}  // namespace
}  // namespace slipway
