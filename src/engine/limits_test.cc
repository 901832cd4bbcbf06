#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>

#include <thread>

#include "base/text.h"
#include "engine/disk_image.h"
#include "engine/reserves.h"
#include "engine/test_support.h"
#include "sys/cgroup.h"
#include "sys/netns.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Limits : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = EngineBench::why_not(); !reason.empty()) GTEST_SKIP() << reason;
    bench_ = std::make_unique<EngineBench>();
  }
  EngineBench& bench() { return *bench_; }
  Result<StepRunner::Outcome> run(const SandboxSpec& spec, Duration time, std::uint64_t output,
                                  std::stop_token stop = {}) {
    return bench_->engine().run(
        spec, time, output, [this](std::string_view bytes) { output_ += bytes; }, stop);
  }
  const std::string& output() { return output_; }
  // No process of the sandbox is left, nor its group.
  bool gone(const SandboxSpec& spec) {
    return !CgroupTree::open().value().exists(sandbox_group(spec.cgroup, spec.id));
  }

 private:
  std::unique_ptr<EngineBench> bench_;
  std::string output_;
};

TEST_F(Limits, TimeEndsAStepAndItsWholeTree) {
  const SandboxSpec spec = bench().shell("echo begun; setsid sleep 1000 & sleep 1000");
  const auto outcome = run(spec, 3s, 1 << 20);  // enough to begin on any machine
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(outcome->timed_out);
  EXPECT_EQ(outcome->exit.signal, SIGKILL);
  EXPECT_EQ(output(), "begun\n");
  EXPECT_TRUE(gone(spec));
}

TEST_F(Limits, AStopRequestEndsAStepAtOnce) {
  const SandboxSpec spec =
      bench().shell("trap '' TERM INT; setsid sleep 1000 & while :; do sleep 1; done");
  std::stop_source stop;
  std::jthread canceler([&] {
    (void)eventually([&] { return !gone(spec); });
    stop.request_stop();
  });
  const auto outcome = run(spec, 1min, 1 << 20, stop.get_token());
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, Errc::canceled);
  EXPECT_TRUE(gone(spec));
}

TEST_F(Limits, MoreOutputThanAllowedEndsAStep) {
  const auto outcome = run(bench().shell("yes"), 30s, 100'000);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(outcome->output_limit);
  EXPECT_EQ(output().size(), 100'000u);
}

TEST_F(Limits, MoreDiskThanAllowedEndsAStep) {
  SandboxSpec spec = bench().shell("while :; do head -c 4194304 /dev/zero >> /app/big; done");
  spec.limits.disk_bytes = 16u << 20;
  const auto outcome = run(spec, 30s, 1 << 20);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(outcome->disk_limit);
}

TEST_F(Limits, WhatAStepWritesElsewhereCountsAsWell) {
  SandboxSpec spec = bench().shell("head -c 33554432 /dev/zero > /home/app/big; sleep 1000");
  const fs::path home = bench().path() / "home";
  ASSERT_TRUE(make_directories(home).has_value());
  spec.root.binds.push_back(
      {.source = home, .target = "/home/app", .access = BindMount::Access::read_write});
  spec.root.measured = {home};
  spec.limits.disk_bytes = 16u << 20;
  const auto outcome = run(spec, 30s, 1 << 20);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->disk_limit);
}

TEST_F(Limits, MoreFilesThanAllowedEndAStep) {
  SandboxSpec spec = bench().shell("cd /app; seq 20000 | xargs touch; sleep 1000");
  spec.limits.disk_bytes = 16u << 20;
  const auto outcome = run(spec, 1min, 1 << 20);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(outcome->disk_limit);
}

TEST_F(Limits, AStepReservesNoSpaceWithoutWritingToIt) {
  ASSERT_TRUE(run(bench().shell("fallocate -l 1G /app/x 2>&1"), 30s, 1 << 20).has_value());
  EXPECT_NE(output().find("not supported"), std::string::npos) << output();
}

TEST_F(Limits, AStepEndsWhileOthersStillHaveRoomAndProductionsGoesOn) {
  bench().close();
  SandboxSettings settings = EngineBench::settings(bench().path());
  settings.keep_free = std::uint64_t{1} << 60;  // more than there is
  const SystemClock clock;
  const auto engine = SandboxEngine::open(settings, clock);
  ASSERT_TRUE(engine) << engine.error().message;
  const auto run_in = [&](std::string_view kind, std::string script) {
    SandboxSpec spec = bench().shell(std::move(script));
    spec.cgroup = kind;
    return (*engine)->run(spec, 1min, 1 << 20, [](std::string_view) {}, {});
  };
  const auto build = run_in("builds", "exec sleep 50");
  ASSERT_TRUE(build) << build.error().message;
  EXPECT_TRUE(build->host_full);
  EXPECT_FALSE(build->timed_out);
  const auto migration = run_in("production", "exec sleep 0.5");
  ASSERT_TRUE(migration) << migration.error().message;
  EXPECT_FALSE(migration->host_full);
  EXPECT_EQ(migration->exit, SandboxExit{});
}

// A disk of its own: the kernel says no at the write that would pass the limit.
class OwnDisk : public Limits {
 protected:
  void SetUp() override {
    Limits::SetUp();
    if (IsSkipped()) return;
    const TempDir directory = TempDir::create(fs::temp_directory_path(), "slipway-disk-").value();
    const Status made = make_blank_image(directory.path() / "blank", disk_limit(1u << 20));
    if (!made) GTEST_SKIP() << made.error().message;
    if (const auto mount = mount_image(directory.path() / "blank"); !mount)
      GTEST_SKIP() << mount.error().message;
  }
  SandboxSpec spec(std::string script) {
    SandboxSpec out = bench().shell(std::move(script));
    out.root.upper_kind = SandboxRoot::Upper::image;
    out.limits.disk_bytes = limit;
    return out;
  }
  static constexpr std::uint64_t limit = 64u << 20;
};

TEST_F(OwnDisk, IsFullAtItsLimit) {
  const SandboxSpec writes = spec(
      "head -c 1000000000 /dev/zero > /app/big; stat -c %s /app/big; rm /app/big; "
      "head -c 50000000 /dev/zero > /app/again && echo again");
  const auto outcome = run(writes, 1min, 1 << 20);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_FALSE(outcome->disk_limit) << "it goes on";
  EXPECT_NE(output().find("No space left on device"), std::string::npos) << output();
  EXPECT_NE(output().find("again\n"), std::string::npos) << output();
  const std::string written = output().substr(output().find('\n') + 1);
  EXPECT_GE(std::stoull(written), limit);
  EXPECT_LE(std::stoull(written), limit + (8u << 20));
  EXPECT_EQ(disk_space_used(writes.root.upper / "app", {1, 1}), DiskSpace{})
      << "nothing of it here";
}

TEST_F(OwnDisk, TakesNoMoreFilesThanItsLimit) {
  ASSERT_TRUE(
      run(spec("cd /app; seq 20000 | xargs touch 2>&1 | tail -1; ls | wc -l"), 1min, 1 << 20)
          .has_value());
  EXPECT_NE(output().find("No space left on device"), std::string::npos) << output();
  const std::string count = output().substr(output().find('\n') + 1);
  EXPECT_LE(std::stoull(count), disk_limit(limit).inodes);
  EXPECT_GE(std::stoull(count), disk_limit(limit).inodes - 100);
}

TEST_F(OwnDisk, GoesWithItsSandbox) {
  const auto devices_of_deleted_files = [&] {
    int count = 0;
    for (const auto& block : fs::directory_iterator("/sys/block"))
      if (text_of(block.path() / "loop/backing_file").starts_with(bench().path().string())) ++count;
    return count;
  };
  ASSERT_TRUE(run(spec("echo x > /app/x; cat /app/x"), 1min, 1 << 20).has_value());
  EXPECT_EQ(output(), "x\n");
  bench().close();  // a spare shim has one ready
  EXPECT_TRUE(eventually([&] { return devices_of_deleted_files() == 0; }));
}

TEST_F(Limits, TooMuchMemoryIsReportedAsThat) {
  SandboxSpec spec = bench().shell("");
  spec.argv = {"/usr/bin/python3", "-c", "x = bytearray(1 << 30)"};
  spec.limits.memory_bytes = 64u << 20;
  const auto outcome = run(spec, 30s, 1 << 20);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(outcome->exit.out_of_memory);
  EXPECT_EQ(outcome->exit.signal, SIGKILL);
  EXPECT_GE(outcome->usage.oom_kills, 1u);
  EXPECT_LE(outcome->usage.memory_peak_bytes, 64u << 20);
}

TEST_F(Limits, AMemoryFileSystemCountsAsMemory) {
  SandboxSpec spec = bench().shell("head -c 100000000 /dev/zero > /tmp/x && echo wrote");
  spec.limits.memory_bytes = 64u << 20;
  const auto outcome = run(spec, 30s, 1 << 20);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(output().find("wrote"), std::string::npos);
}

TEST_F(Limits, AForkBombStaysInItsBox) {
  SandboxSpec spec = bench().shell("b() { b | b & }; b; sleep 1000");
  spec.limits.pids = 64;
  const auto outcome = run(spec, 1s, 1 << 20);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(gone(spec));
}

TEST_F(Limits, CpuTimeIsCappedAndCounted) {
  SandboxSpec spec = bench().shell("while :; do :; done");
  spec.limits.cpu_millis = 200;
  const SystemClock clock;
  const Duration began = clock.monotonic();
  const auto outcome = run(spec, 1500ms, 1 << 20);
  const Duration took = clock.monotonic() - began;
  ASSERT_TRUE(outcome.has_value());
  EXPECT_GT(outcome->usage.cpu_micros, 0u);
  // A fifth of the time, and what a first period may take more.
  EXPECT_LT(outcome->usage.cpu_micros, static_cast<std::uint64_t>(took / 1us) * 3 / 10 + 100'000);
}

TEST_F(Limits, KindsOfSandboxesHaveSharesOfTheCpu) {
  const CgroupTree tree = CgroupTree::open().value();
  if (!tree.has("cpu")) GTEST_SKIP() << "this host has no CPU control groups";
  const bool v2 = tree.layout() == CgroupLayout::v2;
  const auto share = [&](const char* kind) {
    const std::filesystem::path mount = "/sys/fs/cgroup";
    const auto text = read_file(v2 ? mount / "slipway" / kind / "cpu.weight"
                                   : mount / "cpu/slipway" / kind / "cpu.shares");
    return text ? std::stoi(*text) : 0;
  };
  EXPECT_GT(share("shared/builds"), 0);
  EXPECT_GT(share("shared/previews"), share("shared/builds"));
  EXPECT_GT(share("production"), 4 * share("shared"));
}

TEST_F(Limits, BuildsAndPreviewsTogetherLeaveMemoryToProduction) {
  const CgroupTree tree = CgroupTree::open().value();
  const std::filesystem::path mount = "/sys/fs/cgroup";
  const auto text = read_file(tree.layout() == CgroupLayout::v2
                                  ? mount / "slipway/shared/memory.max"
                                  : mount / "memory/slipway/shared/memory.limit_in_bytes");
  ASSERT_TRUE(text) << text.error().message;
  const auto limit = std::stoull(*text);
  const auto total = static_cast<unsigned long long>(::sysconf(_SC_PHYS_PAGES)) *
                     static_cast<unsigned long long>(::sysconf(_SC_PAGESIZE));
  EXPECT_LE(limit, total / 100 * 81);
  EXPECT_GE(limit, total / 100 * 79);
  const auto all =
      read_file(tree.layout() == CgroupLayout::v2 ? mount / "slipway/memory.max"
                                                  : mount / "memory/slipway/memory.limit_in_bytes");
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_LE(std::stoull(*all), total / 100 * 91);
  EXPECT_EQ(sandbox_group("builds", "x"), "slipway/shared/builds/x");
  EXPECT_EQ(sandbox_group("production", "x"), "slipway/production/x");
}

TEST_F(Limits, RcLimitsAreSet) {
  SandboxSpec spec = bench().shell("ulimit -n; ulimit -c; cat /proc/self/oom_score_adj");
  spec.limits.open_files = 777;
  ASSERT_TRUE(run(spec, 30s, 1 << 20).has_value());
  EXPECT_EQ(output(), "777\n0\n700\n");
  EXPECT_LT(oom_score_of_group("slipway/production/x"), oom_score_of_group("slipway/tests/x"));
  EXPECT_LT(server_oom_score, oom_score_of_group("slipway/production/x"));
}

// A stand-in for the internet: a host behind a device of ours, with an address that is not private.
class Internet {
 public:
  Internet() {
    home_ = current_netns().value();
    std::thread([this] {  // a namespace is a thread's; the sockets made in it keep it
      if (::unshare(CLONE_NEWNET) != 0) return;
      auto inside = RouteSocket::open();
      socket_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port);
      if (!inside || !inside->add_veth("eth0", device_, home_) || !inside->set_up("eth0") ||
          !inside->add_address("eth0", address_, 32) || !inside->add_link_route("eth0", 0, 0) ||
          ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
          ::listen(socket_.get(), 8) != 0)
        return;
      netns_ = current_netns().value();
      ready_ = true;
    })
        .join();
    auto outside = RouteSocket::open();
    ready_ = ready_ && outside && outside->set_up(device_) &&
             outside->add_link_route(device_, address_, 32);
  }
  ~Internet() {
    if (auto outside = RouteSocket::open()) std::ignore = outside->remove_link(device_);
  }
  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] std::string address() const { return format_ipv4(address_); }
  static constexpr int port = 8443;

 private:
  // TEST-NET-2, which is nobody's and not among the private ranges.
  const std::uint32_t address_ =
      0xC6336400u + 1 + static_cast<std::uint32_t>(std::hash<std::string>{}(random_id()) % 250);
  const std::string device_ = "swt" + random_id().substr(0, 8);
  Fd home_, netns_, socket_;
  bool ready_ = false;
};

TEST_F(Limits, PublicAddressesAreReachableWithEgressAndOnlyThen) {
  const Internet internet;
  ASSERT_TRUE(internet.ready());
  const std::string knock = fmt::format(
      "timeout 3 bash -c 'echo > /dev/tcp/{}/{}' 2>/dev/null && echo open || echo closed",
      internet.address(), Internet::port);
  EXPECT_EQ(bench().run(knock, Egress::internet).output, "open\n");
  EXPECT_EQ(bench().run(knock, Egress::registries).output, "open\n");
  EXPECT_EQ(bench().run(knock, Egress::none).output, "closed\n");
}

}  // namespace
}  // namespace slipway
