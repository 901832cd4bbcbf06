#include "build/recipe.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

std::vector<std::string> needs(const Service& service) {
  std::vector<std::string> out;
  for (const ToolchainNeed& need : toolchain_needs(service)) {
    constexpr std::string_view marks[] = {"", "+run", "?"};
    out.push_back(need.name + std::string(marks[static_cast<std::size_t>(need.use)]));
  }
  return out;
}
using Names = std::vector<std::string>;

TEST(ToolchainNeeds, FollowTheRuntimeAndTheCommands) {
  EXPECT_EQ(needs({.runtime = {.name = "node"}, .install = "pnpm install", .start = "node a.js"}),
            (Names{"node+run", "pnpm"}));
  EXPECT_EQ(needs({.runtime = {.name = "node"}, .install = "pnpm install", .start = "pnpm start"}),
            (Names{"node+run", "pnpm+run"}));
  EXPECT_EQ(needs({.runtime = {.name = "python"}, .install = "uv sync", .start = "python a.py"}),
            (Names{"python+run", "uv"}));
  EXPECT_EQ(needs({.runtime = {.name = "go"}, .build = "go build .", .start = "./app"}),
            Names{"go"});
  EXPECT_EQ(needs({.runtime = {.name = "go"}, .start = "go run ."}), Names{"go+run"});
  EXPECT_EQ(
      needs({.runtime = {.name = "java"}, .build = "mvn package", .start = "java -jar a.jar"}),
      (Names{"java+run", "maven"}));
  EXPECT_EQ(
      needs(
          {.runtime = {.name = "java"}, .build = "sh ./mvnw package", .start = "java -jar a.jar"}),
      Names{"java+run"});
  EXPECT_EQ(needs({.runtime = {.name = "python"}, .build = "npm run css", .start = "gunicorn a:a"}),
            (Names{"python+run", "uv?", "node"}));
  EXPECT_EQ(needs({.runtime = {.name = "node"}, .build = "vite build", .is_static = true}),
            Names{"node"});
  EXPECT_EQ(needs({.is_static = true}), Names{});
}

TEST(ToolchainNeeds, YarnByItsNameAloneIsTheFirst) {
  const auto yarn = [](const Service& service) { return toolchain_needs(service).at(1).version; };
  EXPECT_EQ(yarn({.runtime = {.name = "node"}, .install = "npm install", .build = "yarn build"}),
            "1");
  EXPECT_EQ(yarn({.runtime = {.name = "node"}, .install = "yarn install --immutable"}), "");
}

TEST(ToolchainRange, KnowsNodesNamesAndTakesOddOnesForAny) {
  EXPECT_EQ(toolchain_range("node", "lts/iron").npm_text(), ">=20.0.0 <21.0.0");
  EXPECT_EQ(toolchain_range("node", "lts/*").npm_text(), ">=20.0.0");
  EXPECT_TRUE(toolchain_range("node", "latest").allows_everything());
  EXPECT_EQ(toolchain_range("pnpm", "9.1.0+sha512.abc").npm_text(), "9.1.0");
  EXPECT_TRUE(toolchain_range("go", "1.21").allows(*Version::parse("1.26")));
}

struct Fixture {
  Service service;
  Ground ground;
  Fixture(std::string provider, std::vector<std::string> tools) {
    service.provider = std::move(provider);
    ground.service = &service;
    for (std::string& name : tools) {
      Toolchain tool{.name = name, .version = {3, 11, 7, {}}};
      tool.path = {"/opt/slipway/" + name + "/bin"};
      tool.program = tool.path[0] + "/" + name;
      ground.tools.push_back(tool);
      ground.run_tools.push_back(tool);
    }
  }
};

TEST(Recipe, ProgramsOfPackagesFindAPythonAppsOwnModules) {
  Fixture f("python", {"python", "uv"});
  f.service.root = "backend";
  EXPECT_EQ(run_environment(f.ground)["PYTHONPATH"], "/app/backend");
  EXPECT_FALSE(step_environment(f.ground, BuildStep::install).contains("PYTHONPATH"));
}

TEST(Recipe, APythonAppHasAnEnvironmentMadeOnce) {
  Fixture f("python", {"python", "uv"});
  EXPECT_NE(install_script(f.ground)->find("uv venv --quiet --no-project --python"),
            std::string::npos);
  f.service.install = "uv venv && uv pip install flask";
  EXPECT_EQ(install_script(f.ground)->find("--no-project"), std::string::npos);
  f.service.install = "pip install -r requirements.txt";
  EXPECT_NE(install_script(f.ground)->find("--seed"), std::string::npos);
}

TEST(Recipe, AScriptOfTheProjectFindsPipInTheEnvironment) {
  Fixture f("python", {"python", "uv"});
  f.service.install = "uv venv && uv pip install flask";
  const auto brings_pip = [&] {
    const std::string script = *install_script(f.ground);
    return script.contains("uv pip install --quiet pip") || script.contains("--seed");
  };
  EXPECT_FALSE(brings_pip());
  for (const char* build : {"./build.sh", "bash bin/build.sh && true", "pip install -e ."}) {
    f.service.build = build;
    EXPECT_TRUE(brings_pip()) << build;
  }
  f.service.build = "python shell.py";
  EXPECT_FALSE(brings_pip());
  f.service.start = "sh run.sh";
  EXPECT_TRUE(brings_pip());
  f.service.install.reset();
  EXPECT_TRUE(brings_pip());
}

TEST(Recipe, TheInterpreterIsChosenForUvButNotForItsPip) {
  Fixture f("python", {"python", "uv"});
  f.service.install = "uv sync";
  EXPECT_NE(install_script(f.ground)->find(
                "venv|sync|run|lock) UV_PYTHON=/opt/slipway/python/bin/python"),
            std::string::npos);
  EXPECT_FALSE(step_environment(f.ground, BuildStep::install).contains("UV_PYTHON"));
}

TEST(Recipe, ServicesInAFolderFindTheirOwnAndTheWorkspacesPrograms) {
  Fixture f("node", {"node"});
  f.service.root = "apps/web";
  EXPECT_TRUE(run_environment(f.ground).at("PATH").starts_with(
      "/app/apps/web/node_modules/.bin:/app/node_modules/.bin:/opt/slipway/node/bin:/usr/local/"
      "sbin"));
  EXPECT_EQ(work_directory(f.service), "/app/apps/web");
}

TEST(Recipe, NodeEnvIsProductionExceptWhileInstalling) {
  Fixture f("node", {"node"});
  EXPECT_FALSE(step_environment(f.ground, BuildStep::install).contains("NODE_ENV"));
  EXPECT_EQ(step_environment(f.ground, BuildStep::build).at("NODE_ENV"), "production");
  EXPECT_EQ(run_environment(f.ground).at("NODE_ENV"), "production");
}

TEST(Recipe, OnlyYarn1IsToldThatNothingIsProduction) {
  Fixture f("node", {"node", "yarn"});
  const auto install = [&] { return step_environment(f.ground, BuildStep::install); };
  f.ground.tools[1].version = {1, 22, 22, {}};
  EXPECT_EQ(install().at("YARN_PRODUCTION"), "false");
  f.ground.tools[1].version = {4, 5, 0, {}};
  EXPECT_FALSE(install().contains("YARN_PRODUCTION"));
  EXPECT_FALSE(install().contains("YARN_ENABLE_GLOBAL_CACHE"));
  f.service.start = "yarn node server.js";
  EXPECT_EQ(install().at("YARN_ENABLE_GLOBAL_CACHE"), "false");
}

TEST(Recipe, GoFetchesANewerToolchainOnlyWhenTheHostsIsTooOld) {
  Fixture f("go", {"go"});
  f.service.runtime = {.name = "go", .version = "3.0"};
  EXPECT_EQ(step_environment(f.ground, BuildStep::build).at("GOTOOLCHAIN"), "local");
  f.service.runtime.version = "3.12";
  EXPECT_EQ(step_environment(f.ground, BuildStep::build).at("GOTOOLCHAIN"), "auto");
}

}  // namespace
}  // namespace slipway
