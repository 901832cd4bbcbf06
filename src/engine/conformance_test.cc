// What every engine promises (engine/engine.h), over the real one and the fake.
#include <gtest/gtest.h>
#include <signal.h>

#include "base/mutex.h"
#include "engine/reserves.h"
#include "engine/test_support.h"
#include "sys/cgroup.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

// An engine and how to make its instances end.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual Engine& engine() = 0;
  virtual StepRunner& steps() = 0;
  // One that runs until told otherwise; end() makes it exit with 7 by itself.
  virtual SandboxSpec spec() = 0;
  virtual void end(const SandboxSpec& spec) = 0;
  virtual std::filesystem::path logs() = 0;
};

class RealSubject final : public Subject {
 public:
  Engine& engine() override { return bench_.engine(); }
  StepRunner& steps() override { return bench_.engine(); }
  SandboxSpec spec() override {
    return bench_.shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.02; done");
  }
  void end(const SandboxSpec& spec) override {
    // The process that handles SIGTERM by itself, from outside and without the engine's knowledge.
    const std::string group = sandbox_group(spec.cgroup, spec.id);
    const auto tree = CgroupTree::open().value();
    (void)eventually(
        [&] { return text_of(logs() / spec.id / "current.log").find("up") != std::string::npos; });
    for (const int pid : tree.processes(group)) ::kill(pid, SIGTERM);
  }
  std::filesystem::path logs() override { return bench_.path() / "logs"; }

 private:
  EngineBench bench_;
};

class FakeSubject final : public Subject {
 public:
  Engine& engine() override { return engine_; }
  StepRunner& steps() override { return engine_; }
  SandboxSpec spec() override {
    SandboxSpec spec;
    spec.id = "test-" + random_id();
    spec.argv = {"app"};
    return spec;
  }
  void end(const SandboxSpec& spec) override { engine_.exit(spec.id, {.code = 7}); }
  std::filesystem::path logs() override { return "/nonexistent"; }

 private:
  FakeEngine engine_;
};

enum class Which { real, fake };

class EveryEngine : public ::testing::TestWithParam<Which> {
 protected:
  void SetUp() override {
    if (GetParam() == Which::fake) {
      subject_ = std::make_unique<FakeSubject>();
      return;
    }
    if (const std::string reason = EngineBench::why_not(); !reason.empty()) GTEST_SKIP() << reason;
    subject_ = std::make_unique<RealSubject>();
  }
  Subject& subject() { return *subject_; }
  Engine& engine() { return subject_->engine(); }
  Status start(const SandboxSpec& spec) {
    return engine().start(spec, subject_->logs() / spec.id, 1 << 20);
  }

 private:
  std::unique_ptr<Subject> subject_;
};

TEST_P(EveryEngine, ListsWhatRunsWithItsLabels) {
  SandboxSpec spec = subject().spec();
  spec.labels = {{"a", "1"}, {"b", "2"}};
  ASSERT_TRUE(start(spec).has_value());
  const auto all = engine().list().value();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].id, spec.id);
  EXPECT_TRUE(all[0].running);
  EXPECT_EQ(all[0].exit, std::nullopt);
  EXPECT_EQ(all[0].labels, spec.labels);
}

TEST_P(EveryEngine, RefusesASecondInstanceOfOneName) {
  const SandboxSpec spec = subject().spec();
  ASSERT_TRUE(start(spec).has_value());
  EXPECT_EQ(start(spec).error().code, Errc::conflict);
  ASSERT_TRUE(engine().stop(spec.id, 0s).has_value());
  EXPECT_TRUE(start(spec).has_value()) << "the name is free again";
}

TEST_P(EveryEngine, StoppingIsFinalSilentAndMayBeRepeated) {
  const SandboxSpec spec = subject().spec();
  std::atomic<int> exits = 0;
  const ExitListener listener =
      engine().on_exit([&](const std::string&, const SandboxExit&) { ++exits; });
  ASSERT_TRUE(start(spec).has_value());
  const auto dialer = engine().dialer(spec.id).value();
  EXPECT_TRUE(engine().stop(spec.id, 1s).has_value());
  EXPECT_TRUE(engine().stop(spec.id, 1s).has_value());
  EXPECT_TRUE(engine().stop("never-was", 1s).has_value());
  EXPECT_TRUE(engine().list().value().empty());
  EXPECT_EQ(dialer->dial(80).error().code, Errc::unavailable);
  EXPECT_EQ(dialer->listening_ports().error().code, Errc::unavailable);
  EXPECT_EQ(exits, 0);
}

TEST_P(EveryEngine, TellsOnceHowAnInstanceEndedAndForgetsIt) {
  const SandboxSpec spec = subject().spec();
  Mutex mutex;
  std::vector<std::pair<std::string, SandboxExit>> exits;
  const ExitListener listener =
      engine().on_exit([&](const std::string& id, const SandboxExit& exit) {
        const MutexLock lock(mutex);
        exits.emplace_back(id, exit);
        EXPECT_TRUE(engine().stop(id, 0s).has_value()) << "a handler may call the engine";
      });
  ASSERT_TRUE(start(spec).has_value());
  subject().end(spec);
  ASSERT_TRUE(eventually([&] {
    const MutexLock lock(mutex);
    return exits.size() == 1;
  }));
  EXPECT_EQ(exits[0], (std::pair{spec.id, SandboxExit{.code = 7}}));
  EXPECT_TRUE(eventually([&] { return engine().list().value().empty(); }));
  EXPECT_TRUE(start(spec).has_value());
}

TEST_P(EveryEngine, TellsEveryListenerWhileItListens) {
  const SandboxSpec spec = subject().spec();
  std::atomic<int> first = 0, second = 0, gone = 0;
  const ExitListener a = engine().on_exit([&](const auto&, const auto&) { ++first; });
  std::ignore = engine().on_exit([&](const auto&, const auto&) { ++gone; });
  const ExitListener b = engine().on_exit([&](const auto&, const auto&) { ++second; });
  ASSERT_TRUE(start(spec).has_value());
  subject().end(spec);
  EXPECT_TRUE(eventually([&] { return second == 1; }));
  EXPECT_EQ(first, 1);
  EXPECT_EQ(gone, 0);
}

TEST_P(EveryEngine, UnknownInstancesAreNotFound) {
  EXPECT_EQ(engine().dialer("never-was").error().code, Errc::not_found);
  EXPECT_EQ(engine().usage("never-was").error().code, Errc::not_found);
}

TEST_P(EveryEngine, APortNobodyListensOnCannotBeReached) {
  const SandboxSpec spec = subject().spec();
  ASSERT_TRUE(start(spec).has_value());
  const auto dialer = engine().dialer(spec.id).value();
  EXPECT_TRUE(dialer->listening_ports().value().empty());
  EXPECT_EQ(http_get(*dialer, 3000), "");
}

TEST_P(EveryEngine, AStepThatWasCanceledBeforeDoesNotRun) {
  std::stop_source stop;
  stop.request_stop();
  const auto outcome = subject().steps().run(
      subject().spec(), 1min, 1 << 20, [](std::string_view) { FAIL(); }, stop.get_token());
  EXPECT_EQ(outcome.error().code, Errc::canceled);
}

TEST_P(EveryEngine, ACommandIsNeeded) {
  SandboxSpec spec = subject().spec();
  spec.argv.clear();
  EXPECT_EQ(start(spec).error().code, Errc::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Engines, EveryEngine, ::testing::Values(Which::real, Which::fake),
                         [](const auto& which) {
                           return which.param == Which::real ? "Sandbox" : "Fake";
                         });

}  // namespace
}  // namespace slipway
