#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "base/text.h"
#include "engine/shim.h"
#include "engine/shim_job.h"
#include "engine/test_support.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// The spare shims among our children.
std::vector<int> spares() {
  const std::string marks = fmt::format("{0}{1}{0}{2}{0}", '\0', shim_command, shim_spare);
  const std::string parent = fmt::format("\nPPid:\t{}\n", ::getpid());
  std::vector<int> out;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (text_of(entry.path() / "cmdline").find(marks) == std::string::npos) continue;
    if (text_of(entry.path() / "status").find(parent) != std::string::npos)
      out.push_back(std::stoi(name));
  }
  return out;
}

class SpareShims : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = EngineBench::why_not(); !reason.empty()) GTEST_SKIP() << reason;
    bench_ = std::make_unique<EngineBench>();
  }
  // The spare that is made when a start is expected.
  int expected_spare() {
    bench_->engine().expect_start();
    EXPECT_TRUE(eventually([] { return !spares().empty(); }));
    const std::vector<int> found = spares();
    return found.empty() ? 0 : found.front();
  }
  Status start(const SandboxSpec& spec) {
    return bench_->engine().start(spec, bench_->logs(spec), 1 << 20);
  }
  int shim_of(const SandboxSpec& spec) {
    return decode_process_record(
               text_of(bench_->path() / "state/sandboxes" / spec.id / processes_file))
        .value_or(ProcessRecord{})
        .shim_pid;
  }
  std::unique_ptr<EngineBench> bench_;
};

TEST_F(SpareShims, NoneBeforeAStartIsExpectedAndNoneAfterTheEngine) {
  EXPECT_TRUE(spares().empty());
  EXPECT_GT(expected_spare(), 0);
  bench_->close();
  EXPECT_TRUE(spares().empty());
}

TEST_F(SpareShims, TheSpareBecomesTheShimOfTheNextSandbox) {
  const int spare = expected_spare();
  const SandboxSpec spec = bench_->shell("echo up; sleep 60");
  ASSERT_TRUE(start(spec).has_value());
  EXPECT_EQ(shim_of(spec), spare);
  EXPECT_TRUE(eventually([&] {
    return text_of(bench_->logs(spec) / "current.log").find("o up\n") != std::string::npos;
  }));
  EXPECT_TRUE(bench_->engine().stop(spec.id, 0s).has_value());
}

TEST_F(SpareShims, AStepGetsItsOutputThroughOne) {
  EXPECT_GT(expected_spare(), 0);
  const EngineBench::Ran ran = bench_->run("echo out; echo err >&2; exit 3");
  EXPECT_EQ(ran.outcome.exit.code, 3);
  EXPECT_NE(ran.output.find("out\n"), std::string::npos);
  EXPECT_NE(ran.output.find("err\n"), std::string::npos);
}

TEST_F(SpareShims, OneThatWasKilledIsNotMissed) {
  const int spare = expected_spare();
  ASSERT_EQ(::kill(spare, SIGKILL), 0);
  const std::string state = fmt::format("/proc/{}/status", spare);
  ASSERT_TRUE(eventually([&] { return text_of(state).find("State:\tZ") != std::string::npos; }));
  const SandboxSpec spec = bench_->shell("sleep 60");
  ASSERT_TRUE(start(spec).has_value());
  EXPECT_NE(shim_of(spec), spare);
  EXPECT_TRUE(bench_->engine().stop(spec.id, 0s).has_value());
}

}  // namespace
}  // namespace slipway
