#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command.h"
#include "cli/testing/world.h"

namespace slipway::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Help, OfEveryCommandShowsUsageAndExamples) {
  World w;
  const std::string overview = w.run({"--help"}).out;
  for (const Command& command : commands()) {
    EXPECT_THAT(overview, HasSubstr(command.summary.substr(0, 30)));
    for (const auto& words : {std::vector<std::string>{std::string(command.name), "--help"},
                              std::vector<std::string>{"help", std::string(command.name)}}) {
      const CliRun run = w.run(words);
      EXPECT_EQ(run.code, 0) << command.name;
      EXPECT_THAT(run.out, HasSubstr(fmt::format("Usage\n  slipway {}", command.name)));
      EXPECT_THAT(run.out, HasSubstr("Examples\n  "));
      EXPECT_EQ(run.err, "");
    }
  }
}

TEST(Help, ExamplesAreCommandLinesThatParse) {
  for (const Command& command : commands()) {
    EXPECT_THAT(command.examples, HasSubstr("slipway " + std::string(command.name)));
    Arguments arguments;
    CommonOptions common;
    const Action keep = command.define(arguments, common);
    add_common_options(arguments, common);
    for (const Arguments::Option& option : arguments.options()) {
      EXPECT_FALSE(option.help.empty()) << command.name << " --" << option.name;
      EXPECT_EQ(option.takes_value(), !option.placeholder.empty()) << option.name;
    }
  }
}

// docs/cli.md names every command and every option of it, in the command's own section.
TEST(Help, AgreesWithTheManual) {
  const std::string manual = *read_file(std::string(SLIPWAY_SOURCE_DIR) + "/docs/cli.md");
  for (const Command& command : commands()) {
    const auto begin = manual.find(fmt::format("\n## {}\n", command.name));
    ASSERT_NE(begin, std::string::npos) << command.name;
    const std::string section = manual.substr(begin, manual.find("\n## ", begin + 1) - begin);
    Arguments arguments;
    CommonOptions common;
    const Action keep = command.define(arguments, common);
    EXPECT_THAT(section, HasSubstr(fmt::format("slipway {}", command.name)));
    for (const Arguments::Option& option : arguments.options()) {
      EXPECT_THAT(section, HasSubstr("`--" + option.name)) << command.name;
      if (option.letter != 0)
        EXPECT_THAT(section, HasSubstr(fmt::format("`-{}`", option.letter))) << command.name;
    }
  }
}

TEST(Usage, MistakesAreToldAsJsonWhereverThatIsAskedFor) {
  World w;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"deploy", "--bogus", "--json"}, {"deplyo", "--json"}}) {
    const CliRun run = w.run(words);
    EXPECT_EQ(run.code, 2);
    const auto told = parse_json(run.out);
    ASSERT_TRUE(told) << run.out;
    EXPECT_EQ(text_at(object_at(told->as_object(), "error"), "code"), "invalid_argument");
  }
  EXPECT_EQ(w.run({"deploy", "--bogus", "--", "--json"}).out, "");
}

TEST(Usage, MistakesAreExitCode2WithAHint) {
  World w;
  const CliRun command = w.run({"deply"});
  EXPECT_EQ(command.code, 2);
  EXPECT_THAT(command.err, HasSubstr("did you mean: slipway deploy"));
  const CliRun option = w.run({"ls", "--projet", "x"});
  EXPECT_EQ(option.code, 2);
  EXPECT_THAT(option.err, HasSubstr("did you mean --project?"));
  const CliRun missing = w.run({"inspect"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("ID is missing"));
  const CliRun nothing = w.run({});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_EQ(nothing.out, "");
  EXPECT_THAT(nothing.err, HasSubstr("Usage"));
}

TEST(Usage, OptionsMayComeBeforeTheCommand) {
  World w;
  w.server.on_json("GET /v1/deployments", 200, R"({"deployments":[],"next_cursor":null})");
  EXPECT_EQ(w.run({"--server", "http://elsewhere", "-q", "ls"}).code, 0);
  EXPECT_EQ(w.connected_to.back(), "http://elsewhere");
}

TEST(Version, IsPrintedInEveryWayPeopleTry) {
  World w;
  for (const auto& words : {std::vector<std::string>{"--version"}, {"version"}, {"-V"}}) {
    const CliRun run = w.run(words);
    EXPECT_EQ(run.code, 0);
    EXPECT_EQ(run.out, "slipway " SLIPWAY_VERSION "\n");
  }
}

TEST(Errors, CarryTheirExitCodesAndComeAsJsonWhenAsked) {
  struct Case {
    int status;
    const char* code;
    int exit_code;
  };
  const Case cases[] = {{404, "not_found", 3},        {409, "conflict", 4},
                        {402, "over_budget", 5},      {403, "denied_by_policy", 6},
                        {401, "unauthenticated", 77}, {503, "unavailable", 75},
                        {500, "internal", 70},        {429, "rate_limited", 75}};
  World w;
  for (const Case& c : cases) {
    w.server.on_json(
        "GET /v1/deployments/x", c.status,
        fmt::format(R"({{"code":"{}","message":"because","hint":"do this"}})", c.code));
    const CliRun run = w.run({"inspect", "x", "--json"});
    EXPECT_EQ(run.code, c.exit_code) << c.code;
    const json::object error = object_at(parse_json(run.out)->as_object(), "error");
    EXPECT_EQ(text_at(error, "code"), c.code);
    EXPECT_THAT(run.err, HasSubstr("error: because"));
  }
}

TEST(Errors, OfWhatWaitsForPeopleAreNoDenials) {
  World w;
  for (const auto& [verdict, code] : {std::pair("pending", 4), {"deny", 6}}) {
    w.server.on_json("GET /v1/deployments/x", 403,
                     fmt::format(R"({{"code":"denied_by_policy","message":"because","decision":)"
                                 R"({{"verdict":"{}"}}}})",
                                 verdict));
    EXPECT_EQ(w.run({"inspect", "x"}).code, code) << verdict;
  }
}

TEST(Errors, OfSomethingThatIsNoSlipwayServerAreClear) {
  World w;
  w.server.on_json("GET /v1/deployments/x", 502, "<html>Bad Gateway</html>");
  const CliRun bad_gateway = w.run({"inspect", "x"});
  EXPECT_EQ(bad_gateway.code, 75);
  EXPECT_THAT(bad_gateway.err, HasSubstr("http://test answered with status 502"));
  w.server.on_json("GET /v1/deployments/x", 200, "<html>hello</html>");
  EXPECT_THAT(w.run({"inspect", "x"}).err, HasSubstr("something that is not Slipway's"));
}

constexpr std::string_view three_rows =
    R"({"deployments":[
      {"id":"dpl_aaaaaaaaaa","project":"shop","alias":"preview","state":"ready","url":"http://a"},
      {"id":"dpl_bbbbbbbbbb","project":"shop","alias":"preview","state":"deleted","url":"http://b"},
      {"id":"dpl_cccccccccc","project":"b\u001b[2Jlog","alias":"x","state":"failed","url":"http://c"}
    ],"next_cursor":null})";

TEST(Ls, ShowsWhatIsNotOverYet) {
  World w;
  w.server.on_json("GET /v1/deployments", 200, std::string(three_rows));
  const CliRun run = w.run({"ls"});
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.out, HasSubstr("ID              PROJECT"));
  EXPECT_THAT(run.out, HasSubstr("dpl_aaaaaaaaaa"));
  EXPECT_THAT(run.out, Not(HasSubstr("dpl_bbbbbbbbbb")));
  EXPECT_THAT(run.out, HasSubstr("b\\x1b[2Jlog"));
  EXPECT_THAT(w.run({"ls", "--all"}).out, HasSubstr("dpl_bbbbbbbbbb"));
}

TEST(Ls, ReadsPagesUntilTheLimit) {
  World w;
  int page = 0;
  w.server.on("GET /v1/deployments", [&](const Request& request) {
    if (request.target.contains("serves=true"))
      return ClientResponse{.status = 200, .headers = {}, .body = R"({"deployments":[
        {"id":"dpl_aaaaaaaaaa","state":"ready","serves":[{"environment":"staging"}]},
        {"id":"dpl_old2222222","state":"expired","serves":[{"environment":"production"}]}]})"};
    EXPECT_EQ(request.target.contains("cursor=p%201"), page == 1) << request.target;
    ++page;
    return ClientResponse{
        .status = 200,
        .headers = {},
        .body = R"({"deployments":[{"id":"dpl_aaaaaaaaaa","state":"ready"}],"next_cursor":"p 1"})"};
  });
  const CliRun run = w.run({"ls", "--limit", "2", "--json"});
  EXPECT_EQ(page, 2);
  // What serves production is there as well, however old it is, and though its preview is over.
  EXPECT_EQ(array_at(parse_json(run.out)->as_object(), "deployments").size(), 3u);
  EXPECT_THAT(run.out, HasSubstr("dpl_old2222222"));
}

TEST(Logs, AreDefusedForATerminalAndKeepColoursThereOnly) {
  World w;
  w.server.on_stream("/v1/deployments/shop/logs", [](const FakeServer::Send& send) {
    return send(
        "{\"time\":\"t\",\"stream\":\"out\",\"line\":\"\\u001b[32mok\\u001b[0m "
        "\\u001b[2J\\u009b\"}\n");
  });
  EXPECT_EQ(w.run({"logs", "shop"}).out, "ok \\x1b[2J\\x9b\n");
  w.env.out_tty = true;
  EXPECT_EQ(w.run({"logs", "shop"}).out, "\x1b[32mok\x1b[0m \\x1b[2J\\x9b\x1b[0m\n");
  w.env.variables["NO_COLOR"] = "1";
  EXPECT_EQ(w.run({"logs", "shop"}).out, "ok \\x1b[2J\\x9b\n");
  const std::string as_json = w.run({"logs", "shop", "--json"}).out;
  EXPECT_EQ(as_json.find_first_of("\x1b\xc2"), std::string::npos);
  EXPECT_EQ(text_at(parse_json(as_json)->as_object(), "line"), "\x1b[32mok\x1b[0m \x1b[2J\xc2\x9b");
}

TEST(Logs, PassTheirQuestionsOn) {
  World w;
  w.server.on_stream("/v1/deployments/shop/logs", [](const FakeServer::Send&) { return Status{}; });
  const CliRun run =
      w.run({"logs", "shop", "--build", "-f", "--since", "10m", "--filter", "a b", "--tail", "5"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(w.run({"logs", "shop", "--since", "yesterday"}).code, 2);
  EXPECT_THAT(w.run({"logs", "shop"}).err, HasSubstr("slipway logs shop --build"));
  EXPECT_TRUE(w.server.wait_for(
      "GET /v1/deployments/shop/logs?kind=build&follow=1&since=10m&filter=a%20b&tail=5"));
}

TEST(Logs, AreTakenUpAgainBehindTheLastWholeLine) {
  World w;
  int streams = 0;
  w.server.on_stream("/v1/deployments/shop/logs", [&](const FakeServer::Send& send) -> Status {
    const auto line = [](std::string_view text, int number) {
      return fmt::format(
          "{{\"time\":\"t\",\"stream\":\"out\",\"line\":\"{}\",\"cursor\":\"100.{}\"}}\n", text,
          number);
    };
    if (++streams == 1) {
      SLIPWAY_CHECK(send(line("one", 1) + line("two", 2) + line("three", 3).substr(0, 20)));
      return fail(Errc::unavailable, "broke off");
    }
    if (streams == 2) return {};  // a server that stops ends its streams in order
    return send(line("three", 3));
  });
  w.server.on("GET /v1/deployments/shop", [&](const Request&) {
    return ClientResponse{
        .status = 200, .headers = {}, .body = World::deployment(streams < 3 ? "ready" : "deleted")};
  });
  const CliRun run = w.run({"logs", "shop", "-f", "--tail", "7"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "one\ntwo\nthree\n");
  EXPECT_TRUE(w.server.wait_for("GET /v1/deployments/shop/logs?kind=run&follow=1&tail=7"));
  EXPECT_TRUE(w.server.wait_for("GET /v1/deployments/shop/logs?kind=run&follow=1&after=100.2"));
}

TEST(Rm, LooksAllUpBeforeItRemovesAny) {
  World w;
  w.server.on_json("GET /v1/deployments/a", 200, World::deployment("ready"));
  w.server.on_json("DELETE /v1/deployments/dpl_aaaaaaaaaa", 200, World::deployment("deleted"));
  EXPECT_EQ(w.run({"rm", "a", "typo", "-y"}).code, 3);
  EXPECT_TRUE(w.server.requests("DELETE /v1/deployments/dpl_aaaaaaaaaa").empty());
  const CliRun run = w.run({"rm", "a", "-y"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, "dpl_aaaaaaaaaa\n");
  EXPECT_THAT(run.err, HasSubstr("slipway undo"));
}

TEST(Rm, AsksOnATerminalUnlessToldNotTo) {
  World w;
  w.env.in_tty = true;
  w.server.on_json("GET /v1/deployments/a", 200, World::deployment("ready"));
  w.server.on_json("DELETE /v1/deployments/dpl_aaaaaaaaaa", 200, World::deployment("deleted"));
  w.type("\n");
  const CliRun no = w.run({"rm", "a"});
  EXPECT_EQ(no.code, 130);
  EXPECT_THAT(no.err, HasSubstr("Remove 1 deployment? [y/N]"));
  EXPECT_EQ(w.run({"rm", "a", "-y"}).code, 0);
}

TEST(Undo, PrintsTheUrlThatIsBack) {
  World w;
  EXPECT_EQ(w.run({"undo"}).code, 3);
  w.server.on_json("POST /v1/undo", 200, World::deployment("ready"));
  const CliRun run = w.run({"undo", "dpl_aaaaaaaaaa"});
  EXPECT_EQ(run.out, "http://shop-aaaaaaaaaa.localhost:7070\n");
  EXPECT_THAT(w.server.requests("POST /v1/undo").back().body, HasSubstr("dpl_aaaaaaaaaa"));
}

TEST(Open, AndEnvPullAndLoginPrintJsonWhenAsked) {
  World w;
  w.server.on_json("GET /v1/deployments/shop", 200, World::deployment("ready"));
  EXPECT_EQ(text_at(parse_json(w.run({"open", "shop", "--json"}).out)->as_object(), "id"),
            "dpl_aaaaaaaaaa");
  w.server.on_json("GET /v1/projects/shop/environments/preview/env", 200,
                   R"({"version":3,"vars":[{"name":"A","value":"1","secret":false}]})");
  const CliRun pulled = w.run({"env", "pull", "--project", "shop", "--json"});
  EXPECT_EQ(number_at(parse_json(pulled.out)->as_object(), "version"), 3);
  EXPECT_EQ(w.run({"env", "pull", "--project", "shop"}).out, "A=\"1\"\n");
  w.server.on_json("GET /v1/whoami", 200, R"({"actor":{"name":"ann"},"role":"admin"})");
  const CliRun in = w.run({"login", "--server", "http://team.example", "--token", "x", "--json"});
  EXPECT_EQ(text_at(parse_json(in.out)->as_object(), "signed_in_to"), "http://team.example");
}

TEST(Env, SetSaysThatItMadeAProject) {
  World w;
  const auto set = [&](bool created) {
    w.server.on_json("POST /v1/projects/shpo/environments/preview/env", 200,
                     fmt::format(R"({{"version":1,"vars":[],"project_created":{}}})", created));
    return w.run({"env", "set", "A=b", "--project", "shpo"}).err;
  };
  EXPECT_THAT(set(true), HasSubstr("there was no project shpo"));
  EXPECT_THAT(set(false), Not(HasSubstr("there was no project")));
}

TEST(Policy, CheckNamesNoLineWhereThereIsNone) {
  World w;
  w.write("one.toml", R"([[rule]]
id = "agents"
on = ["build"]
enforce = "advisory"
message = "{subject} is an agent"
violations = "SELECT actor_name AS subject FROM request WHERE actor_kind = 'agent'"
[[rule.test]]
expect = "deny"
request = { actor_kind = "agent" }
[[rule.test]]
expect = "pass"
)");
  const CliRun run = w.run({"policy", "check", "one.toml"});
  EXPECT_THAT(run.out, HasSubstr("warning: no rule is on promote"));
  EXPECT_THAT(run.out, Not(HasSubstr("line 0")));
}

TEST(Policy, WithoutRulesIsNoPolicy) {
  World w;
  w.write("none.toml", "");
  const CliRun run = w.run({"policy", "check", "none.toml"});
  EXPECT_NE(run.code, 0);
  EXPECT_THAT(run.out, HasSubstr("the file has no rule"));
  EXPECT_THAT(run.out, Not(HasSubstr("line 0")));
}

TEST(Open, OnlyPrintsWhereThereIsNoDesktop) {
  World w;
  w.server.on_json("GET /v1/deployments/shop", 200, World::deployment("ready"));
  EXPECT_EQ(w.run({"open", "shop"}).out, "http://shop-aaaaaaaaaa.localhost:7070\n");
}

TEST(Detect, WorksOnTheFolderWithoutAServer) {
  World w;
  const CliRun run = w.run({"detect", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const json::array services = array_at(parse_json(run.out)->as_object(), "services");
  ASSERT_EQ(services.size(), 1u);
  EXPECT_EQ(text_at(services[0].as_object(), "provider"), "static");
  EXPECT_TRUE(w.connected_to.empty());
}

TEST(Doctor, LooksAtTheHostForALocalServerOnly) {
  World w;
  w.server.on_json("GET /v1/whoami", 200, R"({"server":{"version":"0.1.0"}})");
  const CliRun remote = w.run({"doctor"});
  EXPECT_EQ(remote.code, 0);
  EXPECT_EQ(remote.out, "ok    server            http://test version 0.1.0\n");

  w.env.variables.clear();
  const CliRun local = w.run({"doctor", "--json"});
  const json::object answer = parse_json(local.out)->as_object();
  EXPECT_GT(array_at(answer, "checks").size(), 1u);
  EXPECT_EQ(local.code, answer.at("ok").as_bool() ? 0 : 4);
  const json::object last = array_at(answer, "checks").back().as_object();
  EXPECT_EQ(text_at(last, "name"), "server");
  EXPECT_EQ(text_at(last, "state"), "warn");
  EXPECT_THAT(text_at(last, "fix"), HasSubstr("slipway serve"));
}

TEST(Doctor, FailsWhenTheServerDoesNotKnowUs) {
  World w;
  w.server.on_json("GET /v1/whoami", 401, R"({"code":"unauthenticated","message":"no"})");
  const CliRun run = w.run({"doctor"});
  EXPECT_EQ(run.code, 4);
  EXPECT_THAT(run.out, HasSubstr("slipway login --server http://test"));
}

TEST(Serve, HandsItsOptionsOver) {
  World w;
  ServeOptions seen;
  w.env.serve = [&](const ServeOptions& options) {
    seen = options;
    return 42;
  };
  EXPECT_EQ(w.run({"serve", "--data", "d", "--listen", "127.0.0.1:0", "--domain", "x.test"}).code,
            42);
  EXPECT_EQ(seen.data, w.env.cwd / "d");
  EXPECT_EQ(seen.listen, "127.0.0.1:0");
  EXPECT_EQ(seen.domain, "x.test");
  EXPECT_EQ(seen.config, std::nullopt);
}

TEST(Completion, KnowsCommandsOptionsAndDeployments) {
  World w;
  w.server.on_json("GET /v1/deployments", 200, std::string(three_rows));
  w.server.on_json("GET /v1/projects", 200, R"({"projects":[{"name":"shop"}]})");
  EXPECT_EQ(w.run({"__complete", "dep"}).out, "deploy\tDeploy a folder and print its URL\n");
  EXPECT_THAT(w.run({"__complete", "logs", "--fol"}).out, HasSubstr("--follow\t"));
  EXPECT_EQ(w.run({"__complete", "deploy", ""}).out, ":folders\n");
  EXPECT_EQ(w.run({"__complete", "inspect", "dpl_a"}).out, "dpl_aaaaaaaaaa\tshop ready\n");
  EXPECT_EQ(w.run({"__complete", "inspect", "dpl_aaaaaaaaaa", ""}).out, "");
  EXPECT_EQ(w.run({"__complete", "rm", "dpl_aaaaaaaaaa", "dpl_b"}).out,
            "dpl_bbbbbbbbbb\tshop deleted\n");
  EXPECT_EQ(w.run({"__complete", "ls", "--project", "s"}).out, "shop\tproject\n");
  EXPECT_EQ(w.run({"__complete", "ls", "--project=s"}).out, "--project=shop\tproject\n");
  EXPECT_EQ(w.run({"__complete", "ls", "--project", "=", "s"}).out, "shop\tproject\n");
  EXPECT_EQ(w.run({"__complete", "completion", ""}).out, "bash\nzsh\nfish\n");
  EXPECT_THAT(w.run({"__complete", ""}).out, Not(HasSubstr("__complete")));
}

TEST(Completion, NeverStartsAServerNorFails) {
  World w;
  w.env.variables.clear();
  w.env.self = "/bin/false";
  const CliRun run = w.run({"__complete", "inspect", ""});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, "");
  EXPECT_FALSE(std::filesystem::exists(w.env.data_dir));
  for (const char* shell : {"bash", "zsh", "fish"})
    EXPECT_THAT(w.run({"completion", shell}).out, HasSubstr("slipway __complete"));
  EXPECT_EQ(w.run({"completion", "tcsh"}).code, 2);
}

}  // namespace
}  // namespace slipway::cli
