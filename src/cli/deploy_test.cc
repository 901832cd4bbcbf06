#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "cli/testing/world.h"

namespace slipway::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

json::object body_of(const Request& request) { return parse_json(request.body)->as_object(); }

TEST(Deploy, PrintsTheUrlAloneOnStdout) {
  World w;
  const CliRun run = w.run({"deploy"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "http://shop-aaaaaaaaaa.localhost:7070\n");
  EXPECT_THAT(run.err, HasSubstr("start done in 12ms: static files"));
  EXPECT_THAT(run.err, HasSubstr("http://preview--shop.localhost:7070"));
}

TEST(Deploy, SaysNothingElseWhenQuiet) {
  World w;
  const CliRun run = w.run({"deploy", "-q"});
  EXPECT_EQ(run.out, "http://shop-aaaaaaaaaa.localhost:7070\n");
  EXPECT_EQ(run.err, "");
}

TEST(Deploy, NamesTheProjectAfterTheFolderAndSendsWhatWasAsked) {
  World w;
  w.env.variables["FROM_SHELL"] = "inherited";
  const CliRun run = w.run({"deploy", ".", "-e", "A=b=c", "-e", "FROM_SHELL", "-b", "CI=1", "--ttl",
                            "90m", "--alias", "beta", "-m", "try", "--start", "node x.js"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto requests = w.server.requests("POST /v1/deployments");
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_FALSE(requests[0].headers.at("Idempotency-Key").empty());
  EXPECT_EQ(requests[0].headers.at("Authorization"), "Bearer tok");
  const json::object body = body_of(requests[0]);
  EXPECT_EQ(text_at(body, "project"), "shop");
  EXPECT_EQ(text_at(body, "upload"), "upl_aaaaaaaaaa");
  EXPECT_EQ(text_at(body, "alias"), "beta");
  EXPECT_EQ(text_at(body, "message"), "try");
  EXPECT_EQ(number_at(body, "ttl_ms"), 90 * 60 * 1000);
  EXPECT_EQ(object_at(body, "env"), (json::object{{"A", "b=c"}, {"FROM_SHELL", "inherited"}}));
  EXPECT_EQ(object_at(body, "build_env"), (json::object{{"CI", "1"}}));
  EXPECT_EQ(object_at(body, "overrides"), (json::object{{"start", "node x.js"}}));
}

TEST(Deploy, SendsOnlyTheChangeTheSecondTime) {
  World w;
  ASSERT_EQ(w.run({"deploy"}).code, 0);
  w.write("about.html", "new");
  ASSERT_EQ(w.run({"deploy"}).code, 0);
  const auto uploads = w.server.requests("POST /v1/uploads");
  ASSERT_EQ(uploads.size(), 2u);
  EXPECT_TRUE(body_of(uploads[0]).contains("manifest"));
  const json::object delta = object_at(body_of(uploads[1]), "delta");
  ASSERT_EQ(array_at(delta, "changed").size(), 1u);
  EXPECT_EQ(text_at(array_at(delta, "changed")[0].as_object(), "path"), "about.html");
  EXPECT_EQ(text_at(array_at(delta, "changed")[0].as_object(), "mode"), "f");
  EXPECT_EQ(text_at(array_at(delta, "changed")[0].as_object(), "digest"), sha256("new").str());
}

TEST(Deploy, FallsBackToTheFullManifestWhenTheServerForgot) {
  World w;
  ASSERT_EQ(w.run({"deploy"}).code, 0);
  w.known_manifests.clear();
  const CliRun run = w.run({"deploy"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto uploads = w.server.requests("POST /v1/uploads");
  ASSERT_EQ(uploads.size(), 3u);
  EXPECT_TRUE(body_of(uploads[1]).contains("delta"));
  EXPECT_TRUE(body_of(uploads[2]).contains("manifest"));
}

TEST(Deploy, SkipsThePackWhenNothingIsMissing) {
  World w;
  w.server.on_json("POST /v1/uploads", 201, R"({"id":"upl_aaaaaaaaaa","missing":[]})");
  ASSERT_EQ(w.run({"deploy"}).code, 0);
  EXPECT_TRUE(w.server.requests("PUT /v1/uploads/upl_aaaaaaaaaa/pack").empty());
}

TEST(Deploy, StartsOverWhenAFileChangedWhileItWasSent) {
  World w;
  int sent = 0;
  w.server.on("PUT /v1/uploads/upl_aaaaaaaaaa/pack", [&](const Request&) {
    if (++sent == 1)
      return ClientResponse{
          .status = 422,
          .headers = {},
          .body = R"({"code":"corrupt","message":"a blob does not match its digest"})"};
    return ClientResponse{.status = 200, .headers = {}, .body = R"({"files":1,"bytes":9})"};
  });
  const CliRun run = w.run({"deploy"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(sent, 2);
  EXPECT_THAT(run.err, HasSubstr("a file changed while it was sent"));
}

TEST(Deploy, TellsThatDotenvFilesStayBehind) {
  World w;
  w.write(".env", "SECRET=hunter2");
  const CliRun run = w.run({"deploy"});
  EXPECT_THAT(run.err, HasSubstr(".env"));
  for (const Request& request : w.server.requests("POST /v1/uploads"))
    EXPECT_THAT(request.body, Not(HasSubstr(".env")));
}

constexpr std::string_view build_error =
    R"({"code":"build_failed","message":"npm ci exited with code 1","hint":"mend the lockfile",)"
    R"("phase":"install","command":"npm ci","exit_code":1,"cause":"lockfile_mismatch",)"
    R"("file":"package.json","line":3,"excerpt":["Missing: \u001b[2Jleft-pad"],)"
    R"("next":[{"command":"npm install","when":"to mend it"}]})";

void make_fail(World& w) {
  w.events({"event: log\ndata: {\"line\":\"npm ERR! \\u001b]0;x\\u0007\",\"step\":\"install\"}\n\n",
            "event: done\ndata: " + World::deployment("failed", build_error) + "\n\n"});
}

TEST(Deploy, ExplainsAFailureWithExitCode7) {
  World w;
  make_fail(w);
  const CliRun run = w.run({"deploy"});
  EXPECT_EQ(run.code, 7);
  EXPECT_EQ(run.out, "");
  for (const char* part : {"npm ci exited with code 1", "package.json:3", "mend the lockfile",
                           "npm install", "lockfile_mismatch", "Missing: \\x1b[2Jleft-pad",
                           "npm ERR! \\x1b]0;x\\x07", "slipway logs dpl_aaaaaaaaaa --build"})
    EXPECT_THAT(run.err, HasSubstr(part));
  EXPECT_EQ(run.err.find('\x1b'), std::string::npos);
}

TEST(Deploy, GivesTheErrorAsJsonWithTheSameExitCode) {
  World w;
  make_fail(w);
  const CliRun run = w.run({"deploy", "--json"});
  EXPECT_EQ(run.code, 7);
  const json::object object = parse_json(run.out)->as_object();
  EXPECT_EQ(text_at(object, "state"), "failed");
  EXPECT_EQ(text_at(object_at(object, "error"), "code"), "build_failed");
}

TEST(Deploy, TakesUpABrokenStreamWhereItWas) {
  World w;
  int streams = 0;
  w.server.on_stream(
      "/v1/deployments/dpl_aaaaaaaaaa/events", [&](const FakeServer::Send& send) -> Status {
        if (++streams == 1) {
          SLIPWAY_CHECK(
              send("id: feed.1\nevent: step\ndata: {\"name\":\"build\",\"state\":\"running\"}\n\n"
                   "id: feed.2\nevent: log\ndata: {\"line\":\"first\"}\n\nid: feed.3\nevent: lo"));
          return fail(Errc::unavailable, "broke off");
        }
        SLIPWAY_CHECK(send("id: feed.3\nevent: log\ndata: {\"line\":\"second\"}\n\n"));
        return send("event: done\ndata: " + World::deployment("ready") + "\n\n");
      });
  const CliRun run = w.run({"deploy", "--verbose"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(streams, 2);
  EXPECT_EQ(w.server.requests("GET /v1/deployments/dpl_aaaaaaaaaa/events").back().target,
            "/v1/deployments/dpl_aaaaaaaaaa/events?after=feed.2")
      << "half an event does not count";
  EXPECT_EQ(run.err.find("first"), run.err.rfind("first"));
  EXPECT_THAT(run.err, HasSubstr("second"));
}

// A server that was killed makes the deployment again, from its source: all of that is shown.
TEST(Deploy, ShowsWhatARestartedServerDoesAgain) {
  World w;
  int streams = 0;
  w.server.on_stream(
      "/v1/deployments/dpl_aaaaaaaaaa/events", [&](const FakeServer::Send& send) -> Status {
        const std::string feed = ++streams == 1 ? "one" : "two";
        SLIPWAY_CHECK(send(
            "id: " + feed +
            ".1\nevent: step\ndata: {\"name\":\"build\",\"state\":\"running\"}\n\nid: " + feed +
            ".2\nevent: log\ndata: {\"line\":\"said by " + feed + "\"}\n\n"));
        if (streams == 1) return fail(Errc::unavailable, "broke off");
        return send("event: done\ndata: " + World::deployment("ready") + "\n\n");
      });
  const CliRun run = w.run({"deploy", "--verbose"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("said by one"));
  EXPECT_THAT(run.err, HasSubstr("said by two"));
  EXPECT_THAT(run.err, HasSubstr("the server restarted"));
}

TEST(Deploy, DoesNotWaitWhenToldSo) {
  World w;
  const CliRun run = w.run({"deploy", "--no-wait"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, "http://shop-aaaaaaaaaa.localhost:7070\n");
  EXPECT_TRUE(w.server.requests("GET /v1/deployments/dpl_aaaaaaaaaa/events").empty());
}

TEST(Deploy, DryRunShowsThePlanAndDeploysNothing) {
  World w;
  w.server.on_json("POST /v1/plan", 200,
                   R"({"project":"shop","plan":{"services":[{"name":"web","provider":"static",)"
                   R"("framework":null,"static":true,"output_dir":"."}],"warnings":[]},)"
                   R"("changed":{"base":"dpl_bbbbbbbbbb","added":[],"modified":["index.html"],)"
                   R"("removed":[]}})");
  const CliRun run = w.run({"deploy", "--dry-run"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("static"));
  EXPECT_THAT(run.out, HasSubstr("1 file since dpl_bbbbbbbbbb: ~index.html"));
  EXPECT_TRUE(w.server.requests("POST /v1/deployments").empty());
}

struct BadInput {
  std::vector<std::string> words;
  std::string message;
};

TEST(Deploy, RefusesBadInputBeforeTheServerIsAsked) {
  const BadInput cases[] = {
      {{"deploy", "nowhere"}, "there is no folder nowhere"},
      {{"deploy", "index.html"}, "index.html is a file"},
      {{"deploy", "--project", "My Shop"}, "--project my-shop"},
      {{"deploy", "--alias", "a--b"}, "--alias a-b"},
      {{"deploy", "--ttl", "soon"}, "--ttl 'soon' is no length of time"},
      {{"deploy", "-e", "1A=x"}, "'1A' is no name for a variable"},
      {{"deploy", "-e", "NOT_SET_ANYWHERE"}, "your environment has no NOT_SET_ANYWHERE"},
      {{"deploy", "/"}, "/ is the whole file system"},
      {{"deploy", ".."}, "is your home folder"},
  };
  World w;
  for (const BadInput& bad : cases) {
    const CliRun run = w.run(bad.words);
    EXPECT_EQ(run.code, 2) << bad.message;
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, HasSubstr(bad.message));
    EXPECT_THAT(run.err, StartsWith("error: "));
  }
  EXPECT_TRUE(w.server.requests("POST /v1/uploads").empty());
}

TEST(Deploy, RefusesAnEmptyFolder) {
  World w;
  ASSERT_TRUE(make_directories(w.env.cwd / "empty"));
  const CliRun run = w.run({"deploy", "empty"});
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(run.err, HasSubstr("has no files to deploy"));
}

TEST(Deploy, AsksBeforeAHomeFolderOnATerminal) {
  World w;
  w.env.in_tty = true;
  w.type("n\n");
  const CliRun no = w.run({"deploy", ".."});
  EXPECT_EQ(no.code, 130);
  EXPECT_THAT(no.err, HasSubstr("Upload all of it? [y/N]"));
  w.type("yes\n");
  EXPECT_EQ(w.run({"deploy", "..", "--project", "home"}).code, 0);
  w.env.in_tty = false;
  EXPECT_EQ(w.run({"deploy", "..", "--project", "home", "-y"}).code, 0);
}

TEST(Deploy, RefusesATeamThatTheServerDoesNotHave) {
  World w;
  w.server.on_json("GET /v1/whoami", 200, R"({"team":"default"})");
  EXPECT_EQ(w.run({"deploy", "--team", "default"}).code, 0);
  const CliRun run = w.run({"deploy", "--team", "other"});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr("you are in team 'default'"));
}

// A Ctrl-C while the app is built: the deployment goes, over a connection of its own.
TEST(DeployInterrupt, RemovesTheDeploymentAndEndsWith130) {
  World w;
  w.server.on_json("DELETE /v1/deployments/dpl_aaaaaaaaaa", 200, World::deployment("deleted"));
  w.server.on_stream(
      "/v1/deployments/dpl_aaaaaaaaaa/events", [&](const FakeServer::Send& send) -> Status {
        SLIPWAY_CHECK(send("event: step\ndata: {\"name\":\"build\",\"state\":\"running\"}\n\n"));
        ::kill(::getpid(), SIGINT);
        if (!w.server.wait_for("DELETE /v1/deployments/dpl_aaaaaaaaaa"))
          return fail(Errc::internal, "nobody removed it");
        return send("event: done\ndata: " + World::deployment("deleted") + "\n\n");
      });
  const CliRun run = w.run({"deploy"});
  EXPECT_EQ(run.code, 130);
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err, HasSubstr("canceled; dpl_aaaaaaaaaa was removed"));
}

// One that comes while the request for the deployment is under way must not be lost.
TEST(DeployInterrupt, RemovesADeploymentThatWasJustBeingMade) {
  World w;
  w.server.on_json("DELETE /v1/deployments/dpl_aaaaaaaaaa", 200, World::deployment("deleted"));
  w.server.on("POST /v1/deployments", [](const Request&) {
    ::kill(::getpid(), SIGTERM);
    return ClientResponse{.status = 202, .headers = {}, .body = World::deployment("queued")};
  });
  w.server.on_stream("/v1/deployments/dpl_aaaaaaaaaa/events",
                     [&](const FakeServer::Send& send) -> Status {
                       if (!w.server.wait_for("DELETE /v1/deployments/dpl_aaaaaaaaaa"))
                         return fail(Errc::internal, "nobody removed it");
                       return send("event: done\ndata: " + World::deployment("deleted") + "\n\n");
                     });
  EXPECT_EQ(w.run({"deploy"}).code, 130);
}

TEST(DeployInterruptDeathTest, EndsAtOnceBeforeAnythingWasMade) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  World w;
  w.server.on("POST /v1/uploads", [&](const Request&) {
    ::kill(::getpid(), SIGINT);
    EXPECT_FALSE(w.server.wait_for("GET /never"));  // the signal ends the process meanwhile
    return ClientResponse{};
  });
  EXPECT_EXIT((void)w.run({"deploy"}), testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace slipway::cli
