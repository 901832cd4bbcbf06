#include "build/image_config.h"

#include <gtest/gtest.h>

#include "build/base_images.h"
#include "build/image_build.h"
#include "build/image_reference.h"

namespace slipway {
namespace {

TEST(ImageReference, IsWrittenInFull) {
  EXPECT_EQ(ImageReference::parse("node")->str(), "docker.io/library/node:latest");
  EXPECT_EQ(ImageReference::parse("me/app:2")->str(), "docker.io/me/app:2");
  EXPECT_EQ(ImageReference::parse("localhost:5000/a/b")->str(), "localhost:5000/a/b:latest");
  const std::string digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(ImageReference::parse("ghcr.io/a/b@" + digest)->str(), "ghcr.io/a/b@" + digest);
}

TEST(ImageReference, RefusesWhatCouldMeanAPath) {
  for (const char* text : {"", "../x", "a/../b", "a//b", "/etc", "A", "a:..", "a b", "x:y:z",
                           "a@sha256:12", "reg.io:port/x", "a.tar/", "dir:/etc"})
    EXPECT_FALSE(ImageReference::parse(text)) << text;
}

TEST(ImageConfig, ReadsWhatAnImageSaysOfItself) {
  const auto config = parse_image_config(R"({"Docker":{"config":{"User":"web",
    "ExposedPorts":{"9090/udp":{},"8080/tcp":{},"443":{}},"Env":["PATH=/bin","A=b=c","=x","no"],
    "Entrypoint":["/e"],"Cmd":["-p","1"],"WorkingDir":"/srv","StopSignal":"SIGQUIT",
    "Volumes":{"/data":{},"relative":{}},
    "Healthcheck":{"Test":["CMD-SHELL","curl -fs http://localhost:8080/healthz || exit 1"]}}}})");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->entrypoint, (std::vector<std::string>{"/e"}));
  EXPECT_EQ(config->command, (std::vector<std::string>{"-p", "1"}));
  EXPECT_EQ(config->env, (EnvVars{{"A", "b=c"}, {"PATH", "/bin"}}));
  EXPECT_EQ(config->workdir, "/srv");
  EXPECT_EQ(config->ports, (std::vector<int>{443, 8080}));
  EXPECT_EQ(config->volumes, (std::vector<std::string>{"/data"}));
  EXPECT_EQ(config->health_path, "/healthz");
  EXPECT_EQ(signal_number(config->stop_signal), 3);
  for (const char* text : {"", "[]", "{}", R"({"Docker":{"config":[]}})"})
    EXPECT_EQ(parse_image_config(text).error().code, Errc::corrupt) << text;
}

TEST(ImageConfig, FindsThePathOfAHealthCheck) {
  EXPECT_EQ(health_path_of("CMD wget -q --spider http://127.0.0.1:$PORT/up"), "/up");
  EXPECT_EQ(health_path_of("CMD-SHELL curl -f localhost:3000 || exit 1"), "/");
  EXPECT_EQ(health_path_of("CMD curl https://example.com/x"), std::nullopt);
  EXPECT_EQ(health_path_of("CMD pg_isready"), std::nullopt);
}

TEST(ImageUser, IsLookedUpInTheImagesOwnFiles) {
  constexpr const char* passwd = "root:x:0:0::/root:/bin/sh\nweb:x:33:44::/srv:/bin/sh\n";
  constexpr const char* group = "root:x:0:\nweb:x:44:\nlogs:x:7:other,web\n";
  const auto web = resolve_user("web", passwd, group);
  ASSERT_TRUE(web.has_value());
  EXPECT_EQ(web->uid, 33u);
  EXPECT_EQ(web->gid, 44u);
  EXPECT_EQ(web->groups, (std::vector<std::uint32_t>{7}));
  EXPECT_EQ(web->home, "/srv");
  EXPECT_EQ(resolve_user("web:logs", passwd, group)->gid, 7u);
  EXPECT_EQ(resolve_user("1000:50", "", "")->gid, 50u);
  EXPECT_EQ(resolve_user("", passwd, group)->home, "/root");
  EXPECT_FALSE(resolve_user("stranger", passwd, group));
  EXPECT_FALSE(resolve_user("70000", "", ""));
  EXPECT_FALSE(resolve_user("web:nobody", passwd, group));
}

TEST(ShellLine, IsWhatAPersonWouldType) {
  EXPECT_EQ(shell_line({"/bin/sh", "-c", "a && b"}), "a && b");
  EXPECT_EQ(shell_line({"node", "it's", ""}), "node 'it'\\''s' ''");
}

TEST(ImageFailure, NamesTheInstructionAndItsLine) {
  const std::string text = "FROM a\n\nRUN one && \\\n  two\nCOPY x y\n";
  const Service service;
  const Error run = explain_image_failure(
      parse_dockerfile(text), "app/Dockerfile", {.exit = {.code = 4}},
      "STEP 2/3: RUN one &&   two\nthe reason\nsubprocess exited with status 4\n"
      "Error: building at STEP \"RUN one &&   two\": exit status 4\n",
      service);
  EXPECT_EQ(run.file, "app/Dockerfile");
  EXPECT_EQ(run.line, 3);
  EXPECT_EQ(run.exit_code, 4);
  EXPECT_EQ(run.command, "one && two");
  EXPECT_EQ(run.excerpt, (std::vector<std::string>{"the reason"}));
  const Error copy = explain_image_failure(
      parse_dockerfile(text), "Dockerfile", {.exit = {.code = 125}},
      "STEP 3/3: COPY x y\nError: building at STEP \"COPY x y\": no such file or directory\n",
      service);
  EXPECT_EQ(copy.line, 5);
  EXPECT_EQ(copy.exit_code, std::nullopt);
  EXPECT_EQ(copy.command, "COPY x y");
}

TEST(FetchFailure, NamesTheImageTheRegistryAndWhatToDo) {
  const ImageReference reference = *ImageReference::parse("node:20");
  const Error away = explain_fetch(reference, "Error: dial tcp: lookup: no such host\n");
  EXPECT_EQ(away.cause, "base_image");
  EXPECT_NE(away.message.find("docker.io/library/node:20"), std::string::npos);
  EXPECT_NE(away.hint.find("archives/docker.io/library/node:20.tar"), std::string::npos);
  EXPECT_NE(explain_fetch(reference, "manifest unknown").message.find("has no image"),
            std::string::npos);
  EXPECT_NE(explain_fetch(reference, "unauthorized: x").message.find("without an account"),
            std::string::npos);
}

}  // namespace
}  // namespace slipway
