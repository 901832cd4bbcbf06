#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "cli/testing/world.h"

namespace slipway::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view base = "/v1/projects/shop/environments/production";

json::object rollout(std::string_view state, std::string_view revision = "r1") {
  return {{"id", "rol_aaaaaaaaaa"},
          {"kind", "promotion"},
          {"project", "shop"},
          {"environment", "production"},
          {"from", 3},
          {"to", 4},
          {"deployment", "dpl_aaaaaaaaaa"},
          {"state", state},
          {"reason", nullptr},
          {"actor", json::object{{"kind", "human"}, {"name", "ann"}}},
          {"steps", json::array{}},
          {"verdicts", json::array{}},
          {"switch_micros", 0},
          {"url", "http://shop.localhost:7070"},
          {"proof",
           json::object{{"deployment", "sha256:aa"}, {"release", "sha256:aa"}, {"equal", true}}},
          {"error", nullptr},
          {"revision", revision}};
}

json::object step(std::string_view name, std::string_view state, std::string_view detail) {
  return {{"name", name}, {"state", state}, {"started_ms", 0}, {"took_ms", 12}, {"detail", detail}};
}

struct PromoteTest : testing::Test {
  PromoteTest() {
    w.server.on_json("GET /v1/deployments/dpl_aaaaaaaaaa", 200, World::deployment("ready"));
    answer("POST", "/promotions", rollout("running"));
  }
  void answer(std::string_view method, std::string_view rest, const json::object& body,
              int status = 202) {
    w.server.on_json(fmt::format("{} {}{}", method, base, rest), status, pretty(body));
  }
  // What GET of the rollout answers, one after the other; the last one stays.
  void becomes(std::vector<json::object> states) {
    w.server.on(
        "GET /v1/rollouts/rol_aaaaaaaaaa",
        [this, states = std::move(states), n = std::make_shared<std::size_t>(0)](const Request& r) {
          seen.push_back(r.target);
          const json::object& now = states[std::min((*n)++, states.size() - 1)];
          return ClientResponse{.status = 200, .headers = {}, .body = pretty(now)};
        });
  }
  json::object sent(std::string_view route) {
    const auto requests = w.server.requests(route);
    EXPECT_EQ(requests.size(), 1u) << route;
    return requests.empty() ? json::object() : parse_json(requests[0].body)->as_object();
  }
  World w;
  std::vector<std::string> seen;
};

TEST_F(PromoteTest, FollowsUntilTheTrafficIsThereAndPrintsTheUrlAlone) {
  json::object canary = rollout("canary", "r2"), watching = rollout("watching", "r3");
  canary["steps"] =
      json::array{step("start", "done", "2 instances"), step("canary", "running", "5 %")};
  watching["steps"] = json::array{step("start", "done", "2 instances"), step("canary", "done", ""),
                                  step("switch", "done", "")};
  watching["verdicts"] =
      json::array{json::object{{"percent", 5},
                               {"says", "advance"},
                               {"evidence", json::array{json::object{{"metric", "errors"},
                                                                     {"says", "ok"},
                                                                     {"count", 1},
                                                                     {"of", 120},
                                                                     {"baseline_count", 3},
                                                                     {"baseline_of", 2400},
                                                                     {"detail", nullptr}}}}}};
  becomes({canary, watching});
  const CliRun run = w.run({"promote", "dpl_aaaaaaaaaa", "-m", "checkout", "--canary", "5,25",
                            "--step", "5m", "--smoke", "/healthz", "--smoke", "/old=301"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "http://shop.localhost:7070\n");
  EXPECT_THAT(run.err, HasSubstr("start done in 12ms: 2 instances"));
  EXPECT_THAT(run.err, HasSubstr("5 %: goes on (errors 1 of 120, before 3 of 2400)"));
  EXPECT_THAT(run.err, HasSubstr("sha256:aa  deployment = release, byte for byte"));
  EXPECT_THAT(run.err, HasSubstr("slipway rollback shop"));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_THAT(seen[0], HasSubstr("seen=r1"));
  EXPECT_THAT(seen[1], HasSubstr("seen=r2"));
  const json::object body = sent(fmt::format("POST {}/promotions", base));
  EXPECT_EQ(text_at(body, "deployment"), "dpl_aaaaaaaaaa");
  EXPECT_EQ(text_at(body, "message"), "checkout");
  EXPECT_EQ(array_at(body, "canary"), (json::array{5, 25}));
  EXPECT_EQ(text_at(body, "canary_step"), "5m");
  EXPECT_EQ(array_at(body, "smoke"),
            (json::array{json::object{{"path", "/healthz"}, {"status", 200}},
                         json::object{{"path", "/old"}, {"status", 301}}}));
}

TEST_F(PromoteTest, SaysHowToApproveWhatWaits) {
  json::object waiting = rollout("waiting");
  waiting["approval"] = "apr_aaaaaaaaaa";
  waiting["decision"] = "dec_aaaaaaaaaa";
  answer("POST", "/promotions", waiting);
  const CliRun run = w.run({"promote", "dpl_aaaaaaaaaa", "--json"});
  EXPECT_EQ(run.code, 4);
  EXPECT_EQ(text_at(parse_json(run.out)->as_object(), "state"), "waiting");
  // Who does not wait for it is told the same.
  const CliRun at_once = w.run({"promote", "dpl_aaaaaaaaaa", "--no-wait"});
  EXPECT_EQ(at_once.code, 4);
  for (const char* part : {"slipway approve apr_aaaaaaaaaa", "slipway why dec_aaaaaaaaaa",
                           "slipway rollout rol_aaaaaaaaaa -f", "goes on by itself"}) {
    EXPECT_THAT(run.err, HasSubstr(part));
    EXPECT_THAT(at_once.err, HasSubstr(part));
  }
}

TEST_F(PromoteTest, SaysWhatHoldsACanaryByItsFieldWhateverTheReasonIsCalled) {
  json::object held = rollout("canary", "r2"), goes_on = rollout("canary", "r3");
  held["steps"] = goes_on["steps"] = json::array{step("canary", "running", "5 %")};
  held["reason"] = "nobody came yet";
  held["waits_for"] = "traffic";
  goes_on["reason"] = "the doors are held open";
  becomes({goes_on, held, rollout("done", "r4")});
  const CliRun run = w.run({"promote", "dpl_aaaaaaaaaa"});
  EXPECT_THAT(run.err, HasSubstr("nobody came yet"));
  EXPECT_THAT(run.err, Not(HasSubstr("held open")));
}

TEST_F(PromoteTest, AFailureSaysThatTheOldReleaseServes) {
  json::object failed = rollout("failed", "r2");
  failed["error"] =
      json::object{{"code", "start_failed"}, {"message", "GET /healthz answered 500"}};
  becomes({failed});
  const CliRun run = w.run({"promote", "dpl_aaaaaaaaaa"});
  EXPECT_EQ(run.code, 7);
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err, HasSubstr("GET /healthz answered 500"));
  EXPECT_THAT(run.err, HasSubstr("release 3 goes on serving"));
}

TEST_F(PromoteTest, AnEndByPoliciesOrPeopleHasItsExitCode) {
  for (const auto& [state, code] :
       {std::pair("denied", 6), {"canceled", 130}, {"rolled_back", 7}}) {
    becomes({rollout(state, "r2")});
    EXPECT_EQ(w.run({"promote", "dpl_aaaaaaaaaa"}).code, code) << state;
  }
}

TEST_F(PromoteTest, WatchStaysToTheEnd) {
  becomes({rollout("watching", "r2"), rollout("rolled_back", "r3")});
  EXPECT_EQ(w.run({"promote", "dpl_aaaaaaaaaa", "--watch"}).code, 7);
  EXPECT_EQ(w.run({"promote", "dpl_aaaaaaaaaa", "--no-wait"}).code, 0);
}

TEST_F(PromoteTest, WhatIsWrittenWrongNeverReachesTheServer) {
  for (const auto& words : {std::vector<std::string>{"--canary", "50,25"},
                            {"--canary", "0"},
                            {"--canary", "100"},
                            {"--canary", "x"},
                            {"--step", "soon"},
                            {"--smoke", "healthz"},
                            {"--to", "Production"},
                            {"--from", "a--b"}}) {
    std::vector<std::string> command{"promote", "shop"};
    command.insert(command.end(), words.begin(), words.end());
    const CliRun run = w.run(command);
    EXPECT_EQ(run.code, 2) << words[0] << ' ' << words[1];
    EXPECT_THAT(run.err, HasSubstr("hint"));
  }
  EXPECT_TRUE(w.server.requests(fmt::format("POST {}/promotions", base)).empty());
}

TEST_F(PromoteTest, FromAnEnvironmentNamesTheProject) {
  becomes({rollout("done", "r2")});
  ASSERT_EQ(w.run({"promote", "shop", "--from", "staging"}).code, 0);
  const json::object body = sent(fmt::format("POST {}/promotions", base));
  EXPECT_EQ(text_at(body, "from"), "staging");
  EXPECT_FALSE(body.contains("deployment"));
}

TEST_F(PromoteTest, ADryRunShowsWhatWouldChange) {
  answer("POST", "/promotions",
         {{"dry_run", true},
          {"decision", json::object{{"id", nullptr}, {"verdict", "deny"}, {"point", "promote"}}},
          {"rollout", rollout("running")},
          {"url", "http://shop.localhost:7070"},
          {"current", json::object{{"number", 3}, {"deployment", "dpl_bbbbbbbbbb"}}},
          {"files", json::object{{"added", json::array{"a.js"}},
                                 {"modified", json::array{}},
                                 {"removed", json::array{}}}},
          {"env", json::object{{"added", json::array{"NEW"}},
                               {"removed", json::array{"OLD"}},
                               {"missing", json::array{"DATABASE_URL"}}}},
          {"plan_changes", json::array{"start: node a.js -> node b.js"}},
          {"cost", json::object{{"instances", 2}, {"memory_bytes", 1'000'000'000}}},
          {"proof",
           json::object{{"deployment", "sha256:aa"}, {"release", "sha256:aa"}, {"equal", true}}}},
         200);
  const CliRun run = w.run({"promote", "dpl_aaaaaaaaaa", "--dry-run"});
  EXPECT_EQ(run.code, 6) << run.err;
  for (const char* part :
       {"release 3, dpl_bbbbbbbbbb", "+a.js", "+NEW -OLD", "missing: DATABASE_URL",
        "node a.js -> node b.js", "2 more instances", "1.0 GB", "denied", "sha256:aa"})
    EXPECT_THAT(run.out, HasSubstr(part));
  EXPECT_THAT(run.err, HasSubstr("nothing was promoted"));
  EXPECT_TRUE(sent(fmt::format("POST {}/promotions", base)).at("dry_run").get_bool());
}

TEST_F(PromoteTest, ARollbackSendsWhereTo) {
  answer("POST", "/rollbacks", rollout("running"));
  becomes({rollout("done", "r2")});
  const CliRun run = w.run({"rollback", "shop", "--to", "2", "-m", "broken", "--restore", "snp_a"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "http://shop.localhost:7070\n");
  EXPECT_EQ(sent(fmt::format("POST {}/rollbacks", base)),
            (json::object{{"message", "broken"}, {"to", 2}, {"restore", "snp_a"}}));
  EXPECT_EQ(w.run({"rollback", "shop", "--to", "zero"}).code, 2);
}

TEST_F(PromoteTest, TheHistorySaysWhichServesAndWhichCanServeAgain) {
  const auto release = [](int number, bool current, bool can, std::string_view message) {
    return json::object{{"number", number},
                        {"deployment", "dpl_aaaaaaaaaa"},
                        {"config_version", 1},
                        {"current", current},
                        {"previous", false},
                        {"can_roll_back", can},
                        {"live_at", "2026-01-01T00:00:00Z"},
                        {"created_at", "2026-01-01T00:00:00Z"},
                        {"actor", json::object{{"name", "ann"}}},
                        {"verdicts", json::array{}},
                        {"message", message}};
  };
  answer("GET", "/releases",
         {{"releases",
           json::array{release(2, true, false, "\x1b[2Jboo"), release(1, false, true, "")}},
          {"state", json::object{{"paused", "rolled back to 1"}}}},
         200);
  const CliRun run = w.run({"releases", "shop"});
  EXPECT_EQ(run.code, 0) << run.err;
  for (const char* part :
       {"current", "can roll back", "ann", "\\x1b[2Jboo", "paused: ", "rolled back to 1"})
    EXPECT_THAT(run.out, HasSubstr(part));
  EXPECT_THAT(run.out, Not(HasSubstr("\x1b[2J")));
}

TEST_F(PromoteTest, ProductionsVariablesMakeARelease) {
  json::object changed{{"version", 7}, {"vars", json::array{}}, {"rollout", rollout("running")}};
  w.server.on_json(fmt::format("POST {}/env", base), 200, pretty(changed));
  becomes({rollout("watching", "r2")});
  const CliRun run = w.run({"env", "set", "A=b", "--env", "production"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "7\n");
  EXPECT_THAT(run.err, HasSubstr("production of shop serves release 4"));
  becomes({rollout("failed", "r3")});
  const CliRun failed = w.run({"env", "set", "A=b", "--env", "production", "--json"});
  EXPECT_EQ(failed.code, 7);
  EXPECT_EQ(text_at(object_at(parse_json(failed.out)->as_object(), "rollout"), "state"), "failed");
  ASSERT_EQ(w.run({"env", "set", "A=b", "-E", "production", "--no-wait"}).code, 0);
}

TEST_F(PromoteTest, APostponedChangeSaysSo) {
  w.server.on_json(fmt::format("POST {}/env", base), 200,
                   R"({"version":7,"vars":[],"rollout":null})");
  const CliRun run = w.run({"env", "set", "A=b", "--env", "production", "--no-release"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("the next release has it"));
  EXPECT_FALSE(sent(fmt::format("POST {}/env", base)).at("release").get_bool());
}

// The deployment as it ends when it was to go on to production.
std::string promoted_deployment(const json::object& more) {
  json::object out = parse_json(World::deployment("ready"))->as_object();
  for (const auto& [key, value] : more) out[key] = value;
  return "event: done\ndata: " + boost::json::serialize(out) + "\n\n";
}

TEST_F(PromoteTest, DeployProdFollowsBothAndPrintsProductionsUrl) {
  w.events({promoted_deployment({{"rollout", "rol_aaaaaaaaaa"}})});
  becomes({rollout("running"), rollout("watching", "r2")});
  const CliRun run = w.run({"deploy", "--prod"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "http://shop.localhost:7070\n");
  EXPECT_THAT(run.err, HasSubstr("shop is ready"));
  EXPECT_EQ(text_at(sent("POST /v1/deployments"), "promote_to"), "production");
  const json::object object = parse_json(w.run({"deploy", "--prod", "--json"}).out)->as_object();
  EXPECT_EQ(text_at(object, "id"), "dpl_aaaaaaaaaa");
  EXPECT_EQ(text_at(object_at(object, "promotion"), "state"), "watching");
}

TEST_F(PromoteTest, DeployProdSaysWhyItWasNotPromoted) {
  w.events({promoted_deployment(
      {{"rollout", nullptr},
       {"not_promoted", json::object{{"code", "denied_by_policy"}, {"message", "no: freeze"}}}})});
  const CliRun run = w.run({"deploy", "--prod"});
  EXPECT_EQ(run.code, 6);
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err, HasSubstr("dpl_aaaaaaaaaa is ready, but was not promoted: no: freeze"));
  EXPECT_THAT(run.err, HasSubstr("slipway promote dpl_aaaaaaaaaa"));
}

TEST_F(PromoteTest, LogsOfAnEnvironmentAreItsReleases) {
  w.server.on_stream(fmt::format("{}/logs", base), [](const FakeServer::Send& send) {
    return send(R"({"time":"2026-01-01T00:00:00Z","stream":"out","line":"hello","cursor":"1.1"})"
                "\n");
  });
  const CliRun run = w.run({"logs", "shop", "--env", "production"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "hello\n");
}

TEST_F(PromoteTest, RestartAndScaleTellHowItWent) {
  const auto environment = [](std::string_view state, json::value error) {
    return json::object{
        {"environment", "production"},
        {"release", json::object{{"number", 4}, {"deployment", "dpl_aaaaaaaaaa"}}},
        {"url", "http://shop.localhost:7070"},
        {"instances", json::array{json::object{{"instance", "ins-1"}, {"state", "ready"}}}},
        {"work", json::object{{"id", "wrk_a"}, {"state", state}, {"error", std::move(error)}}}};
  };
  answer("POST", "/scale", environment("running", nullptr));
  answer("GET", "", environment("done", nullptr), 200);
  const CliRun run = w.run({"scale", "shop", "3"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("ins-1  ready"));
  EXPECT_EQ(number_at(sent(fmt::format("POST {}/scale", base)), "instances"), 3);
  answer("POST", "/restart", environment("running", nullptr));
  answer("GET", "",
         environment("failed", json::object{{"code", "start_failed"}, {"message", "no answer"}}),
         200);
  const CliRun failed = w.run({"restart", "shop"});
  EXPECT_EQ(failed.code, 7);
  EXPECT_THAT(failed.err, HasSubstr("no answer"));
  EXPECT_EQ(w.run({"scale", "shop", "0"}).code, 2);
}

// An agent's newer experiment under another alias is not what a project's name means.
TEST_F(PromoteTest, AProjectIsItsNewestPreviewThatIsReadyAndIsSaidFirst) {
  w.server.on_json("GET /v1/deployments/shop", 200, World::deployment("ready"));
  w.server.on_json(
      "GET /v1/deployments", 200,
      R"({"deployments":[{"id":"dpl_cccccccccc","project":"shop","alias":"preview","state":"failed"},)"
      R"({"id":"dpl_bbbbbbbbbb","project":"shop","alias":"preview","state":"sleeping","message":"new checkout",)"
      R"("actor":{"kind":"human","name":"ann"}}],"next_cursor":null})");
  becomes({rollout("done", "r2")});
  const CliRun run = w.run({"promote", "shop"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("promoting dpl_bbbbbbbbbb (preview, by ann, 'new checkout')"));
  EXPECT_EQ(text_at(sent(fmt::format("POST {}/promotions", base)), "deployment"), "dpl_bbbbbbbbbb");
  EXPECT_THAT(w.server.requests("GET /v1/deployments").front().target, HasSubstr("alias=preview"));
}

TEST_F(PromoteTest, AProjectWithoutAReadyPreviewIsNotPromoted) {
  w.server.on_json("GET /v1/deployments/shop", 200, World::deployment("ready"));
  w.server.on_json("GET /v1/deployments", 200, R"({"deployments":[],"next_cursor":null})");
  const CliRun run = w.run({"promote", "shop", "--alias", "beta"});
  EXPECT_EQ(run.code, 4);
  EXPECT_THAT(run.err, HasSubstr("alias beta"));
  EXPECT_THAT(w.server.requests("GET /v1/deployments").front().target, HasSubstr("alias=beta"));
  EXPECT_EQ(w.run({"promote", "dpl_aaaaaaaaaa", "--alias", "beta"}).code, 2);
}

}  // namespace
}  // namespace slipway::cli
