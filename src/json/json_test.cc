#include "json/json.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

namespace slipway {
namespace {

Deployment sample() {
  Deployment d;
  d.id = DeploymentId::random();
  d.base = DeploymentId::random();
  d.project = "shop";
  d.alias = "preview";
  d.state = DeploymentState::failed;
  d.state_reason = "build failed";
  d.approval = *ApprovalId::parse("apr_aaaaaaaaaa");
  d.message = "second try";
  d.actor = {.kind = "agent", .name = "claude", .on_behalf_of = "ada"};
  d.created_at = Timestamp{std::chrono::milliseconds{1'800'000'000'123}};
  d.expires_at = d.created_at + std::chrono::hours{24};
  d.source = sha256("tree");
  d.source_files = 12;
  d.changed = {.added = {"a"}, .modified = {"b", "c"}, .removed = {"d"}};
  d.options.env = {{"API_KEY", "hunter2"}};
  d.options.build_env = {{"VITE_X", "1"}};
  d.options.ttl = std::chrono::hours{24};
  Service service;
  service.provider = "node";
  service.framework = "express";
  service.install = "npm ci";
  service.start = "node server.js";
  service.port = 3000;
  service.env = {
      {.name = "API_KEY", .required = true, .kind = "secret", .evidence = "server.js:3"}};
  service.evidence = {{.file = "package.json", .line = 4, .fact = "depends on express"}};
  service.fallback = StaticFallback::single_page_app;
  service.confidence = 0.75;
  d.plan.services = {service};
  d.plan.warnings = {
      {.code = "no_lockfile", .message = "m", .file = "package.json", .line = 1, .fix = "npm i"}};
  d.plan.questions = {{.id = "q",
                       .text = "which?",
                       .choices = {"a", "b"},
                       .default_choice = "a",
                       .flag = "--root"}};
  d.plan.candidates = {{.provider = "static", .root = "", .confidence = 0.5, .reason = "weaker"}};
  d.artifact.layers = {"source-1", "install-2"};
  d.artifact.site = sha256("site");
  d.artifact.env = {{"NODE_ENV", "production"}};
  d.artifact.port = 3000;
  d.artifact.image = ImageRun{.argv = {"/bin/server", "--x"},
                              .uid = 1000,
                              .gid = 100,
                              .groups = {7, 9},
                              .stop_signal = 3,
                              .volumes = {"/data"},
                              .bases = {"docker.io/library/node:20@sha256:00"}};
  d.timings_ms = {{"total", 290}};
  d.steps = {
      {.name = "install", .state = "failed", .started_ms = 3, .took_ms = 200, .detail = "npm ci"}};
  d.error = Error{.code = Errc::build_failed,
                  .message = "npm ci failed",
                  .hint = "run npm install",
                  .exit_code = 1};
  d.error->excerpt = {"npm ERR!"};
  d.error->next = {{"npm install", "to refresh the lockfile"}};
  return d;
}

TEST(DeploymentRecord, ComesBackAsItWas) {
  const Deployment before = sample();
  const auto text = json::serialize(to_record(before));
  const auto parsed = parse_json(text);
  ASSERT_TRUE(parsed.has_value());
  const auto after = deployment_from_record(*parsed);
  ASSERT_TRUE(after.has_value()) << after.error().message;
  EXPECT_EQ(*after, before);
}

TEST(DeploymentJson, ShowsNamesOfVariablesAndNeverTheirValues) {
  const std::string text =
      json::serialize(to_json(sample(), {.url = "http://u", .alias_url = "http://a"}));
  EXPECT_NE(text.find("API_KEY"), std::string::npos);
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
}

TEST(DeploymentJson, HasTheMembersThatOtherProgramsRelyOn) {
  const json::object object = to_json(sample(), {.url = "http://u", .alias_url = "http://a"});
  for (const char* member : {"id", "project", "state", "url", "alias_url", "source", "uploaded",
                             "changed", "plan", "cache", "timings_ms", "expires_at", "error"})
    EXPECT_TRUE(object.contains(member)) << member;
}

TEST(JsonReader, NamesTheMemberThatIsWrong) {
  const auto value = parse_json(R"({"services":[{"provider":"node","port":"x"}]})");
  const auto plan = plan_from_json(*value);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().message, "service.port must be a whole number");
}

TEST(ParseJson, RefusesTrailingTextAndDepth) {
  EXPECT_FALSE(parse_json("{} x").has_value());
  EXPECT_FALSE(parse_json(std::string(100, '[') + std::string(100, ']')).has_value());
  EXPECT_FALSE(parse_json("").has_value());
  EXPECT_TRUE(parse_json(" {} \n").has_value());
}

TEST(Pretty, IndentsByTwo) {
  const auto value = parse_json(R"({"a":[1,{}],"b":{}})");
  EXPECT_EQ(pretty(*value), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {}\n}");
}

}  // namespace
}  // namespace slipway
