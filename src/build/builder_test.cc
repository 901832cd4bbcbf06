#include "build/builder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <set>

#include "base/text.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

// Runs nothing: what a step would do to the app is a function of the test's.
class FakeRunner final : public StepRunner {
 public:
  std::function<Outcome(const SandboxSpec&, const OutputSink&)> act =
      [](const SandboxSpec&, const OutputSink&) { return Outcome{}; };
  std::vector<SandboxSpec> seen;

  Result<Outcome> run(const SandboxSpec& spec, Duration, std::uint64_t, const OutputSink& output,
                      std::stop_token stop) override {
    if (stop.stop_requested()) return fail(Errc::canceled, "canceled");
    seen.push_back(spec);
    return act(spec, output);
  }
};

class Recorder final : public BuildObserver {
 public:
  std::vector<std::string> steps;
  std::string log;
  void step_started(std::string_view name, std::string_view) override {
    steps.push_back(std::string(name));
  }
  void step_ended(std::string_view name, std::string_view state, Duration) override {
    steps.push_back(fmt::format("{} {}", name, state));
  }
  void output(std::string_view bytes) override { log += bytes; }
};

void write(const fs::path& file, std::string_view text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

// A host with a Node and a Python that are but shell scripts.
struct World {
  TempDir dir = *TempDir::create("/tmp", "slipway-build-");
  BlobStore blobs = open_blobs(dir.path());
  LayerStore layers = *LayerStore::open(dir.path() / "store");
  FakeRunner runner;
  ManualClock clock;
  Builder builder{{dir.path() / "cache", dir.path() / "tools", dir.path() / "scratch"},
                  blobs,
                  layers,
                  runner,
                  clock,
                  host(dir.path())};
  Recorder observer;
  Manifest source;
  Service service;

  static BlobStore open_blobs(const fs::path& at) {
    fs::create_directories(at / "store");
    return *BlobStore::open(at / "store");
  }
  static EnvVars host(const fs::path& at) {
    tool(at / "host/node/bin/node",
         fmt::format("echo v20.11.1\necho {}/host/node/bin/node", at.string()));
    tool(at / "host/python/bin/python3",
         fmt::format("echo 3.11.7\necho {}/host/python", at.string()));
    fs::copy(at / "host/python/bin/python3", at / "host/python/bin/python3.11");
    return {
        {"PATH", fmt::format("{0}/host/node/bin:{0}/host/python/bin:/usr/bin:/bin", at.string())},
        {"AWS_SECRET_ACCESS_KEY", "s3cret"},
        {"HTTPS_PROXY", "http://proxy.example:3128"}};
  }
  static void tool(const fs::path& file, std::string_view script) {
    write(file, fmt::format("#!/bin/sh\n{}\n", script));
    fs::permissions(file, fs::perms(0755));
  }

  void add(std::string path, std::string_view text) {
    const Digest digest = *blobs.put(text);
    std::erase_if(source.entries, [&](const ManifestEntry& entry) { return entry.path == path; });
    source.entries.push_back({.path = std::move(path), .size = text.size(), .digest = digest});
    std::ranges::sort(source.entries, {}, &ManifestEntry::path);
  }
  Result<BuildOutcome> build(std::stop_token stop = {}) {
    BuildRequest request;
    request.project = "shop";
    request.service = &service;
    request.source = &source;
    return builder.build(request, observer, stop);
  }
  std::vector<std::string> published(const BuildOutcome& outcome) {
    std::vector<std::string> paths;
    const auto manifest = Manifest::parse(*blobs.read(outcome.artifact.site.value()));
    for (const ManifestEntry& entry : manifest->entries) paths.push_back(entry.path);
    return paths;
  }
  void node_app() {
    add("package.json", R"({"name":"app"})");
    add("package-lock.json", "{}");
    add("server.js", "1");
    service = {.provider = "node",
               .framework = "express",
               .package_manager = "npm",
               .runtime = {.name = "node", .version = ">=18"},
               .install = "npm ci",
               .start = "node server.js",
               .install_inputs = {"package.json", "package-lock.json"}};
    runner.act = [](const SandboxSpec& spec, const StepRunner::OutputSink& output) {
      write(spec.root.upper / "app/node_modules/x/index.js", "x");
      write(spec.root.upper / "home/app/junk", "x");
      output("added 1 package\n");
      return StepRunner::Outcome{};
    };
  }
};

TEST(Builder, AStaticFolderNeedsNoSandboxAndNoLayer) {
  World w;
  w.add("index.html", "<h1>hi</h1>");
  w.add(".env", "SECRET=1");
  w.add(".well-known/security.txt", "x");
  w.add("css/a.css", "x");
  w.service = {.provider = "static", .is_static = true};
  const auto outcome = w.build();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(w.published(*outcome),
            (std::vector<std::string>{".well-known/security.txt", "css/a.css", "index.html"}));
  EXPECT_TRUE(w.runner.seen.empty());
  EXPECT_TRUE(outcome->artifact.layers.empty());
  EXPECT_TRUE(w.layers.ids().empty());
}

TEST(Builder, LinksOfAStaticFolderAreWhatTheyLeadToWithinIt) {
  World w;
  w.add("site/v2/index.html", "two");
  w.add("site/.env", "VITE_A=1");
  w.add("secret.txt", "x");
  const auto link = [&](const std::string& path, std::string_view target) {
    w.add(path, target);
    for (ManifestEntry& entry : w.source.entries)
      if (entry.path == path) entry.mode = FileMode::symlink;
  };
  link("site/current.html", "v2/index.html");
  link("site/again.html", "current.html");
  link("site/latest", "v2");
  link("site/out.txt", "../secret.txt");
  link("site/hidden", ".env");
  link("site/loop", "loop");
  w.service = {.root = "site", .provider = "static", .output_dir = ".", .is_static = true};
  EXPECT_EQ(w.published(*w.build()),
            (std::vector<std::string>{"again.html", "current.html", "latest/index.html",
                                      "v2/index.html"}));
}

TEST(Builder, APublishedFolderLosesItsPrefix) {
  World w;
  w.add("site/public/index.html", "x");
  w.add("site/readme.md", "x");
  w.service = {.root = "site", .provider = "static", .output_dir = "public", .is_static = true};
  EXPECT_EQ(w.published(*w.build()), std::vector<std::string>{"index.html"});
}

TEST(Builder, AnEmptySiteIsAnExplainedFailure) {
  World w;
  w.add("readme.md", "x");
  w.service = {.provider = "static", .output_dir = "public", .is_static = true};
  const auto outcome = w.build();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().cause, "no_output");
  EXPECT_FALSE(outcome.error().hint.empty());
}

TEST(Builder, InstallSeesItsInputsOnlyAndIsReusedWhenTheyStay) {
  World w;
  w.node_app();
  const auto first = w.build();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->cache_install, "miss");
  ASSERT_EQ(w.runner.seen.size(), 1u);
  const SandboxSpec& spec = w.runner.seen[0];
  ASSERT_FALSE(spec.root.lowers.empty());
  EXPECT_TRUE(fs::exists(spec.root.lowers[0] / "app/package.json"));
  EXPECT_FALSE(fs::exists(spec.root.lowers[0] / "app/server.js"));
  EXPECT_EQ(spec.egress, Egress::registries);
  EXPECT_EQ(spec.argv.back(), "npm ci");

  w.add("server.js", "2");
  const auto second = w.build();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->cache_install, "hit");
  EXPECT_EQ(w.runner.seen.size(), 1u);
  EXPECT_EQ(second->artifact.layers.back(), first->artifact.layers.back());
  EXPECT_NE(second->artifact.layers.front(), first->artifact.layers.front());

  w.add("package-lock.json", "{ }");
  EXPECT_EQ(w.build()->cache_install, "miss");
}

TEST(Builder, ALayerHoldsTheAppAlone) {
  World w;
  w.node_app();
  const auto outcome = w.build();
  ASSERT_TRUE(outcome);
  const auto layer = w.layers.find(outcome->artifact.layers.back());
  ASSERT_TRUE(layer);
  EXPECT_TRUE(fs::exists(*layer / "app/node_modules/x/index.js"));
  EXPECT_FALSE(fs::exists(*layer / "home"));
}

TEST(Builder, HostSettingsReachTheStepsAndNotTheApp) {
  World w;
  w.node_app();
  const auto outcome = w.build();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(w.runner.seen[0].env.at("HTTPS_PROXY"), "http://proxy.example:3128");
  EXPECT_FALSE(w.runner.seen[0].env.contains("AWS_SECRET_ACCESS_KEY"));
  EXPECT_FALSE(outcome->artifact.env.contains("HTTPS_PROXY"));
  EXPECT_EQ(outcome->artifact.env.at("NODE_ENV"), "production");
  EXPECT_TRUE(outcome->artifact.env.at("PATH").starts_with(
      "/app/node_modules/.bin:/opt/slipway/node-20.11.1/bin:"));
}

TEST(Builder, BuildVariablesArePartOfTheKeyAndDoNotReachTheApp) {
  World w;
  w.node_app();
  ASSERT_TRUE(w.build());
  BuildRequest request;
  request.project = "shop";
  request.service = &w.service;
  request.source = &w.source;
  request.build_env = {{"API_URL", "https://x.example"}};
  const auto outcome = w.builder.build(request, w.observer, {});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->cache_install, "miss");
  EXPECT_EQ(w.runner.seen.back().env.at("API_URL"), "https://x.example");
  EXPECT_FALSE(outcome->artifact.env.contains("API_URL"));
}

TEST(Builder, ProjectsShareNeitherLayersNorCaches) {
  World w;
  w.node_app();
  ASSERT_TRUE(w.build());
  BuildRequest request;
  request.project = "other";
  request.service = &w.service;
  request.source = &w.source;
  const auto outcome = w.builder.build(request, w.observer, {});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->cache_install, "miss");
  const auto cache_of = [](const SandboxSpec& spec) {
    for (const BindMount& bind : spec.root.binds)
      if (bind.target == "/opt/slipway/cache/npm") return bind.source;
    return fs::path();
  };
  ASSERT_FALSE(cache_of(w.runner.seen[0]).empty());
  EXPECT_NE(cache_of(w.runner.seen[0]), cache_of(w.runner.seen[1]));
}

// A cache that an agent's build has written to would become code that a person promotes.
TEST(Builder, WhatAnAgentsBuildLeavesIsNeverReadByAPersons) {
  World w;
  w.node_app();
  w.service.build = "npm run build";
  w.service.cache_dirs = {".next/cache"};
  const auto build = [&](BuildTrust trust) {
    BuildRequest request;
    request.project = "shop";
    request.trust = trust;
    request.service = &w.service;
    request.source = &w.source;
    return w.builder.build(request, w.observer, {}).value();
  };
  const auto sources = [&](std::size_t from) {
    std::set<fs::path> out;
    for (std::size_t i = from; i < w.runner.seen.size(); ++i)
      for (const BindMount& bind : w.runner.seen[i].root.binds)
        if (bind.access == BindMount::Access::read_write &&
            (bind.target.starts_with("/opt/slipway/cache") || bind.target.starts_with("/app/")))
          out.insert(bind.source);
    return out;
  };
  const BuildOutcome agents = build(BuildTrust::agents);
  const std::size_t after = w.runner.seen.size();
  const std::set<fs::path> written = sources(0);
  const BuildOutcome people = build(BuildTrust::people);
  // Made anew, from caches that no agent wrote to: the package manager's, the framework's, layers.
  EXPECT_EQ(people.cache_install, "miss");
  EXPECT_EQ(people.cache_build, "miss");
  ASSERT_EQ(written.size(), 2u);
  ASSERT_EQ(sources(after).size(), 2u);
  for (const fs::path& source : sources(after)) EXPECT_FALSE(written.contains(source)) << source;
  for (const std::string& layer : people.artifact.layers)
    if (layer.starts_with("install") || layer.starts_with("build"))
      EXPECT_EQ(std::ranges::find(agents.artifact.layers, layer), agents.artifact.layers.end());
  // What people's builds made, an agent may read.
  w.add("package-lock.json", R"({"lockfileVersion":3})");
  EXPECT_EQ(build(BuildTrust::people).cache_install, "miss");
  EXPECT_EQ(build(BuildTrust::agents).cache_install, "hit");
  w.add("package-lock.json", R"({"lockfileVersion":2})");
  EXPECT_EQ(build(BuildTrust::agents).cache_install, "miss");
  EXPECT_EQ(build(BuildTrust::agents).cache_install, "hit");
  EXPECT_EQ(build(BuildTrust::people).cache_install, "miss");
}

TEST(Builder, ABuiltSiteIsPublishedFromItsLayer) {
  World w;
  w.node_app();
  w.service.build = "npm run build";
  w.service.is_static = true;
  w.service.output_dir = "dist";
  w.service.cache_dirs = {"node_modules/.cache", "../escape"};
  w.runner.act = [](const SandboxSpec& spec, const StepRunner::OutputSink&) {
    if (spec.argv.back() == "npm run build") {
      write(spec.root.upper / "app/dist/index.html", "x");
      write(spec.root.upper / "app/dist/.secret", "x");
      fs::create_symlink("index.html", spec.root.upper / "app/dist/home.html");
      fs::create_symlink("/etc/passwd", spec.root.upper / "app/dist/passwd");
      EXPECT_EQ(spec.root.binds.back().target, "/app/node_modules/.cache");
      EXPECT_EQ(spec.env.at("NODE_ENV"), "production");
    } else {
      EXPECT_FALSE(spec.env.contains("NODE_ENV"));
    }
    return StepRunner::Outcome{};
  };
  const auto first = w.build();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(w.published(*first), (std::vector<std::string>{"home.html", "index.html"}));
  EXPECT_EQ(w.observer.steps,
            (std::vector<std::string>{"toolchain", "toolchain done", "install", "install done",
                                      "build", "build done", "publish", "publish done"}));
  const auto again = w.build();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->cache_build, "hit");
  EXPECT_EQ(again->artifact, first->artifact);
  EXPECT_EQ(w.runner.seen.size(), 2u);
}

TEST(Builder, ABuildThatWritesElsewhereIsFound) {
  World w;
  w.node_app();
  w.service.build = "npm run build";
  w.service.is_static = true;
  w.service.output_dir = "dist";
  w.runner.act = [](const SandboxSpec& spec, const StepRunner::OutputSink&) {
    if (spec.id.ends_with("-build")) write(spec.root.upper / "app/build/index.html", "x");
    return StepRunner::Outcome{};
  };
  EXPECT_EQ(w.published(*w.build()), std::vector<std::string>{"index.html"});
  EXPECT_NE(w.observer.log.find("the build wrote build, not dist"), std::string::npos);
}

TEST(Builder, AFailedStepLeavesNoLayerAndIsTriedAgain) {
  World w;
  w.node_app();
  w.runner.act = [](const SandboxSpec& spec, const StepRunner::OutputSink& output) {
    write(spec.root.upper / "app/node_modules/half", "x");
    output("npm error 404 Not Found\n");
    return StepRunner::Outcome{.exit = {.code = 1}};
  };
  const auto outcome = w.build();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::build_failed);
  EXPECT_EQ(outcome.error().phase, "install");
  EXPECT_EQ(outcome.error().command, "npm ci");
  EXPECT_EQ(outcome.error().exit_code, 1);
  EXPECT_EQ(w.observer.steps.back(), "install failed");
  for (const std::string& id : w.layers.ids()) EXPECT_FALSE(id.starts_with("install-")) << id;
  w.runner.act = [](const SandboxSpec&, const StepRunner::OutputSink&) {
    return StepRunner::Outcome{};
  };
  EXPECT_TRUE(w.build());
}

TEST(Builder, ACanceledBuildStopsBeforeItsFirstStep) {
  World w;
  w.node_app();
  std::stop_source stop;
  stop.request_stop();
  const auto outcome = w.build(stop.get_token());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::canceled);
  EXPECT_TRUE(w.runner.seen.empty());
}

TEST(Builder, APythonAppGetsItsOwnEnvironmentEvenWithoutDependencies) {
  World w;
  w.add("app.py", "print(1)");
  w.service = {.provider = "python",
               .package_manager = "pip",
               .runtime = {.name = "python", .version = ">=3.9"},
               .start = "python app.py"};
  w.runner.act = [](const SandboxSpec& spec, const StepRunner::OutputSink&) {
    return StepRunner::Outcome{.exit = {.code = spec.id.ends_with("-fetch") ? 1 : 0}};
  };
  const auto outcome = w.build();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_NE(w.runner.seen.back().argv.back().find("-m venv .venv"), std::string::npos);
  EXPECT_EQ(outcome->artifact.toolchains, std::vector<std::string>{"python@3.11.7"});
  EXPECT_TRUE(outcome->artifact.env.at("PATH").starts_with(
      "/app/.venv/bin:/opt/slipway/python-3.11.7/bin:"));
  const auto binds = w.builder.toolchain_binds(outcome->artifact);
  ASSERT_TRUE(binds);
  ASSERT_EQ(binds->size(), 1u);
  EXPECT_EQ(binds->front().target, "/opt/slipway/python-3.11.7");
  EXPECT_EQ(binds->front().access, BindMount::Access::read_only);
}

TEST(Builder, AMissingToolchainSaysWhatToInstall) {
  World w;
  w.node_app();
  w.service.runtime.version = ">=99";
  w.service.runtime.source = "package.json engines.node";
  w.runner.act = [](const SandboxSpec&, const StepRunner::OutputSink&) {
    return StepRunner::Outcome{.exit = {.code = 1}};
  };
  const auto outcome = w.build();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::failed_precondition);
  EXPECT_NE(outcome.error().message.find("node >=99 (package.json engines.node)"),
            std::string::npos);
  EXPECT_NE(outcome.error().message.find("20.11.1"), std::string::npos);
  EXPECT_NE(outcome.error().hint.find("install Node.js"), std::string::npos);
}

TEST(Builder, AFetchedToolchainIsKeptForTheNextBuild) {
  World w;
  w.node_app();
  w.service.runtime.version = "22";
  w.runner.act = [](const SandboxSpec& spec, const StepRunner::OutputSink&) {
    if (spec.id.ends_with("-fetch")) {
      EXPECT_NE(spec.argv.back().find("'node-linux-"), std::string::npos);
      write(spec.root.upper / "app/fetch/tool/package.json", R"({"version":"22.5.1"})");
      write(spec.root.upper / "app/fetch/tool/bin/node", "x");
    }
    return StepRunner::Outcome{};
  };
  const auto outcome = w.build();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->artifact.toolchains, std::vector<std::string>{"node@22.5.1"});
  EXPECT_EQ(w.runner.seen.size(), 2u);
  EXPECT_EQ(w.build()->cache_install, "hit");
  EXPECT_EQ(w.runner.seen.size(), 2u);
}

TEST(Builder, AFetchedToolchainIsCollectedWhenNothingUsesItAnyMore) {
  World w;
  const fs::path tool = w.dir.path() / "tools/node-22.5.1";
  const auto make = [&](fs::file_time_type used) {
    write(tool / "bin/node", "x");
    fs::last_write_time(tool, used);
  };
  const auto now = fs::file_time_type::clock::now();
  const auto collect = [&](bool in_use) {
    const auto freed = w.builder.collect_toolchains(
        [&](std::string_view id) { return in_use && id == "node@22.5.1"; }, std::chrono::hours{1});
    EXPECT_TRUE(freed) << freed.error().message;
    return freed.value_or(0);
  };
  make(now - std::chrono::hours{2});
  EXPECT_EQ(collect(true), 0u) << "an instance runs on it";
  EXPECT_TRUE(w.builder.toolchain_binds({.toolchains = {"node@22.5.1"}}));
  EXPECT_EQ(collect(false), 0u) << "it was resolved just now";
  EXPECT_TRUE(fs::exists(tool));
  make(now - std::chrono::hours{2});
  EXPECT_GT(collect(false), 0u);
  EXPECT_FALSE(fs::exists(tool));
  EXPECT_FALSE(w.builder.toolchain_binds({.toolchains = {"node@22.5.1"}})) << "nor remembered";
}

}  // namespace
}  // namespace slipway
