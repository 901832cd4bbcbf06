// What a hostile app or build step tries, from inside a real sandbox.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "engine/test_support.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// A TCP listener of the host on all its addresses.
struct HostListener {
  Fd socket;
  int port = 0;
  HostListener() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket.get(), generic, length) == 0 && ::listen(socket.get(), 8) == 0 &&
        ::getsockname(socket.get(), generic, &length) == 0)
      port = ntohs(address.sin_port);
  }
};

std::vector<std::string> host_addresses() {
  std::vector<std::string> out;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return out;
  for (const ifaddrs* i = all; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN]{};
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr, text,
                sizeof text);
    out.emplace_back(text);
  }
  ::freeifaddrs(all);
  return out;
}

// A shell command that prints "open" when ADDRESS:PORT accepts a connection within a second.
std::string knock(const std::string& address, int port) {
  return fmt::format(
      "(timeout 1 bash -c 'echo > /dev/tcp/{0}/{1}' 2>/dev/null && echo open {0}) & ", address,
      port);
}

class Isolation : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = EngineBench::why_not(); !reason.empty()) GTEST_SKIP() << reason;
    bench_ = std::make_unique<EngineBench>();
  }
  EngineBench& bench() { return *bench_; }
  std::string output(std::string script, Egress egress = Egress::none) {
    return bench_->run(std::move(script), egress).output;
  }

 private:
  std::unique_ptr<EngineBench> bench_;
};

TEST_F(Isolation, SeesOnlyItsOwnProcesses) {
  EXPECT_EQ(output("ls /proc | grep -c '^[0-9]*$' | { read n; [ $n -lt 8 ] && echo few; }"),
            "few\n");
  EXPECT_EQ(output("hostname"), "app\n");
}

TEST_F(Isolation, SeesNoHostHomesAndNoOtherFilesOfEtc) {
  const std::string listing = output("ls /; ls /etc; ls /home; cat /etc/shadow; ls /root; ls /sys");
  for (const char* secret : {"shadow\n", "ssh\n", "sudoers", "machine-id", "boot\n", "srv\n"})
    EXPECT_EQ(listing.find(secret), std::string::npos) << secret << " in " << listing;
}

TEST_F(Isolation, ReadsNothingThatOnlyTheHostsRootMayRead) {
  const fs::path secret = "/usr/share/slipway-test-" + random_id();
  ASSERT_TRUE(write_file_atomic(secret, "secret", 0600).has_value());
  const std::string said = output("cat " + secret.string() + " 2>&1");
  fs::remove(secret);
  EXPECT_NE(said.find("Permission denied"), std::string::npos) << said;
}

TEST_F(Isolation, HasNoCapabilitiesAndCannotGainAny) {
  const std::string status = output("cat /proc/self/status");
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
    EXPECT_NE(status.find(std::string(set) + ":\t0000000000000000"), std::string::npos) << set;
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos);
  EXPECT_NE(status.find("Seccomp:\t2"), std::string::npos);
}

TEST_F(Isolation, RefusesDangerousSystemCalls) {
  // mount, unshare(user), setns, ptrace, keyctl, bpf, io_uring_setup, userfaultfd, personality: by
  // number for this machine, since no program offers them all.
  const std::string script = R"py(
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
x86 = {"mount":165,"unshare":272,"setns":308,"ptrace":101,"keyctl":250,"bpf":321,"io_uring_setup":425,
       "userfaultfd":323,"personality":135,"chroot":161,"pivot_root":155,"process_vm_readv":310,
       "open_by_handle_at":304,"perf_event_open":298,"clone3":435,"add_key":248,"kcmp":312,"fsopen":430}
arm = {"mount":40,"unshare":97,"setns":268,"ptrace":117,"keyctl":219,"bpf":280,"io_uring_setup":425,
       "userfaultfd":282,"personality":92,"chroot":51,"pivot_root":41,"process_vm_readv":270,
       "open_by_handle_at":265,"perf_event_open":241,"clone3":435,"add_key":217,"kcmp":272,"fsopen":430}
for name, nr in (x86 if platform.machine() == "x86_64" else arm).items():
    ctypes.set_errno(0)
    r = libc.syscall(nr, 0x10000000, 0, 0, 0, 0, 0)
    want = errno.ENOSYS if name == "clone3" else errno.EPERM
    if r != -1 or ctypes.get_errno() != want: print("allowed", name, r, ctypes.get_errno())
nr = 56 if platform.machine() == "x86_64" else 220
for flag in (0x20000, 0x10000000, 0x20000000, 0x40000000):
    if libc.syscall(nr, flag | 17, 0, 0, 0, 0) != -1 or ctypes.get_errno() != errno.EPERM: print("clone", hex(flag))
import socket
for family in (17, 38, 40, 31):
    try: socket.socket(family, socket.SOCK_RAW); print("socket", family)
    except OSError as e:
        if e.errno != errno.EAFNOSUPPORT: print("socket", family, e)
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
for protocol in list(range(1, 23)) + [99]:
    try: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol); print("netlink", protocol)
    except OSError as e:
        if e.errno != errno.EPROTONOSUPPORT: print("netlink", protocol, e)
if open("/proc/cmdline").read(): print("the kernel's command line")
try: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); print("raw socket")
except PermissionError: pass
print("done")
)py";
  SandboxSpec spec = bench().shell("");
  spec.argv = {"/usr/bin/python3", "-c", script};
  EXPECT_EQ(bench().run(spec).output, "done\n");
}

TEST_F(Isolation, WritesOnlyWhereItMay) {
  EXPECT_EQ(output("for d in /app /home/app /tmp /var/tmp /run /dev/shm; do touch $d/x && echo $d; "
                   "done"),
            "/app\n/home/app\n/tmp\n/var/tmp\n/run\n/dev/shm\n");
  EXPECT_EQ(output("for d in / /etc /usr /usr/bin /opt /proc/sys/kernel /home; do "
                   "touch $d/x 2>/dev/null && echo $d; done; "
                   "echo 1 2>/dev/null > /proc/sys/kernel/panic && echo sysctl; "
                   "echo c 2>/dev/null > /proc/sysrq-trigger && echo sysrq; true"),
            "");
}

TEST_F(Isolation, HasOnlyHarmlessDevices) {
  EXPECT_EQ(output("ls /dev | tr '\\n' ' '; mknod /app/sda b 8 0 2>/dev/null && echo made"),
            "core fd full null ptmx random shm stderr stdin stdout tty urandom zero ");
}

TEST_F(Isolation, ALayerWithItsOwnDevProcAndEtcHasNoSay) {
  const fs::path layer = bench().path() / "evil";
  ASSERT_TRUE(make_directories(layer / "app").has_value());
  for (const char* name : {"dev", "proc", "etc", "usr", "tmp"})
    ASSERT_EQ(::symlink("/app", (layer / name).c_str()), 0);
  SandboxSpec spec = bench().shell("ls /app; test -c /dev/null && test -d /proc/self && echo fine");
  spec.root.lowers = {layer};
  EXPECT_EQ(bench().run(spec).output, "fine\n");
}

TEST_F(Isolation, ALayerWhoseAppIsALinkIsRefused) {
  const fs::path layer = bench().path() / "evil";
  ASSERT_TRUE(make_directories(layer).has_value());
  ASSERT_EQ(::symlink("/etc", (layer / "app").c_str()), 0);
  SandboxSpec spec = bench().shell("ls -d /app/shadow");
  spec.root.lowers = {layer};
  // The upper's own directory hides the link.
  EXPECT_NE(bench().run(spec).outcome.exit.code, 0);
}

TEST_F(Isolation, ABindTargetBehindALinkOfTheAppIsRefused) {
  SandboxSpec spec = bench().shell("true");
  ASSERT_TRUE(make_directories(spec.root.upper / "app").has_value());
  ASSERT_EQ(::symlink("/etc", (spec.root.upper / "app/cache").c_str()), 0);
  const fs::path source = bench().path() / "source";
  ASSERT_TRUE(make_directories(source).has_value());
  spec.root.binds = {{source, "/app/cache/x", BindMount::Access::read_write}};
  const auto outcome = bench().engine().run(spec, 10s, 1 << 20, [](std::string_view) {}, {});
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, Errc::invalid_argument);
}

TEST_F(Isolation, LayersAreSharedReadOnlyAndChangesGoToTheUpper) {
  const fs::path layer = bench().path() / "layer";
  ASSERT_TRUE(make_directories(layer / "app/sub").has_value());
  ASSERT_TRUE(write_file_atomic(layer / "app/sub/file", "old\n").has_value());
  ASSERT_TRUE(write_file_atomic(layer / "app/gone", "x").has_value());
  SandboxSpec spec = bench().shell(
      "cat sub/file; echo new > sub/file; rm gone; chmod 700 sub; mkdir d && mv d e; ls");
  spec.root.lowers = {layer};
  EXPECT_EQ(bench().run(spec).output, "old\ne\nsub\n");
  EXPECT_EQ(text_of(layer / "app/sub/file"), "old\n");
  EXPECT_TRUE(fs::exists(layer / "app/gone"));
  EXPECT_EQ(text_of(spec.root.upper / "app/sub/file"), "new\n");
  struct stat info{};
  ASSERT_EQ(::lstat((spec.root.upper / "app/sub/file").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0u) << "on disk the sandbox's root is 0";
  ASSERT_EQ(::lstat((spec.root.upper / "app/gone").c_str(), &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode)) << "a whiteout";
}

TEST_F(Isolation, WritableBindsKeepWhatWasWritten) {
  const fs::path cache = bench().path() / "cache";
  ASSERT_TRUE(make_directories(cache).has_value());
  SandboxSpec spec = bench().shell("echo kept > /home/app/.npm/x; ls -ld /home/app/.npm");
  spec.root.binds = {{cache, "/home/app/.npm", BindMount::Access::read_write},
                     {"/usr/share", "/opt/share", BindMount::Access::read_only}};
  EXPECT_NE(bench().run(spec).output.find("root root"), std::string::npos);
  EXPECT_EQ(text_of(cache / "x"), "kept\n");
}

TEST_F(Isolation, CannotReachTheHostOrPrivateAddresses) {
  const HostListener listener;
  ASSERT_GT(listener.port, 0);
  std::string script;
  for (const std::string& address : host_addresses()) script += knock(address, listener.port);
  // The gateway is one of those; then metadata, and neighbours in the sandboxes' own block.
  for (const char* address : {"169.254.169.254", "10.0.0.1", "192.168.0.1", "172.16.0.1",
                              "100.100.100.200", "198.19.0.3", "198.19.16.2"})
    script += knock(address, 80);
  EXPECT_EQ(output(script + "wait; echo end", Egress::internet), "end\n");
}

TEST_F(Isolation, CannotReachAnotherSandbox) {
  SandboxSpec victim = bench().shell(
      "node -e 'require(\"http\").createServer((q,r)=>r.end(\"x\")).listen(3000,\"0.0.0.0\")'",
      Egress::internet);
  ASSERT_TRUE(bench().engine().start(victim, bench().logs(victim), 1 << 20).has_value());
  const auto dialer = bench().engine().dialer(victim.id).value();
  ASSERT_TRUE(eventually([&] { return http_get(*dialer, 3000).ends_with("x"); }));
  // All addresses the victim can have: the first ones of each block, as slots are given in turn.
  std::string script =
      "for b in 0 16 32 48 64 80 96 112 128 144 160 176 192 208 224 240; do "
      "for n in 2 3; do (timeout 0.5 bash -c \"echo > /dev/tcp/198.19.$b.$n/3000\" "
      "2>/dev/null && echo open $b.$n) & done; done; wait; echo end";
  EXPECT_EQ(output(script, Egress::internet), "end\n");
  EXPECT_TRUE(http_get(*dialer, 3000).ends_with("x")) << "the router still can";
}

TEST_F(Isolation, WithoutEgressThereIsNoNetworkButLoopback) {
  EXPECT_EQ(output("cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '"), "lo\n");
}

TEST_F(Isolation, NamesAreAnsweredByTheForwarder) {
  // Whatever the upstream says to a name, even "no such name", came through the forwarder.
  const std::string script = R"py(
import socket, struct
q = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\x09localhost\x00" + struct.pack(">HH", 1, 1)
server = [l.split()[1] for l in open("/etc/resolv.conf") if l.startswith("nameserver")][0]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(8)
s.sendto(q, (server, 53)); r = s.recv(4096)
print("udp", struct.unpack(">H", r[:2])[0])
)py";
  SandboxSpec spec = bench().shell("", Egress::internet);
  spec.argv = {"/usr/bin/python3", "-c", script};
  EXPECT_EQ(bench().run(spec).output, "udp 7\n");
}

}  // namespace
}  // namespace slipway
