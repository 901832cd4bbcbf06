#include "detect/detect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "detect/describe.h"
#include "detect/detectors.h"
#include "detect/python/project.h"

namespace slipway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view express_manifest =
    R"({"scripts":{"start":"node server.js"},"dependencies":{"express":"4"}})";
constexpr std::string_view express_server =
    "const app = require('express')();\napp.listen(process.env.PORT);\n";

MemoryTree express(std::string_view folder = "") {
  MemoryTree tree;
  tree.add(std::string(folder) + "package.json", std::string(express_manifest));
  tree.add(std::string(folder) + "server.js", std::string(express_server));
  return tree;
}

TEST(Detect, EveryDecisionNamesItsFileAndLine) {
  const Plan plan = detect(express());
  ASSERT_EQ(plan.services.size(), 1u);
  EXPECT_THAT(plan.services[0].evidence,
              testing::Contains(Evidence{"package.json", 1, "dependency express 4", "framework"}));
}

TEST(Detect, FlagsReplaceWhatItWouldDecide) {
  const Plan plan = detect(
      express(), {.install = "make deps", .build = "make", .start = "./run", .runtime = "node@22"});
  ASSERT_EQ(plan.services.size(), 1u);
  EXPECT_EQ(plan.services[0].install, "make deps");
  EXPECT_EQ(plan.services[0].build, "make");
  EXPECT_EQ(plan.services[0].start, "./run");
  EXPECT_EQ(plan.services[0].runtime.version, "22");
  EXPECT_TRUE(plan.services[0].install_inputs.empty());
}

TEST(Detect, AFrameworkAskedForBeatsASurerOne) {
  MemoryTree tree = express();
  tree.add("Dockerfile", "FROM node\nCMD node server.js\n");
  EXPECT_EQ(detect(tree).services.at(0).provider, "node");
  EXPECT_EQ(detect(tree, {.framework = "dockerfile"}).services.at(0).provider, "dockerfile");
}

TEST(Detect, ARootAskedForIsTheOnlyOneLookedAt) {
  MemoryTree tree = express("tools/api/");
  tree.add("index.html", "<h1>x</h1>");
  const Plan plan = detect(tree, {.root = "tools/api"});
  ASSERT_EQ(plan.services.size(), 1u);
  EXPECT_EQ(plan.services[0].root, "tools/api");
  EXPECT_EQ(detect(tree, {.root = "nowhere"}).warnings.at(0).code, "no_such_root");
}

TEST(Detect, AServiceAskedForIsTheOnlyOneKept) {
  MemoryTree tree = express("api/");
  tree.add("web/package.json",
           R"({"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}})");
  EXPECT_EQ(detect(tree).services.size(), 2u);
  const Plan plan = detect(tree, {.service = "api"});
  ASSERT_EQ(plan.services.size(), 1u);
  EXPECT_EQ(plan.services[0].name, "api");
  EXPECT_TRUE(plan.questions.empty());
}

TEST(Detect, AStartThatIsGivenNeedsNothingRecognized) {
  MemoryTree tree;
  tree.add("server.lua", "print(1)");
  const Plan plan = detect(tree, {.build = "make", .start = "lua server.lua"});
  ASSERT_EQ(plan.services.size(), 1u);
  EXPECT_EQ(plan.services[0].provider, "shell");
  EXPECT_EQ(plan.services[0].start, "lua server.lua");
  EXPECT_EQ(plan.services[0].build, "make");
  EXPECT_TRUE(detect(tree).services.empty());
}

TEST(Detect, DependencyFoldersAreNeverTheProject) {
  MemoryTree tree;
  tree.add("node_modules/express/package.json", std::string(express_manifest));
  tree.add(".venv/lib/app.py", "from flask import Flask\napp = Flask('x')\n");
  EXPECT_TRUE(detect(tree).services.empty());
}

TEST(Detect, LosersKeepTheirReason) {
  MemoryTree tree = express();
  tree.add("index.html", "<h1>x</h1>");
  const Plan plan = detect(tree);
  ASSERT_EQ(plan.services.size(), 1u);
  ASSERT_EQ(plan.candidates.size(), 1u);
  EXPECT_EQ(plan.candidates[0].provider, "static");
  EXPECT_THAT(plan.candidates[0].reason, HasSubstr("express is surer"));
}

TEST(Detect, AHugeFileIsAFindingAndIsNotRead) {
  class Huge final : public Tree {
   public:
    [[nodiscard]] const std::vector<File>& files() const override { return files_; }
    [[nodiscard]] Result<std::string> read(std::string_view path,
                                           std::size_t limit) const override {
      most_ = std::max(most_, limit);
      return path == "app.py" ? std::string(std::min<std::size_t>(limit, 1000), '#')
                              : std::string();
    }
    std::vector<File> files_{{.path = "app.py", .size = 2ull << 30, .executable = false}};
    mutable std::size_t most_ = 0;
  };
  const Huge tree;
  const Plan plan = detect(tree);
  EXPECT_LE(tree.most_, 1u << 20);
  EXPECT_EQ(plan.warnings.at(0).code == "large_file" || plan.warnings.back().code == "large_file",
            true);
}

TEST(Detect, AFileThatCannotBeReadIsAsGoodAsAbsent) {
  class Broken final : public Tree {
   public:
    [[nodiscard]] const std::vector<File>& files() const override { return files_; }
    [[nodiscard]] Result<std::string> read(std::string_view, std::size_t) const override {
      return fail(Errc::io, "gone");
    }
    std::vector<File> files_{{.path = "package.json", .size = 10, .executable = false},
                             {.path = "server.js", .size = 10, .executable = false}};
  };
  EXPECT_TRUE(detect(Broken()).services.empty());
}

TEST(Describe, SaysWhatWhyWhatLostAndHowToMend) {
  MemoryTree tree = express();
  tree.add("index.html", "<h1>x</h1>");
  const std::string text = describe(detect(tree));
  EXPECT_THAT(text, HasSubstr("web: express (node), "));
  EXPECT_THAT(text, HasSubstr("start      node server.js"));
  EXPECT_THAT(text, HasSubstr("package.json:1"));
  EXPECT_THAT(text, HasSubstr("fix: run npm install"));
  EXPECT_THAT(text, HasSubstr("not taken\n  static: "));
}

TEST(Describe, IsSafeForATerminal) {
  MemoryTree tree;
  tree.add("package.json", "{\"scripts\":{\"start\":\"node \\u001b[31mx.js\"}}");
  EXPECT_EQ(describe(detect(tree)).find('\x1b'), std::string::npos);
}

TEST(DetectorTable, HasEveryProviderOnceOrMoreWithASummary) {
  for (const detection::Detector& detector : detection::detectors()) {
    EXPECT_FALSE(detector.provider.empty());
    EXPECT_FALSE(detector.summary.empty());
    EXPECT_EQ(detector.detect(detection::Root(detection::Project(MemoryTree()), "")), std::nullopt)
        << detector.provider;
  }
}

TEST(Requirements, AreReadAsPipReadsThem) {
  using detection::python::parse_requirement;
  EXPECT_EQ(parse_requirement("Flask_SQLAlchemy>=3.0 ; python_version > '3.8'")->name,
            "flask-sqlalchemy");
  EXPECT_EQ(parse_requirement("uvicorn[standard]==0.30 --hash=sha256:abc")->text,
            "uvicorn[standard]==0.30");
  EXPECT_FALSE(parse_requirement("--index-url https://x"));
}

TEST(ScriptMetadata, FollowsPep723) {
  using detection::python::read_script_metadata;
  const auto metadata = read_script_metadata(
      "#!/usr/bin/env python\n# /// script\n# requires-python = \">=3.11\"\n# dependencies = "
      "[\"httpx\"]\n# ///\n");
  ASSERT_TRUE(metadata);
  EXPECT_THAT(metadata->dependencies, ElementsAre("httpx"));
  EXPECT_EQ(metadata->requires_python, ">=3.11");
  EXPECT_FALSE(read_script_metadata("# /// script\n# dependencies = []\nprint()\n"));
  EXPECT_FALSE(read_script_metadata("print('# /// script')\n"));
}

TEST(Globs, WorkAsWorkspacesUseThem) {
  using detection::glob_matches;
  EXPECT_TRUE(glob_matches("apps/*", "apps/web"));
  EXPECT_FALSE(glob_matches("apps/*", "apps/web/inner"));
  EXPECT_TRUE(glob_matches("apps/**", "apps/web/inner"));
  EXPECT_TRUE(glob_matches("**/ui", "packages/a/ui"));
  EXPECT_TRUE(glob_matches("packages/ui", "packages/ui"));
  EXPECT_FALSE(glob_matches("packages/u?x", "packages/ui"));
}

TEST(Paths, NeverLeaveTheTree) {
  using detection::resolve_path;
  EXPECT_EQ(resolve_path("a/b", "../c"), "a/c");
  EXPECT_EQ(resolve_path("", "./x//y"), "x/y");
  EXPECT_EQ(resolve_path("a", "../../etc"), std::nullopt);
}

}  // namespace
}  // namespace slipway
