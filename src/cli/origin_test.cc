#include "cli/origin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/follow.h"
#include "cli/testing/world.h"

namespace slipway::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Origin, OfARemoteIsItsPlaceWithoutAccounts) {
  for (const std::string_view url :
       {"https://github.com/ann/shop.git", "https://ann:s3cret@github.com/ann/shop",
        "git@github.com:ann/shop.git", "ssh://git@github.com/ann/shop/",
        "https://GitHub.com/ann/shop"})
    EXPECT_EQ(plain_remote(url), "github.com/ann/shop") << url;
  for (const std::string_view url : {"/srv/git/shop", "../shop", "file:///srv/git/shop", ""})
    EXPECT_EQ(plain_remote(url), "") << url;
}

TEST(Origin, OfAFolderIsTheSameEachTimeAndItsOwn) {
  World w;
  const std::string first = origin_of(w.env.cwd, w.env.config_dir).value();
  EXPECT_TRUE(first.starts_with("folder:"));
  EXPECT_EQ(origin_of(w.env.cwd, w.env.config_dir).value(), first);
  ASSERT_TRUE(make_directories(w.env.home / "other" / "shop"));
  EXPECT_NE(origin_of(w.env.home / "other" / "shop", w.env.config_dir).value(), first);
}

TEST(Origin, OfACheckoutIsItsRemoteAndThePlaceWithin) {
  World w;
  w.write(".git/config",
          "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = git@example.com:a/b.git\n");
  w.write("apps/web/index.html", "x");
  EXPECT_EQ(origin_of(w.env.cwd, w.env.config_dir).value(), "git:example.com/a/b");
  EXPECT_EQ(origin_of(w.env.cwd / "apps" / "web", w.env.config_dir).value(),
            "git:example.com/a/b#apps/web");
}

TEST(Origin, OfAnotherFolderIsAskedAboutAndProjectIsTheYes) {
  World w;
  w.server.on("POST /v1/deployments", [](const Request& request) {
    const json::object body = parse_json(request.body)->as_object();
    if (body.at("accept_origin").as_bool())
      return ClientResponse{.status = 202, .headers = {}, .body = World::deployment("queued")};
    return ClientResponse{
        .status = 409,
        .headers = {},
        .body =
            R"({"code":"conflict","message":"shop belongs to another folder","cause":"other_origin"})"};
  });
  const CliRun refused = w.run({"deploy"});
  EXPECT_EQ(refused.code, 4);
  EXPECT_THAT(refused.err, HasSubstr("another folder"));
  EXPECT_EQ(w.run({"deploy", "-y"}).code, 4);
  EXPECT_EQ(w.run({"deploy", "--project", "shop"}).code, 0);
  w.env.in_tty = true;
  w.type("n\n");
  EXPECT_EQ(w.run({"deploy"}).code, 130);
  w.type("y\n");
  EXPECT_EQ(w.run({"deploy"}).code, 0);
}

TEST(Rm, TakesAYesAndNeverMeansAProjectByItself) {
  World w;
  const std::string id = "/v1/deployments/dpl_aaaaaaaaaa";
  w.server.on_json("GET " + id, 200, World::deployment("ready"));
  w.server.on_json("GET /v1/deployments/shop", 200, World::deployment("ready"));
  w.server.on_json("DELETE " + id, 200, World::deployment("deleted"));
  EXPECT_EQ(w.run({"rm", "dpl_aaaaaaaaaa"}).code, 2);
  EXPECT_EQ(w.run({"rm", "shop", "-y"}).code, 2);
  EXPECT_TRUE(w.server.requests("DELETE " + id).empty());
  EXPECT_EQ(w.run({"rm", "shop", "--newest", "-y"}).out, "dpl_aaaaaaaaaa\n");
  w.server.on_json("GET /v1/deployments", 200,
                   R"({"deployments":[)" + World::deployment("ready") + R"(],"next_cursor":null})");
  EXPECT_EQ(w.run({"rm", "shop", "--all", "-y"}).code, 0);
}

TEST(DeploymentError, SaysWhatItWaitsForByItsFieldsAndNotByItsReason) {
  json::object queued{{"id", "dpl_aaaaaaaaaa"}, {"state", "queued"}};
  queued["state_reason"] = "waiting for approval apr_bbbbbbbbbb";
  EXPECT_FALSE(deployment_error(queued)) << "a reason is for people";
  queued["state_reason"] = "somebody must look at it";
  queued["waits_for"] = "approval";
  queued["approval"] = "apr_aaaaaaaaaa";
  const auto error = deployment_error(queued);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::failed_precondition);
  EXPECT_THAT(error->message, HasSubstr("apr_aaaaaaaaaa"));
  EXPECT_EQ(error->next.at(0).command, "slipway approve apr_aaaaaaaaaa");
}

TEST(Rm, SaysThatWhatWaitsIsNotRemoved) {
  World w;
  const std::string id = "/v1/deployments/dpl_aaaaaaaaaa";
  w.server.on_json("GET " + id, 200, World::deployment("ready"));
  std::string waiting = World::deployment("ready");
  waiting.replace(waiting.find("null"), 4, R"("removal is waiting for approval apr_aaaaaaaaaa")");
  w.server.on_json("DELETE " + id, 200, waiting);
  const CliRun run = w.run({"rm", "dpl_aaaaaaaaaa", "-y"});
  EXPECT_EQ(run.code, 4);
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err, HasSubstr("apr_aaaaaaaaaa"));
  EXPECT_THAT(run.err, Not(HasSubstr("comes back")));
  const json::object json =
      parse_json(w.run({"rm", "dpl_aaaaaaaaaa", "-y", "--json"}).out)->as_object();
  EXPECT_EQ(array_at(json, "waiting").size(), 1u);
  EXPECT_EQ(array_at(json, "removed").size(), 0u);
}

TEST(Ls, AllAsksForDeletedOnesToo) {
  World w;
  w.server.on_json(
      "GET /v1/deployments", 200,
      R"({"deployments":[)" + World::deployment("deleted") + R"(],"next_cursor":null})");
  EXPECT_THAT(w.run({"ls", "-a"}).out, HasSubstr("deleted"));
  EXPECT_THAT(w.server.requests("GET /v1/deployments").front().target, HasSubstr("state=all"));
}

TEST(Ttl, OfABareNumberIsRefused) {
  World w;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"token", "create", "--ttl", "90"}, {"deploy", "--ttl", "90"}}) {
    const CliRun run = w.run(words);
    EXPECT_EQ(run.code, 2) << words.front();
    EXPECT_THAT(run.err, HasSubstr("24h"));
  }
}

TEST(Login, ThatFailedIsSaidByEveryCommandUntilOneSucceeds) {
  World w;
  w.env.variables.clear();
  ASSERT_TRUE(make_directories(w.env.data_dir));
  ASSERT_TRUE(write_file_atomic(
      w.env.data_dir / "server.json",
      R"({"url":"http://x.example:7070","address":"http://127.0.0.1:7070","token":"t"})"));
  w.server.on_json("GET /v1/deployments", 200, R"({"deployments":[],"next_cursor":null})");
  EXPECT_THAT(w.run({"ls"}).err, Not(HasSubstr("login")));
  // By its number: its name need not resolve here.
  EXPECT_EQ(w.connected_to.back(), "http://127.0.0.1:7070");
  w.server.on_json("GET /v1/whoami", 401, R"({"code":"unauthenticated","message":"no"})");
  EXPECT_NE(w.run({"login", "--server", "http://team.example", "--token", "x"}).code, 0);
  EXPECT_THAT(w.run({"ls"}).err,
              HasSubstr("the login to http://team.example failed: using the local one at"));
  EXPECT_THAT(w.run({"ls", "--server", "http://x.example:7070"}).err, Not(HasSubstr("failed")));
  w.server.on_json("GET /v1/whoami", 200, R"({"actor":{"name":"ann"}})");
  EXPECT_EQ(w.run({"login", "--server", "http://team.example", "--token", "x"}).code, 0);
  EXPECT_THAT(w.run({"ls"}).err, Not(HasSubstr("failed")));
}

}  // namespace
}  // namespace slipway::cli
