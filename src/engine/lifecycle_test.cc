#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mutex.h"
#include "base/text.h"
#include "engine/reserves.h"
#include "engine/shim_job.h"
#include "engine/test_support.h"
#include "sys/cgroup.h"
#include "sys/process.h"
#include "sys/testing/disk_faults.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* server_script =
    "exec node -e 'require(\"http\").createServer((q,r)=>r.end(\"hello\"))"
    ".listen(3000,\"127.0.0.1\")'";

class Lifecycle : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = EngineBench::why_not(); !reason.empty()) GTEST_SKIP() << reason;
    bench_ = std::make_unique<EngineBench>();
    listen();
  }
  EngineBench& bench() { return *bench_; }
  SandboxEngine& engine() { return bench_->engine(); }

  void listen() {
    listener_ = engine().on_exit([this](const std::string& id, const SandboxExit& exit) {
      const MutexLock lock(mutex_);
      exits_.emplace_back(id, exit);
    });
  }
  std::vector<std::pair<std::string, SandboxExit>> exits() {
    const MutexLock lock(mutex_);
    return exits_;
  }
  void start(const SandboxSpec& spec) {
    const Status started = engine().start(spec, bench().logs(spec), 1 << 20);
    ASSERT_TRUE(started.has_value()) << started.error().message;
  }
  bool answers(const std::string& id) {
    const auto dialer = engine().dialer(id);
    return dialer && eventually([&] { return http_get(**dialer, 3000).ends_with("hello"); });
  }
  [[nodiscard]] ProcessRecord processes(const std::string& id) {
    return decode_process_record(text_of(bench().path() / "state/sandboxes" / id / processes_file))
        .value_or(ProcessRecord{});
  }
  // Everything on this machine that carries the sandbox's name.
  [[nodiscard]] std::string leftovers(const SandboxSpec& spec) {
    std::string out;
    const auto tree = CgroupTree::open();
    if (tree && tree->exists(sandbox_group(spec.cgroup, spec.id))) out += "cgroup ";
    if (fs::exists(bench().path() / "state/sandboxes" / spec.id)) out += "state ";
    if (fs::exists(bench().path() / "state/runtime" / spec.id)) out += "runtime ";
    if (fs::exists(spec.root.upper.string() + ".work")) out += "work ";
    if (text_of("/proc/self/mountinfo").find(spec.id) != std::string::npos) out += "mount ";
    return out;
  }

 private:
  std::unique_ptr<EngineBench> bench_;
  Mutex mutex_;
  std::vector<std::pair<std::string, SandboxExit>> exits_;
  ExitListener listener_;
};

TEST_F(Lifecycle, ServesThroughTheDialerAndLeavesNothingWhenStopped) {
  SandboxSpec spec = bench().shell(server_script, Egress::internet);
  spec.labels = {{"deployment", "dpl_x"}, {"kind", "preview"}};
  start(spec);
  ASSERT_TRUE(answers(spec.id));
  const auto dialer = engine().dialer(spec.id).value();
  EXPECT_EQ(dialer->listening_ports().value(), std::vector<int>{3000});
  EXPECT_GT(engine().usage(spec.id).value().memory_bytes, 1u << 20);
  const auto listed = engine().list().value();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_TRUE(listed[0].running);
  EXPECT_EQ(listed[0].labels, spec.labels);
  const ProcessRecord record = processes(spec.id);

  ASSERT_TRUE(engine().stop(spec.id, 5s).has_value());

  EXPECT_EQ(leftovers(spec), "");
  EXPECT_NE(::kill(record.shim_pid, 0), 0);
  EXPECT_NE(::kill(record.init_pid, 0), 0);
  EXPECT_EQ(dialer->dial(3000).error().code, Errc::unavailable);
  EXPECT_TRUE(engine().list().value().empty());
  EXPECT_TRUE(exits().empty()) << "stop() is not an end by itself";
}

// Other threads write as well, so that a start may pass while one of theirs fails.
TEST_F(Lifecycle, AStartThatMeetsAFullDiskAnywhereLeavesNothing) {
  int failed = 0;
  for (std::int64_t number = 1;; ++number) {
    const SandboxSpec spec = bench().shell("exec sleep 60");
    testing::DiskFaults::fail_at(number, ENOSPC);
    const Status started = engine().start(spec, bench().logs(spec), 1 << 20);
    const bool met = testing::DiskFaults::repair();
    if (started) EXPECT_TRUE(engine().stop(spec.id, 0s));
    EXPECT_EQ(leftovers(spec), "") << "number " << number;
    failed += started ? 0 : 1;
    if (!met) break;
  }
  EXPECT_GT(failed, 3);
}

TEST_F(Lifecycle, StopLetsTheAppSayGoodbye) {
  const SandboxSpec spec = bench().shell(
      "trap 'echo bye; sleep 0.1; echo gone; exit 0' TERM; echo up; while :; do sleep 0.05; done");
  start(spec);
  const fs::path log = bench().logs(spec) / "current.log";
  ASSERT_TRUE(eventually([&] { return text_of(log).find("o up\n") != std::string::npos; }));
  ASSERT_TRUE(engine().stop(spec.id, 10s).has_value());
  EXPECT_NE(text_of(log).find("o bye\n"), std::string::npos);
  EXPECT_NE(text_of(log).find("o gone\n"), std::string::npos);
}

// `sh -c "node server.js; ..."`: the shell ends at the signal, what it started has its grace.
TEST_F(Lifecycle, StopWaitsForTheWholeAppNotOnlyItsFirstProcess) {
  const SandboxSpec spec = bench().shell(
      "sh -c 'trap \"echo bye; sleep 0.3; echo gone; exit 0\" TERM; echo up; "
      "while :; do sleep 0.05; done'; echo next");
  start(spec);
  const fs::path log = bench().logs(spec) / "current.log";
  ASSERT_TRUE(eventually([&] { return text_of(log).find("o up\n") != std::string::npos; }));
  ASSERT_TRUE(engine().stop(spec.id, 30s).has_value());
  EXPECT_NE(text_of(log).find("o gone\n"), std::string::npos);
  EXPECT_EQ(text_of(log).find("o next\n"), std::string::npos);
  EXPECT_EQ(leftovers(spec), "");
}

TEST_F(Lifecycle, StopKillsWhatIgnoresTheSignal) {
  const SandboxSpec spec = bench().shell("trap '' TERM; echo up; while :; do sleep 0.05; done");
  start(spec);
  ASSERT_TRUE(eventually(
      [&] { return text_of(bench().logs(spec) / "current.log").find("up") != std::string::npos; }));
  ASSERT_TRUE(engine().stop(spec.id, 200ms).has_value());
  EXPECT_EQ(leftovers(spec), "");
}

TEST_F(Lifecycle, TellsOnceHowAnAppEnded) {
  const SandboxSpec fails = bench().shell("echo oops >&2; exit 7");
  const SandboxSpec killed = bench().shell("kill -SEGV $$");
  start(fails);
  start(killed);
  ASSERT_TRUE(eventually([&] { return exits().size() == 2; }));
  for (const auto& [id, exit] : exits()) {
    if (id == fails.id) EXPECT_EQ(exit, (SandboxExit{.code = 7}));
    if (id == killed.id) EXPECT_EQ(exit, (SandboxExit{.code = 128 + SIGSEGV, .signal = SIGSEGV}));
  }
  EXPECT_NE(text_of(bench().logs(fails) / "current.log").find(" e oops\n"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return engine().list().value().empty(); }));
  EXPECT_EQ(leftovers(fails), "");
}

TEST_F(Lifecycle, AMissingProgramIsAFailedStart) {
  SandboxSpec spec = bench().shell("");
  spec.argv = {"/nowhere/app"};
  const Status started = engine().start(spec, bench().logs(spec), 1 << 20);
  // With an init in between the end is an exit; without, the runtime itself refuses.
  if (started) {
    ASSERT_TRUE(eventually([&] { return exits().size() == 1; }));
    EXPECT_EQ(exits()[0].second.code, 127);
  } else {
    EXPECT_EQ(started.error().code, Errc::start_failed);
  }
}

TEST_F(Lifecycle, AFailedStartLeavesNothing) {
  SandboxSpec spec = bench().shell("true", Egress::internet);
  spec.root.binds.push_back({"/usr/share", "/proc/evil"});
  const Status started = engine().start(spec, bench().logs(spec), 1 << 20);
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().code, Errc::invalid_argument);
  EXPECT_EQ(leftovers(spec), "");
  EXPECT_TRUE(engine().list().value().empty());
}

TEST_F(Lifecycle, AnInstanceOutlivesTheEngineAndIsAdopted) {
  SandboxSpec spec = bench().shell(server_script, Egress::internet);
  spec.labels = {{"deployment", "dpl_x"}};
  start(spec);
  ASSERT_TRUE(answers(spec.id));

  bench().reopen();

  listen();
  const auto listed = engine().list().value();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_TRUE(listed[0].running);
  EXPECT_EQ(listed[0].labels, spec.labels);
  EXPECT_TRUE(answers(spec.id));
  ASSERT_TRUE(engine().stop(spec.id, 2s).has_value());
  EXPECT_EQ(leftovers(spec), "");
}

TEST_F(Lifecycle, AnInstanceThatEndedMeanwhileIsReportedAfterARestart) {
  const SandboxSpec spec =
      bench().shell("trap 'exit 9' USR1; echo up; while :; do sleep 0.05; done");
  start(spec);
  const fs::path log = bench().logs(spec) / "current.log";
  ASSERT_TRUE(eventually([&] { return text_of(log).find("up") != std::string::npos; }));
  const ProcessRecord record = processes(spec.id);
  bench().close();
  const auto shim = Pidfd::open(record.shim_pid);
  ASSERT_TRUE(shim.has_value());
  ASSERT_EQ(::kill(record.init_pid, SIGUSR1), 0);
  ASSERT_TRUE(shim->wait_exit(10s));

  bench().reopen();

  listen();
  const auto listed = engine().list().value();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].exit, (SandboxExit{.code = 9}));
  ASSERT_TRUE(eventually([&] { return exits().size() == 1; }));
  EXPECT_EQ(exits()[0], (std::pair{spec.id, SandboxExit{.code = 9}}));
  EXPECT_TRUE(eventually([&] { return leftovers(spec).empty(); }));
}

TEST_F(Lifecycle, AKilledShimTakesItsSandboxAlong) {
  const SandboxSpec spec = bench().shell(server_script, Egress::internet);
  start(spec);
  ASSERT_TRUE(answers(spec.id));
  const ProcessRecord record = processes(spec.id);
  ASSERT_EQ(::kill(record.shim_pid, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return exits().size() == 1; }));
  EXPECT_EQ(exits()[0].second.signal, SIGKILL);
  EXPECT_TRUE(eventually([&] { return ::kill(record.init_pid, 0) != 0; }));
  EXPECT_TRUE(eventually([&] { return leftovers(spec).empty(); }));
}

TEST_F(Lifecycle, AShimKilledWhileNoServerRunsIsCleanedUpAtTheNextStart) {
  const SandboxSpec spec = bench().shell(server_script, Egress::internet);
  start(spec);
  ASSERT_TRUE(answers(spec.id));
  const ProcessRecord record = processes(spec.id);
  bench().close();
  ASSERT_EQ(::kill(record.shim_pid, SIGKILL), 0);

  bench().reopen();

  listen();
  ASSERT_EQ(engine().list().value().size(), 1u);
  ASSERT_TRUE(eventually([&] { return exits().size() == 1; }));
  EXPECT_TRUE(eventually([&] { return ::kill(record.init_pid, 0) != 0; }));
  EXPECT_TRUE(eventually([&] { return leftovers(spec).empty(); }));
}

// A restore rehearsal: a copy of the data directory is started while the original runs.
TEST_F(Lifecycle, ACopyOfTheStateTouchesNothingOfTheOriginal) {
  const SandboxSpec spec = bench().shell(server_script, Egress::internet);
  start(spec);
  ASSERT_TRUE(answers(spec.id));
  const ProcessRecord before = processes(spec.id);
  EngineBench copy;
  copy.close();
  fs::remove_all(copy.path() / "state");
  fs::copy(bench().path() / "state", copy.path() / "state", fs::copy_options::recursive);

  copy.reopen();

  EXPECT_TRUE(copy.engine().list().value().empty());
  EXPECT_TRUE(fs::is_empty(copy.path() / "state/sandboxes"));
  EXPECT_TRUE(answers(spec.id));
  EXPECT_EQ(::kill(before.shim_pid, 0), 0);
  EXPECT_EQ(::kill(before.init_pid, 0), 0);
  EXPECT_TRUE(exits().empty());
  ASSERT_TRUE(engine().stop(spec.id, 2s).has_value());
}

TEST_F(Lifecycle, AnInstanceEndsWhenItsServerAndDirectoryAreGone) {
  const SandboxSpec spec = bench().shell(server_script, Egress::internet);
  start(spec);
  ASSERT_TRUE(answers(spec.id));
  const ProcessRecord record = processes(spec.id);
  fs::remove_all(bench().path() / "state");
  EXPECT_TRUE(answers(spec.id)) << "its server still runs";
  bench().close();
  EXPECT_TRUE(eventually([&] { return ::kill(record.init_pid, 0) != 0; }));
  EXPECT_TRUE(eventually([&] {
    return ::kill(record.shim_pid, 0) != 0 ||
           text_of(fmt::format("/proc/{}/stat", record.shim_pid)).find(") Z ") != std::string::npos;
  }));
  EXPECT_FALSE(CgroupTree::open().value().exists(sandbox_group(spec.cgroup, spec.id)));
}

TEST_F(Lifecycle, AnInstanceWhoseDirectoryIsMovedGoesOn) {
  const SandboxSpec spec = bench().shell(server_script);
  start(spec);
  ASSERT_TRUE(answers(spec.id));
  const ProcessRecord record = processes(spec.id);
  bench().close();
  fs::rename(bench().path() / "state", bench().path() / "moved");
  // It wakes up for its looks alone.
  const auto wakes = [&] {
    const std::string status = text_of(fmt::format("/proc/{}/status", record.shim_pid));
    const std::string_view mark = "\nvoluntary_ctxt_switches:";
    const auto at = status.find(mark);
    return at == std::string::npos ? 0 : std::stol(status.substr(at + mark.size()));
  };
  const long before = wakes();
  ASSERT_TRUE(eventually([&] { return wakes() >= before + 10; }));
  EXPECT_EQ(::kill(record.init_pid, 0), 0);
  fs::rename(bench().path() / "moved", bench().path() / "state");
  bench().reopen();
  EXPECT_TRUE(answers(spec.id));
}

TEST_F(Lifecycle, AnotherServerCannotOpenTheSameState) {
  const SystemClock clock;
  const auto second = SandboxEngine::open(EngineBench::settings(bench().path()), clock);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::conflict);
}

// A server process that is killed: its instance lives on, its build does not.
TEST_F(Lifecycle, AfterTheServerIsKilledInstancesLiveAndStepsDie) {
  const SandboxSpec instance = bench().shell(server_script, Egress::internet);
  const SandboxSpec step = bench().shell("echo started > /app/started; sleep 1000");
  bench().close();
  const pid_t server = ::fork();
  ASSERT_GE(server, 0);
  if (server == 0) {
    const SystemClock clock;
    auto engine = SandboxEngine::open(EngineBench::settings(bench().path()), clock);
    if (!engine || !(*engine)->start(instance, bench().logs(instance), 1 << 20)) ::_exit(1);
    std::ignore = (*engine)->run(step, 1h, 1 << 20, [](std::string_view) {}, {});
    ::_exit(2);
  }
  ASSERT_TRUE(eventually([&] {
    return fs::exists(step.root.upper / "app/started") && processes(step.id).init_pid > 0;
  }));
  const ProcessRecord of_step = processes(step.id), of_instance = processes(instance.id);
  ASSERT_EQ(::kill(server, SIGKILL), 0);
  ASSERT_EQ(::waitpid(server, nullptr, 0), server);

  bench().reopen();

  EXPECT_NE(::kill(of_step.init_pid, 0), 0);
  EXPECT_EQ(leftovers(step), "");
  EXPECT_EQ(::kill(of_instance.init_pid, 0), 0);
  EXPECT_TRUE(answers(instance.id));
  ASSERT_TRUE(engine().stop(instance.id, 2s).has_value());
  EXPECT_EQ(leftovers(instance), "");
}

TEST_F(Lifecycle, LogsAreBoundedAndALongLineIsSplit) {
  const SandboxSpec spec = bench().shell(
      "head -c 20000 /dev/zero | tr '\\0' x; echo; i=0; "
      "while [ $i -lt 40000 ]; do echo \"line $i of a flood of output\"; i=$((i+1)); done; "
      "printf 'no end'");
  ASSERT_TRUE(engine().start(spec, bench().logs(spec), 512 << 10).has_value());
  ASSERT_TRUE(eventually([&] { return exits().size() == 1; }));
  std::uint64_t total = 0;
  for (const auto& entry : fs::directory_iterator(bench().logs(spec))) total += entry.file_size();
  EXPECT_LE(total, 512u << 10);
  EXPECT_GT(total, 256u << 10);
  const std::string last = text_of(bench().logs(spec) / "current.log");
  EXPECT_TRUE(last.ends_with(" o no end\n"));
  EXPECT_NE(last.find(" o line 39999 of a flood of output\n"), std::string::npos);
}

TEST_F(Lifecycle, AnUpperIsKeptAndUsedAgain) {
  SandboxSpec spec = bench().shell("echo one >> /app/count; cat /app/count");
  EXPECT_EQ(bench().run(spec).output, "one\n");
  EXPECT_EQ(bench().run(spec).output, "one\none\n");
}

}  // namespace
}  // namespace slipway
