#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/text.h"
#include "build/builder.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What a step would say and leave is a function of its script.
class ScriptRunner final : public StepRunner {
 public:
  std::function<int(std::string_view script, const SandboxSpec&, const OutputSink&)> act;
  std::vector<SandboxSpec> seen;
  Result<Outcome> run(const SandboxSpec& spec, Duration, std::uint64_t, const OutputSink& output,
                      std::stop_token) override {
    seen.push_back(spec);
    Outcome out;
    out.exit.code = act(spec.argv.back(), spec, output);
    return out;
  }
  std::vector<std::string> scripts() {
    std::vector<std::string> out;
    for (const SandboxSpec& spec : std::exchange(seen, {})) out.push_back(spec.argv.back());
    return out;
  }
};

class Silent final : public BuildObserver {
 public:
  void step_started(std::string_view, std::string_view) override {}
  void step_ended(std::string_view, std::string_view, Duration) override {}
  void output(std::string_view) override {}
};

void write(const fs::path& file, std::string_view text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

// A Node app on a host whose Node is a shell script.
struct World {
  TempDir dir = *TempDir::create("/tmp", "slipway-repair-");
  BlobStore blobs = [this] {
    fs::create_directories(dir.path() / "store");
    return *BlobStore::open(dir.path() / "store");
  }();
  LayerStore layers = *LayerStore::open(dir.path() / "store");
  ScriptRunner runner;
  ManualClock clock;
  Builder builder{{dir.path() / "cache", dir.path() / "tools", dir.path() / "scratch"},
                  blobs,
                  layers,
                  runner,
                  clock,
                  host(dir.path())};
  Silent observer;
  Manifest source;
  Service service{.provider = "node",
                  .package_manager = "npm",
                  .runtime = {.name = "node", .version = ">=18"},
                  .install = "npm ci",
                  .build = "npm run build",
                  .start = "node server.js",
                  .install_inputs = {"package.json", "package-lock.json"}};
  BuildRequest::Repairs repairs = BuildRequest::Repairs::made;

  World() {
    add("package.json", "{}");
    add("package-lock.json", "{}");
    add("server.js", "1");
  }
  static EnvVars host(const fs::path& at) {
    const fs::path node = at / "host/node/bin/node";
    write(node, fmt::format("#!/bin/sh\necho v20.11.1\necho {}\n", node.string()));
    fs::permissions(node, fs::perms(0755));
    return {{"PATH", fmt::format("{}/host/node/bin:/usr/bin:/bin", at.string())}};
  }
  void add(std::string path, std::string_view text) {
    std::erase_if(source.entries, [&](const ManifestEntry& entry) { return entry.path == path; });
    source.entries.push_back(
        {.path = std::move(path), .size = text.size(), .digest = *blobs.put(text)});
    std::ranges::sort(source.entries, {}, &ManifestEntry::path);
  }
  Result<BuildOutcome> build(const Error* failed_start = nullptr) {
    BuildRequest request;
    request.project = "shop";
    request.service = &service;
    request.source = &source;
    request.repairs = repairs;
    request.failed_start = failed_start;
    return builder.build(request, observer, {});
  }
};

std::vector<std::string> codes(const BuildOutcome& outcome) {
  std::vector<std::string> out;
  for (const Warning& finding : outcome.findings) out.push_back(finding.code);
  return out;
}

int stale_lockfile(std::string_view script, const SandboxSpec& spec,
                   const StepRunner::OutputSink& output) {
  if (script.find("npm ci") != std::string_view::npos) {
    output(
        "npm error code EUSAGE\nnpm error `npm ci` can only install packages when your "
        "package.json and package-lock.json are in sync.\nnpm error Missing: a@1.0.0\n");
    return 1;
  }
  write(spec.root.upper / "app/node_modules/a/index.js", "1");
  return 0;
}

TEST(BuilderRepair, AStaleLockfileIsNotHeldToAndTheNextBuildKnows) {
  World w;
  w.runner.act = stale_lockfile;
  const auto first = w.build();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_THAT(codes(*first), ElementsAre("repaired_unfrozen_install"));
  EXPECT_THAT(w.runner.scripts(), ElementsAre("npm ci", "npm install", "npm run build"));
  // A change of the source needs neither the failure nor the install again.
  w.add("server.js", "2");
  const auto second = w.build();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->cache_install, "hit");
  EXPECT_THAT(codes(*second), ElementsAre("repaired_unfrozen_install"));
  EXPECT_THAT(w.runner.scripts(), ElementsAre("npm run build"));
  EXPECT_EQ(first->artifact.layers.at(1), second->artifact.layers.at(1));
  // A new lockfile is held to again.
  w.add("package-lock.json", "{\"a\":1}");
  EXPECT_TRUE(w.build());
  EXPECT_THAT(w.runner.scripts(), ElementsAre("npm ci", "npm install", "npm run build"));
}

TEST(BuilderRepair, IsNotMadeWhenNobodyWantsIt) {
  World w;
  w.runner.act = stale_lockfile;
  w.repairs = BuildRequest::Repairs::none;
  const auto outcome = w.build();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().cause, "lockfile_mismatch");
  EXPECT_THAT(w.runner.scripts(), ElementsAre("npm ci"));
}

TEST(BuilderRepair, APauseBelongsToNoKey) {
  World w;
  int fails = 1;
  w.runner.act = [&](std::string_view, const SandboxSpec&, const StepRunner::OutputSink& output) {
    if (fails-- <= 0) return 0;
    output("npm error network read ECONNRESET\n");
    return 1;
  };
  const auto outcome = w.build();
  ASSERT_TRUE(outcome);
  EXPECT_THAT(codes(*outcome), ElementsAre("repaired_flaky_registry"));
  EXPECT_THAT(w.runner.scripts(), ElementsAre("npm ci", "sleep 3\nnpm ci", "npm run build"));
  const auto again = w.build();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->cache_install, "hit");
  EXPECT_THAT(codes(*again), IsEmpty());
}

TEST(BuilderRepair, WhatNoRepairHelpsIsToldAsItWasAtFirst) {
  World w;
  w.runner.act = [&](std::string_view script, const SandboxSpec&,
                     const StepRunner::OutputSink& output) {
    if (script == "npm run build") {
      output(
          "[vite]: Rollup failed to resolve import \"canvas-confetti\" from \"/app/src/a.ts\".\n");
      return 1;
    }
    // The package is too young to be installed unasked.
    return script.find("canvas-confetti") == std::string_view::npos ? 0 : 1;
  };
  const auto outcome = w.build();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().phase, "build");
  EXPECT_THAT(outcome.error().message, HasSubstr("canvas-confetti is imported"));
}

TEST(BuilderRepair, AStartThatFailedForAMissingPackageGetsIt) {
  World w;
  w.runner.act = [](std::string_view, const SandboxSpec&, const StepRunner::OutputSink&) {
    return 0;
  };
  ASSERT_TRUE(w.build());
  std::ignore = w.runner.scripts();
  Error failed{.code = Errc::start_failed, .message = "the package cors is used but not installed"};
  failed.phase = "start";
  failed.cause = "missing_dependency";
  const auto outcome = w.build(&failed);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_THAT(codes(*outcome), ElementsAre("repaired_undeclared_dependency"));
  EXPECT_THAT(w.runner.scripts().at(0), HasSubstr("npm install --no-save"));
  // A package that cannot be had: the failure of the start is what is told.
  w.runner.act = [](std::string_view script, const SandboxSpec&, const StepRunner::OutputSink&) {
    return script.find("left-out") == std::string_view::npos ? 0 : 1;
  };
  failed.message = "the package left-out is used but not installed";
  const auto none = w.build(&failed);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error(), failed);
  failed.cause = "missing_env";
  const auto no = w.build(&failed);
  ASSERT_FALSE(no);
  EXPECT_EQ(no.error(), failed);
}

TEST(BuilderRepair, AForeignRegistryInALockfileIsNotAsked) {
  World w;
  w.add("package-lock.json",
        "{\n  \"packages\": {\n    \"node_modules/a\": {\n"
        "      \"resolved\": \"https://npm.cache.example/x/a/-/a-1.0.0.tgz\",\n"
        "      \"integrity\": \"sha512-x\"\n    }\n  }\n}\n");
  std::string lock;
  w.runner.act = [&](std::string_view script, const SandboxSpec& spec,
                     const StepRunner::OutputSink&) {
    if (script == "npm ci")
      for (const fs::path& lower : spec.root.lowers)
        if (auto text = read_file(lower / "app/package-lock.json", 1 << 20)) lock = *text;
    return 0;
  };
  for (const bool whole_source : {false, true}) {
    if (whole_source) w.service.install_inputs.clear();
    lock.clear();
    const auto outcome = w.build();
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_THAT(codes(*outcome), ElementsAre("repaired_registry_host"));
    EXPECT_THAT(lock, HasSubstr("sha512-x"));
    EXPECT_EQ(lock.find("npm.cache.example"), std::string::npos);
  }
}

}  // namespace
}  // namespace slipway
