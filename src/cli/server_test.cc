#include "cli/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include "cli/testing/world.h"

namespace slipway::cli {
namespace {

using testing::HasSubstr;
using Start = ServerChoice::Start;

TEST(ChooseServer, PrefersWhatIsNearerToTheCommand) {
  CliEnvironment env;
  CommonOptions options;
  const Credentials file{.server = "https://team.example.com/",
                         .token = "filed",
                         .origin = Credentials::Origin::login};
  EXPECT_EQ(choose_server(options, env, std::nullopt), (ServerChoice{"", "", Start::when_down}));
  EXPECT_EQ(choose_server(options, env, file),
            (ServerChoice{"https://team.example.com", "filed", Start::never}));

  env.variables["SLIPWAY_DATA"] = "/tmp/data";
  EXPECT_EQ(choose_server(options, env, file), (ServerChoice{"", "", Start::when_down}));

  env.variables["SLIPWAY_SERVER"] = "localhost:9000";
  EXPECT_EQ(choose_server(options, env, file),
            (ServerChoice{"http://localhost:9000", "", Start::never}));
  env.variables["SLIPWAY_TOKEN"] = "from-env";
  EXPECT_EQ(choose_server(options, env, file).token, "from-env");

  options.server = "https://other.example.com";
  options.token = "flag";
  EXPECT_EQ(choose_server(options, env, file),
            (ServerChoice{"https://other.example.com", "flag", Start::never}));
}

TEST(ChooseServer, NeverSendsTheFiledTokenToAnotherServer) {
  CliEnvironment env;
  CommonOptions options;
  const Credentials file{.server = "https://team.example.com", .token = "filed"};
  options.server = "https://evil.example.com";
  EXPECT_EQ(choose_server(options, env, file).token, "");
  options.server = "https://team.example.com/";
  EXPECT_EQ(choose_server(options, env, file).token, "filed");
}

TEST(ChooseServer, StartsOnlyALocalServerThatWroteTheFileItself) {
  const auto start_of = [](std::string server, Credentials::Origin origin) {
    return choose_server({}, {}, Credentials{std::move(server), "t", origin}).start;
  };
  EXPECT_EQ(start_of("http://localhost:7070", Credentials::Origin::local_server), Start::when_down);
  EXPECT_EQ(start_of("http://127.0.0.1:7070", Credentials::Origin::local_server), Start::when_down);
  EXPECT_EQ(start_of("http://localhost:7070", Credentials::Origin::login), Start::never);
  EXPECT_EQ(start_of("http://localhost.example.com", Credentials::Origin::local_server),
            Start::never);
}

void write_server_file(const World& w, int pid) {
  ASSERT_TRUE(make_directories(w.env.data_dir));
  ASSERT_TRUE(write_file_atomic(
      w.env.data_dir / "server.json",
      fmt::format(R"({{"pid":{},"url":"http://localhost:7070","token":"own"}})", pid)));
}

TEST(ReadServerFile, IgnoresWhatACrashLeftBehind) {
  World w;
  EXPECT_FALSE(read_server_file(w.env.data_dir));
  write_server_file(w, ::getpid());
  ASSERT_TRUE(read_server_file(w.env.data_dir));
  EXPECT_EQ(read_server_file(w.env.data_dir)->token, "own");
  write_server_file(w, 0x3ffffffe);  // above any pid_max
  EXPECT_FALSE(read_server_file(w.env.data_dir));
}

TEST(LocalServer, IsUsedWithItsOwnTokenWhenItRuns) {
  World w;
  w.env.variables.clear();
  write_server_file(w, ::getpid());
  w.server.on_json("GET /v1/whoami", 200, R"({"actor":{"name":"root","kind":"human"}})");
  const CliRun run = w.run({"whoami"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(w.server.requests("GET /v1/whoami").at(0).headers.at("Authorization"), "Bearer own");
  EXPECT_EQ(run.err, "");
}

// Stands in for the binary: `self serve --data DIR`.
void make_self(World& w, std::string_view script) {
  w.env.variables = {{"PATH", "/usr/bin:/bin"}};
  w.env.self = w.env.home / "self";
  ASSERT_TRUE(write_file_atomic(w.env.self, "#!/bin/sh\n" + std::string(script), 0755));
}

TEST(LocalServer, IsStartedByTheFirstCommandAndFoundByTheNext) {
  World w;
  make_self(w,
            "echo x >> \"$3/starts\"\n"
            "echo '{\"pid\":'$$',\"url\":\"http://localhost:1\",\"token\":\"made\"}' > \"$3/s\"\n"
            "mv \"$3/s\" \"$3/server.json\"\n"
            "exec sleep 600\n");
  w.server.on_json("GET /v1/whoami", 200, R"({"actor":{"name":"root","kind":"human"}})");
  const CliRun first = w.run({"whoami"}), second = w.run({"whoami"});
  const std::optional<ServerFile> file = read_server_file(w.env.data_dir);
  ASSERT_TRUE(file);
  ::kill(file->pid, SIGKILL);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.err, "") << "nothing is said about it unless asked";
  EXPECT_EQ(second.code, 0);
  EXPECT_EQ(*read_file(w.env.data_dir / "starts"), "x\n");
  EXPECT_EQ(w.server.requests("GET /v1/whoami").at(1).headers.at("Authorization"), "Bearer made");
}

TEST(LocalServer, ThatDoesNotStartShowsTheEndOfItsLog) {
  World w;
  make_self(w, "echo 'old news'\nprintf 'no overlay: \\033[2J\\n' >&2\nexit 3\n");
  const CliRun run = w.run({"ls"});
  EXPECT_EQ(run.code, 75);
  EXPECT_THAT(run.err, HasSubstr("the local server did not start (exit code 3)"));
  EXPECT_THAT(run.err, HasSubstr("no overlay: \\x1b[2J"));
  EXPECT_THAT(run.err, HasSubstr("slipway doctor"));
  // What is shown is of this start, not of the one before.
  make_self(w, "echo 'new news'\nexit 1\n");
  const CliRun again = w.run({"ls"});
  EXPECT_THAT(again.err, HasSubstr("new news"));
  EXPECT_THAT(again.err, testing::Not(HasSubstr("old news")));
}

TEST(Login, ChecksTheTokenAndKeepsItPrivate) {
  World w;
  w.env.variables.clear();
  w.server.on("GET /v1/whoami", [](const Request& request) {
    if (request.headers.at("Authorization") == "Bearer good")
      return ClientResponse{.status = 200, .headers = {}, .body = R"({"actor":{"name":"ann"}})"};
    return ClientResponse{
        .status = 401, .headers = {}, .body = R"({"code":"unauthenticated","message":"no"})"};
  });
  w.type("bad\n");
  EXPECT_EQ(w.run({"login", "--server", "https://s.example.com"}).code, 77);
  EXPECT_FALSE(std::filesystem::exists(w.env.config_dir / "credentials.json"));

  w.type("good\n");
  const CliRun run = w.run({"login", "--server", "https://s.example.com"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err, "signed in to https://s.example.com as ann\n");
  struct stat status{};
  ASSERT_EQ(::stat((w.env.config_dir / "credentials.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(load_credentials(w.env.config_dir).value(),
            (Credentials{"https://s.example.com", "good", Credentials::Origin::login}));

  w.connected_to.clear();
  EXPECT_EQ(w.run({"whoami"}).code, 0);
  EXPECT_EQ(w.connected_to, std::vector<std::string>{"https://s.example.com"});
}

TEST(Credentials, ThatAreNoJsonAreNamed) {
  World w;
  w.env.variables.clear();
  ASSERT_TRUE(make_directories(w.env.config_dir));
  ASSERT_TRUE(write_file_atomic(w.env.config_dir / "credentials.json", "{"));
  const CliRun run = w.run({"ls"});
  EXPECT_EQ(run.code, 4);
  EXPECT_THAT(run.err, HasSubstr("credentials.json is not valid JSON"));
}

}  // namespace
}  // namespace slipway::cli
