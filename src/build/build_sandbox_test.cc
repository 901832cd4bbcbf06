// Builds by real package managers in real sandboxes. Needs root, an OCI runtime and the network;
// skips and says why where one is missing. The test program is also the shim of its sandboxes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "build/builder.h"
#include "build/host_command.h"
#include "engine/sandbox.h"
#include "engine/shim.h"
#include "sys/files.h"

// Not a fault of ours: the registries cannot be reached from here.
#define SKIP_WITHOUT_NETWORK() \
  if (error_ && error_->cause == "network") GTEST_SKIP() << "no network: " << error_->message

namespace slipway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Printer final : public BuildObserver {
 public:
  std::string log;
  void step_started(std::string_view name, std::string_view detail) override {
    log += fmt::format("== {}: {}\n", name, detail);
  }
  void step_ended(std::string_view name, std::string_view state, Duration took) override {
    log += fmt::format("== {} {} {} ms\n", name, state, took / 1ms);
  }
  void output(std::string_view bytes) override { log += bytes; }
};

class BuildSandbox : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to make sandboxes";
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string_view text = *entry;
      const auto equals = text.find('=');
      if (equals != std::string_view::npos)
        host_env_[std::string(text.substr(0, equals))] = std::string(text.substr(equals + 1));
    }
    dir_.emplace(*TempDir::create("/var/tmp", "slipway-build-"));
    fs::permissions(dir_->path(), fs::perms(0711));
    SandboxSettings settings;
    settings.state_dir = dir_->path() / "engine";
    settings.self_exe = "/proc/self/exe";
    std::error_code error;
    settings.self_exe = fs::read_symlink("/proc/self/exe", error);
    auto engine = SandboxEngine::open(settings, clock_);
    if (!engine) GTEST_SKIP() << "no sandboxes here: " << engine.error().message;
    engine_ = *std::move(engine);
    fs::create_directories(dir_->path() / "store");
    blobs_.emplace(*BlobStore::open(dir_->path() / "store"));
    layers_.emplace(*LayerStore::open(dir_->path() / "store"));
    const char* kept = std::getenv("SLIPWAY_TEST_TOOLCHAINS");  // saves fetching them each time
    tools_ = kept != nullptr ? fs::path(kept) : dir_->path() / "tools";
    builder_ = std::make_unique<Builder>(
        Builder::Paths{dir_->path() / "cache", tools_, dir_->path() / "scratch"}, *blobs_, *layers_,
        *engine_, clock_, host_env_);
  }

  void need(std::string_view tool) {
    if (find_on_path(host_env_, tool).empty()) GTEST_SKIP() << "needs " << tool << " on the host";
  }
  void add(std::string path, std::string_view text) {
    const Digest digest = *blobs_->put(text);
    std::erase_if(source_.entries, [&](const ManifestEntry& entry) { return entry.path == path; });
    source_.entries.push_back({.path = std::move(path), .size = text.size(), .digest = digest});
    std::ranges::sort(source_.entries, {}, &ManifestEntry::path);
  }
  // Builds, or fails the test with the log.
  BuildOutcome build() {
    BuildRequest request;
    request.project = "demo";
    request.service = &service_;
    request.source = &source_;
    request.uid_slot = 7;
    printer_.log.clear();
    const Duration started = clock_.monotonic();
    auto outcome = builder_->build(request, printer_, {});
    if (!outcome) {
      error_ = outcome.error();
      return {};
    }
    error_.reset();
    took_ = clock_.monotonic() - started;
    return *outcome;
  }
  // What the artifact's start command prints, run as an instance would be.
  std::string start(const Artifact& artifact) {
    SandboxSpec spec;
    spec.id = fmt::format("run-{}-{}", ::getpid(), ++runs_);
    spec.cgroup = "builds";
    for (const std::string& layer : artifact.layers)
      spec.root.lowers.push_back(*layers_->find(layer));
    spec.root.upper = dir_->path() / "run" / spec.id / "upper";
    fs::create_directories(spec.root.upper.parent_path());
    spec.root.binds = builder_->toolchain_binds(artifact).value();
    spec.argv = {"/bin/sh", "-c", artifact.start};
    spec.env = artifact.env;
    spec.workdir = artifact.workdir;
    spec.uid_slot = 8;
    spec.egress = Egress::none;
    std::string output;
    const auto outcome =
        engine_->run(spec, 60s, 1 << 20, [&](std::string_view bytes) { output += bytes; }, {});
    return outcome ? output + fmt::format("[{}]", outcome->exit.code) : outcome.error().message;
  }
  std::string why() const { return (error_ ? error_->message + "\n" : "") + printer_.log; }

  SystemClock clock_;
  EnvVars host_env_;
  std::optional<TempDir> dir_;
  fs::path tools_;
  std::unique_ptr<SandboxEngine> engine_;
  std::optional<BlobStore> blobs_;
  std::optional<LayerStore> layers_;
  std::unique_ptr<Builder> builder_;
  Manifest source_;
  Service service_;
  Printer printer_;
  std::optional<Error> error_;
  Duration took_{};
  int runs_ = 0;
};

TEST_F(BuildSandbox, NodeInstallsOnceAndRuns) {
  need("npm");
  add("package.json", R"({"name":"app","version":"1.0.0","dependencies":{"ms":"2.1.3"}})");
  add("server.js", "console.log('one', require('ms')('1 day'))");
  service_ = {.provider = "node",
              .package_manager = "npm",
              .runtime = {.name = "node", .version = ">=18"},
              .install = "npm install",
              .start = "node server.js",
              .install_inputs = {"package.json"}};
  const BuildOutcome first = build();
  SKIP_WITHOUT_NETWORK();
  ASSERT_FALSE(error_) << why();
  EXPECT_EQ(first.cache_install, "miss");
  EXPECT_EQ(start(first.artifact), "one 86400000\n[0]");

  add("server.js", "console.log('two', require('ms')('1 day'))");
  const BuildOutcome second = build();
  SKIP_WITHOUT_NETWORK();
  ASSERT_FALSE(error_) << why();
  EXPECT_EQ(second.cache_install, "hit");
  EXPECT_EQ(start(second.artifact), "two 86400000\n[0]");
}

TEST_F(BuildSandbox, PythonGetsItsVirtualEnvironment) {
  need("python3");
  add("requirements.txt", "itsdangerous==2.2.0\n");
  add("app.py", "import sys, itsdangerous; print(itsdangerous.__name__, sys.prefix)");
  service_ = {.provider = "python",
              .package_manager = "pip",
              .runtime = {.name = "python", .version = ">=3.9"},
              .install = "pip install -r requirements.txt",
              .start = "python app.py",
              .install_inputs = {"requirements.txt"}};
  const BuildOutcome outcome = build();
  SKIP_WITHOUT_NETWORK();
  ASSERT_FALSE(error_) << why();
  EXPECT_EQ(start(outcome.artifact), "itsdangerous /app/.venv\n[0]") << why();
}

TEST_F(BuildSandbox, ABuildStepPublishesASiteAndKeepsTheSourceUnderTheDependencies) {
  need("npm");
  add("package.json", R"({"name":"app","version":"1.0.0","dependencies":{"ms":"2.1.3"},)"
                      R"("scripts":{"build":"mkdir -p out && node src/gen.js > out/index.html"}})");
  add("src/gen.js", "console.log('<b>' + require('ms')('2 days'))");
  service_ = {.provider = "node",
              .package_manager = "npm",
              .runtime = {.name = "node", .version = ">=18"},
              .install = "npm install && mkdir -p src && touch src/generated",
              .build = "npm run build",
              .install_inputs = {"package.json"},
              .output_dir = "out",
              .is_static = true};
  const BuildOutcome outcome = build();
  SKIP_WITHOUT_NETWORK();
  ASSERT_FALSE(error_) << why();
  const auto site = Manifest::parse(*blobs_->read(outcome.artifact.site.value()));
  ASSERT_TRUE(site);
  ASSERT_EQ(site->entries.size(), 1u);
  EXPECT_EQ(*blobs_->read(site->entries[0].digest), "<b>172800000\n");
}

TEST_F(BuildSandbox, GoBuildsItsProgram) {
  need("go");
  add("go.mod", "module demo\n\ngo 1.20\n");
  add("main.go", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"go\") }\n");
  service_ = {.provider = "go",
              .runtime = {.name = "go", .version = "1.20"},
              .build = "go build -o bin/app .",
              .start = "./bin/app"};
  const BuildOutcome outcome = build();
  SKIP_WITHOUT_NETWORK();
  ASSERT_FALSE(error_) << why();
  EXPECT_TRUE(outcome.artifact.toolchains.empty());
  EXPECT_EQ(start(outcome.artifact), "go\n[0]");
}

TEST_F(BuildSandbox, RustNeverShipsYesterdaysProgram) {
  need("cargo");
  add("Cargo.toml", "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
  const auto deploy = [&](std::string_view word) {
    add("src/main.rs", fmt::format("fn main() {{ println!(\"{}\"); }}\n", word));
    return build();
  };
  service_ = {.provider = "rust",
              .package_manager = "cargo",
              .runtime = {.name = "rust"},
              .build = "cargo build --release",
              .start = "./target/release/demo"};
  const BuildOutcome one = deploy("one");
  SKIP_WITHOUT_NETWORK();
  ASSERT_FALSE(error_) << why();
  EXPECT_EQ(start(one.artifact), "one\n[0]");
  EXPECT_EQ(start(deploy("two").artifact), "two\n[0]") << why();
  add("note.txt", "so that the tree is another one");
  EXPECT_EQ(start(deploy("one").artifact), "one\n[0]") << why();
}

TEST_F(BuildSandbox, AFailureIsExplained) {
  need("npm");
  add("package.json", R"({"name":"app","version":"1.0.0"})");
  service_ = {.provider = "node",
              .package_manager = "npm",
              .runtime = {.name = "node", .version = ">=18"},
              .build = "npm run build",
              .start = "node server.js"};
  build();
  ASSERT_TRUE(error_);
  EXPECT_EQ(error_->cause, "missing_script") << why();
  EXPECT_EQ(error_->phase, "build");
}

TEST_F(BuildSandbox, ACanceledStepEndsAtOnceAndLeavesNoLayer) {
  add("package.json", "{}");
  service_ = {.provider = "shell", .build = "echo ready; sleep 60", .start = "true"};
  class Canceler final : public BuildObserver {
   public:
    std::stop_source stop;
    void step_started(std::string_view, std::string_view) override {}
    void step_ended(std::string_view, std::string_view, Duration) override {}
    void output(std::string_view) override { stop.request_stop(); }
  } canceler;
  BuildRequest request;
  request.project = "demo";
  request.service = &service_;
  request.source = &source_;
  request.uid_slot = 7;
  const Duration started = clock_.monotonic();
  const auto outcome = builder_->build(request, canceler, canceler.stop.get_token());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::canceled);
  EXPECT_LT(clock_.monotonic() - started, 30s);
  for (const std::string& id : layers_->ids()) EXPECT_FALSE(id.starts_with("build-")) << id;
}

TEST_F(BuildSandbox, AStepThatTakesTooLongIsStopped) {
  add("package.json", "{}");
  service_ = {.provider = "shell", .build = "sleep 60", .start = "true"};
  BuildRequest request;
  request.project = "demo";
  request.service = &service_;
  request.source = &source_;
  request.uid_slot = 7;
  request.limits.step_time = 1s;
  const auto outcome = builder_->build(request, printer_, {});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().cause, "timeout");
  EXPECT_EQ(outcome.error().code, Errc::build_failed);
}

}  // namespace
}  // namespace slipway

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == slipway::shim_command)
    return slipway::shim_main(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
