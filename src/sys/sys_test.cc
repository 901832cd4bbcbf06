#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <barrier>
#include <thread>
#include <vector>

#include "sys/capabilities.h"
#include "sys/cgroup.h"
#include "sys/disk_use.h"
#include "sys/files.h"
#include "sys/limits.h"
#include "sys/mounts.h"
#include "sys/netns.h"
#include "sys/process.h"
#include "sys/scheduling.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Sys : public ::testing::Test {
 protected:
  const fs::path& path() const { return directory_.path(); }
  void write(const std::string& name, std::string_view text) {
    ASSERT_TRUE(make_directories((path() / name).parent_path()).has_value());
    ASSERT_TRUE(write_file_atomic(path() / name, text).has_value());
  }

 private:
  TempDir directory_ = TempDir::create(fs::temp_directory_path(), "slipway-sys-").value();
};

TEST_F(Sys, CommandsGetInputAndGiveOutputAndStatus) {
  const std::vector<std::string> argv{"/bin/sh", "-c", "cat; echo err >&2; exit 3"};
  const auto done = run_command(argv, std::string(200'000, 'x'), 10s);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->exit.code, 3);
  EXPECT_GE(done->output.size(), 64u << 10);
}

TEST_F(Sys, ACommandThatDoesNotEndIsKilled) {
  const std::vector<std::string> argv{"/bin/sh", "-c", "exec sleep 1000"};
  EXPECT_EQ(run_command(argv, "", 50ms).error().code, Errc::deadline_exceeded);
}

TEST_F(Sys, AMissingProgramIsNotFound) {
  const std::vector<std::string> argv{"/nowhere/program"};
  EXPECT_EQ(run_command(argv, "", 1s).error().code, Errc::not_found);
}

TEST_F(Sys, ASpawnedProcessGetsNoneOfOurDescriptorsButThoseNamed) {
  write("secret", "x");
  write("shown", "y");
  const Fd secret = open_file(path() / "secret", O_RDONLY).value();
  const Fd shown = open_file(path() / "shown", O_RDONLY).value();
  write("out", "");
  const Fd out = open_file(path() / "out", O_WRONLY).value();
  const std::vector<std::string> argv{"/bin/sh", "-c", "ls -l /proc/$$/fd"};
  const auto process =
      spawn(argv, {.fds = {{shown.get(), 7}, {out.get(), 1}}, .env = {"PATH=/usr/bin:/bin"}});
  ASSERT_TRUE(process.has_value());
  ASSERT_TRUE(process->wait_exit(10s));
  std::ignore = process->reap();
  const std::string listing = read_file(path() / "out").value();
  EXPECT_EQ(listing.find("/secret"), std::string::npos) << listing;
  EXPECT_NE(listing.find(" 7 -> " + (path() / "shown").string()), std::string::npos) << listing;
}

TEST_F(Sys, AProcessIsKnownByItsStartTimeToo) {
  const auto start = process_start_time(::getpid());
  ASSERT_TRUE(start.has_value());
  EXPECT_TRUE(Pidfd::open(::getpid(), *start).has_value());
  EXPECT_EQ(Pidfd::open(::getpid(), *start + 1).error().code, Errc::not_found);
  EXPECT_EQ(Pidfd::open(-1).error().code, Errc::not_found);
}

TEST_F(Sys, AProcessDescriptorTellsAndReapsTheEnd) {
  const std::vector<std::string> argv{"/bin/sh", "-c", "exec sleep 1000"};
  const auto process = spawn(argv, {});
  ASSERT_TRUE(process.has_value());
  EXPECT_FALSE(process->wait_exit(0us));
  ASSERT_TRUE(process->signal(SIGTERM).has_value());
  ASSERT_TRUE(process->wait_exit(10s));
  EXPECT_EQ(process->reap()->signal, SIGTERM);
  EXPECT_TRUE(process->signal(SIGTERM).has_value()) << "a gone process is fine";
}

TEST_F(Sys, OpenBeneathFollowsNoLinkAndStaysBelow) {
  write("a/b", "x");
  ASSERT_EQ(::symlink("/etc", (path() / "link").c_str()), 0);
  const Fd root = open_file(path(), O_PATH | O_DIRECTORY).value();
  EXPECT_TRUE(open_beneath(root, "a/b").has_value());
  EXPECT_TRUE(open_beneath(root, "/a/b").has_value()) << "absolute is taken relative";
  EXPECT_EQ(open_beneath(root, "link").error().code, Errc::invalid_argument);
  EXPECT_EQ(open_beneath(root, "link/passwd").error().code, Errc::invalid_argument);
  EXPECT_EQ(open_beneath(root, "../etc").error().code, Errc::invalid_argument);
  EXPECT_EQ(open_beneath(root, "a/none").error().code, Errc::not_found);
}

TEST_F(Sys, CountersOfControlGroupsV2) {
  write("cgroup.controllers", "cpuset cpu io memory pids\n");
  write("g/cpu.stat", "usage_usec 1234\nuser_usec 1000\n");
  write("g/memory.current", "4096\n");
  write("g/memory.peak", "8192\n");
  write("g/memory.events", "low 0\noom 2\noom_kill 1\n");
  write("g/cgroup.procs", "");
  const auto tree = CgroupTree::open(path()).value();
  EXPECT_EQ(tree.layout(), CgroupLayout::v2);
  EXPECT_TRUE(tree.has("memory"));
  EXPECT_FALSE(tree.has("mem"));
  const auto counters = tree.counters("g").value();
  EXPECT_EQ(counters.cpu_micros, 1234u);
  EXPECT_EQ(counters.memory_bytes, 4096u);
  EXPECT_EQ(counters.memory_peak_bytes, 8192u);
  EXPECT_EQ(counters.oom_kills, 1u);
  EXPECT_TRUE(tree.kill("g", 1s).has_value()) << "an empty group";
  EXPECT_EQ(tree.counters("none").error().code, Errc::not_found);
}

TEST_F(Sys, CpuSharesOfControlGroupsV2) {
  write("cgroup.controllers", "cpuset cpu io memory pids\n");
  // The kernel makes these.
  for (const char* file : {"cgroup.subtree_control", "a/cgroup.subtree_control", "a/b/cpu.weight"})
    write(file, "");
  const auto tree = CgroupTree::open(path()).value();
  ASSERT_TRUE(tree.set_cpu_weight("a/b", 50).has_value());
  EXPECT_EQ(read_file(path() / "cgroup.subtree_control").value(), "+cpu");
  EXPECT_EQ(read_file(path() / "a/cgroup.subtree_control").value(), "+cpu");
  EXPECT_EQ(read_file(path() / "a/b/cpu.weight").value(), "50");
}

TEST_F(Sys, CpuSharesOfControlGroupsV1) {
  write("memory/x", "");
  write("cpu/a/b/cpu.shares", "1024");
  const auto tree = CgroupTree::open(path()).value();
  ASSERT_TRUE(tree.set_cpu_weight("a/b", 1000).has_value());
  EXPECT_EQ(read_file(path() / "cpu/a/b/cpu.shares").value(), "10240");
}

TEST_F(Sys, CpuSharesNeedTheController) {
  write("cgroup.controllers", "memory pids\n");
  EXPECT_EQ(CgroupTree::open(path()).value().set_cpu_weight("a", 1).error().code,
            Errc::failed_precondition);
}

TEST_F(Sys, CountsBytesAndFilesAndOnlyWhatChanged) {
  write("d/a", std::string(100'000, 'x'));
  write("d/b", "");
  ASSERT_EQ(::link((path() / "d/a").c_str(), (path() / "d/c").c_str()), 0);
  const DiskSpace plenty{1u << 30, 1000};
  const DiskSpace all = disk_space_used(path(), plenty);
  EXPECT_EQ(all.inodes, 3u) << "d, a with its two names, b";
  EXPECT_GE(all.bytes, 100'000u);
  EXPECT_TRUE(disk_space_used(path(), {1u << 30, 1}).exceeds({1u << 30, 1}));
  struct stat info{};
  ASSERT_EQ(::stat((path() / "d/b").c_str(), &info), 0);  // a and d changed with the second name
  timespec later = info.st_ctim;
  later.tv_sec += 3600;
  EXPECT_EQ(disk_space_used(path(), plenty, later), DiskSpace{});
  EXPECT_EQ(disk_space_used(path(), plenty, info.st_ctim).inodes, 3u);
}

TEST_F(Sys, FilePowersAreAllThatIsLeft) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  write("secret", "of somebody else");
  const std::string file = (path() / "secret").string();
  ASSERT_EQ(::chown(file.c_str(), 4711, 4711), 0);
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (!keep_only_file_powers()) ::_exit(1);
    if (!read_file(file) || ::chown(file.c_str(), 4712, 4712) != 0) ::_exit(2);
    if (::chroot("/") == 0 || ::unshare(CLONE_NEWNS) == 0) ::_exit(3);
    if (enter_private_mount_namespace()) ::_exit(4);
    if (::kill(::getppid(), 0) == 0 || ::socket(AF_INET, SOCK_STREAM, 0) >= 0) ::_exit(5);
    if (::fork() >= 0 || ::execl("/bin/true", "true", nullptr) == 0) ::_exit(6);
    errno = 0;  // that a capability is missing says EPERM, too: what it is asked for is nonsense
    if (::syscall(SYS_open_by_handle_at, -1, nullptr, 0) >= 0 || errno != EPERM) ::_exit(7);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Sys, ThreadsAndProcessesTakeTheTurnsOfWhoMadeThem) {
  struct Attributes {  // of sched_getattr(2); the length of a turn is in `runtime`
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime, deadline, period;
  };
  const auto turn = [] {
    Attributes out{};
    return ::syscall(SYS_sched_getattr, 0, &out, sizeof out, 0) == 0 ? out.runtime : 0;
  };
  std::uint64_t before = 0, brief = 0, inherited = 0, after = 0;
  std::thread([&] {
    before = turn();
    ASSERT_TRUE(take_turns(Turns::brief));
    brief = turn();
    std::thread([&] {
      inherited = turn();
      ASSERT_TRUE(take_turns(Turns::ordinary));
      after = turn();
    }).join();
  }).join();
  if (before == 0) GTEST_SKIP() << "turns have one length here";
  EXPECT_LT(brief, before);
  EXPECT_EQ(inherited, brief);
  EXPECT_EQ(after, before);
}

// A sandbox's end and a server's start may meet in the same directory.
TEST_F(Sys, SeveralMayRemoveATreeAtTheSameTime) {
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20; ++i) write(fmt::format("tree/{}/below/file", i), "x");
    std::barrier begin(4);
    std::array<Status, 4> outcomes;
    {
      std::vector<std::jthread> removers;
      for (Status& outcome : outcomes)
        removers.emplace_back([&] {
          begin.arrive_and_wait();
          outcome = remove_tree(path() / "tree");
        });
    }
    for (const Status& outcome : outcomes)
      ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  }
}

TEST_F(Sys, ProcessesOfControlGroupsV2) {
  write("cgroup.controllers", "memory pids\n");
  write("g/cgroup.procs", "");
  write("g/below/cgroup.procs", "7\n8\n");
  const auto tree = CgroupTree::open(path()).value();
  EXPECT_EQ(tree.processes("g"), (std::vector<int>{7, 8}));
  EXPECT_TRUE(tree.exists("g"));
  tree.adopt("g", 9);
  EXPECT_EQ(read_file(path() / "g/cgroup.procs").value(), "9\n");
}

TEST_F(Sys, CountersOfControlGroupsV1) {
  write("memory/g/memory.usage_in_bytes", "4096\n");
  write("memory/g/memory.max_usage_in_bytes", "9000\n");
  write("memory/g/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
  write("cpuacct/g/cpuacct.usage", "5000000\n");
  const auto tree = CgroupTree::open(path()).value();
  EXPECT_EQ(tree.layout(), CgroupLayout::v1);
  const auto counters = tree.counters("g").value();
  EXPECT_EQ(counters.cpu_micros, 5000u);
  EXPECT_EQ(counters.memory_peak_bytes, 9000u);
  EXPECT_EQ(counters.oom_kills, 3u);
  write("unified/cgroup.procs", "");
  EXPECT_EQ(CgroupTree::open(path()).value().layout(), CgroupLayout::hybrid);
}

TEST_F(Sys, AGroupsPathCannotLeaveTheTree) {
  write("cgroup.controllers", "");
  EXPECT_FALSE(CgroupTree::open(path()).value().remove("../x").has_value());
}

TEST(Ipv4, ParsesWhatItPrints) {
  EXPECT_EQ(format_ipv4(parse_ipv4("198.19.0.1").value()), "198.19.0.1");
  EXPECT_FALSE(parse_ipv4("198.19.0").has_value());
}

// The server takes all the descriptors it may have; programs that it starts must not notice.
TEST(DescriptorLimit, IsRaisedForUsAndGivenBackToChildren) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  if (before.rlim_max < 256) GTEST_SKIP() << "the hard limit is too low";
  rlimit low = before;
  low.rlim_cur = 128;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const auto raised = raise_descriptor_limit();
  ASSERT_TRUE(raised.has_value());
  EXPECT_EQ(raised->was, 128u);
  EXPECT_EQ(raised->now, before.rlim_max);
  // Waits until it is told to look: the limit is set right after its start.
  const auto said = run_command(std::vector<std::string>{"/bin/sh", "-c", "read line; ulimit -Sn"},
                                "go\n", std::chrono::seconds{20});
  ASSERT_TRUE(said.has_value());
  EXPECT_EQ(said->output, "128\n");
  ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace slipway
