#include "build/image_tool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "engine/fake_engine.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view busy = "Close_Fd sealing memfd copy: Device or resource busy\n";

struct Bench {
  TempDir directory = TempDir::create(fs::temp_directory_path(), "slipway-tool-").value();
  FakeEngine engine;
  HostSettings settings;
  std::string said;

  // Each run of the tool prints and ends as the next of `runs` says.
  Result<ImageToolOutcome> run(std::vector<std::pair<std::string_view, int>> runs) {
    engine.on_step([runs, at = std::make_shared<std::size_t>(0)](
                       const SandboxSpec&, const StepRunner::OutputSink& output,
                       std::stop_token) -> Result<StepRunner::Outcome> {
      const auto& [text, code] = runs.at(std::min((*at)++, runs.size() - 1));
      output(text);
      return StepRunner::Outcome{.exit = {.code = code}};
    });
    const ImageTool tool{
        .settings = settings, .scratch = directory.path() / "scratch", .runner = engine};
    return run_image_tool(
        tool, {.name = "web", .script = "true", .storage = directory.path() / "storage"},
        [&](std::string_view bytes) { said += bytes; }, {});
  }
};

class ImageToolTries : public testing::Test {
 protected:
  void SetUp() override {
    if (::access("/usr/bin/buildah", X_OK) != 0) GTEST_SKIP() << "buildah is not installed";
  }
  Bench bench;
};

TEST_F(ImageToolTries, AStepThatTheKernelWasTooBusyToStartIsTriedAgain) {
  const auto ran = bench.run({{busy, 1}, {"done\n", 0}});
  EXPECT_EQ(ran->step.exit.code, 0);
  EXPECT_EQ(ran->log, "done\n");
  EXPECT_TRUE(bench.said.contains("trying again")) << bench.said;
  std::set<std::string> names;
  for (const SandboxSpec& spec : bench.engine.steps()) names.insert(spec.id);
  EXPECT_EQ(names.size(), 2u) << "each run is a sandbox of its own";
}

TEST_F(ImageToolTries, ItIsGivenUpAfterAFewTimes) {
  const auto ran = bench.run({{busy, 1}});
  EXPECT_EQ(ran->step.exit.code, 1);
  EXPECT_EQ(bench.engine.steps().size(), 3u);
}

TEST_F(ImageToolTries, AStepThatFailsOfItselfRunsOnce) {
  const auto ran = bench.run({{"the-reason\n", 9}});
  EXPECT_EQ(ran->step.exit.code, 9);
  EXPECT_EQ(bench.engine.steps().size(), 1u);
}

TEST_F(ImageToolTries, WhatOneTalksOfAndSucceedsRunsOnce) {
  EXPECT_EQ(bench.run({{busy, 0}})->step.exit.code, 0);
  EXPECT_EQ(bench.engine.steps().size(), 1u);
}

}  // namespace
}  // namespace slipway
