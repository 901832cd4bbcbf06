// The engine's parts that need no root.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/json.hpp>
#include <thread>

#include "base/text.h"
#include "engine/dns_forwarder.h"
#include "engine/netns_dialer.h"
#include "engine/oci_config.h"
#include "engine/sandbox_network.h"
#include "engine/shim_job.h"
#include "engine/shim_log.h"
#include "engine/test_support.h"

namespace slipway {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* small_list = R"({"syscalls":[
  {"names":["read","write","clone","clone3","socket","mount","ptrace"],"action":"SCMP_ACT_ALLOW","args":null},
  {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0,"op":"SCMP_CMP_EQ"}]},
  {"names":["bpf"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
  {"names":["sync_file_range2"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["nowhere"]}}]})";

std::vector<std::string> names_with(const json::value& profile, std::string_view action) {
  std::vector<std::string> out;
  for (const json::value& rule : profile.at("syscalls").as_array())
    if (rule.at("action").as_string() == action && !rule.as_object().contains("args"))
      for (const json::value& name : rule.at("names").as_array())
        out.emplace_back(name.as_string());
  return out;
}

TEST(Seccomp, KeepsTheListMinusWhatIsDangerous) {
  const json::value profile = json::parse(make_seccomp(small_list, SeccompFor::instance).value());
  EXPECT_EQ(names_with(profile, "SCMP_ACT_ALLOW"), (std::vector<std::string>{"read", "write"}));
  const auto refused = names_with(profile, "SCMP_ACT_ERRNO");
  for (const char* name : {"mount", "ptrace", "personality", "bpf", "unshare", "io_uring_setup"})
    EXPECT_EQ(std::ranges::count(refused, name), 1) << name;
  EXPECT_EQ(profile.at("architectures").as_array().size(), 1u);
}

TEST(Seccomp, RefusesAFileOfAnotherKind) {
  EXPECT_EQ(make_seccomp("not json", SeccompFor::instance).error().code, Errc::corrupt);
  EXPECT_EQ(make_seccomp("{}", SeccompFor::instance).error().code, Errc::corrupt);
  EXPECT_EQ(make_seccomp(R"({"syscalls":[{}]})", SeccompFor::instance).error().code, Errc::corrupt);
}

TEST(OciConfig, IsHardened) {
  SandboxSpec spec;
  spec.id = "x";
  spec.argv = {"node", "server.js"};
  spec.env = {{"PORT", "3000"}, {"PATH", "/opt/node/bin"}};
  const json::value config = json::parse(
      make_oci_config(spec, {.rootfs = "/run/root",
                             .cgroup = "/slipway/previews/x",
                             .id_base = 1'000'000,
                             .seccomp = make_seccomp(small_list, SeccompFor::instance).value(),
                             .swap_accounting = true,
                             .init = "/usr/bin/tini"}));
  const json::value& process = config.at("process");
  EXPECT_TRUE(process.at("noNewPrivileges").as_bool());
  for (const auto& [set, values] : process.at("capabilities").as_object())
    EXPECT_TRUE(values.as_array().empty()) << set;
  EXPECT_EQ(json::serialize(process.at("args")),
            R"(["/usr/bin/tini","-g","--","node","server.js"])");
  EXPECT_NE(json::serialize(process.at("env")).find("\"PATH=/opt/node/bin\""), std::string::npos);
  std::string namespaces;
  for (const json::value& one : config.at("linux").at("namespaces").as_array())
    namespaces += std::string(one.at("type").as_string()) + " ";
  EXPECT_EQ(namespaces, "pid ipc uts mount user cgroup ");
  EXPECT_EQ(json::serialize(config.at("linux").at("uidMappings")),
            R"([{"containerID":0,"hostID":1000000,"size":65536}])");
  const json::value& memory = config.at("linux").at("resources").at("memory");
  EXPECT_EQ(memory.at("limit"), memory.at("swap"));
  EXPECT_EQ(json::serialize(config.at("linux").at("resources").at("devices")),
            R"([{"allow":false,"access":"rwm"}])");
  EXPECT_TRUE(config.at("linux").as_object().contains("seccomp"));
}

TEST(OciConfig, CpuSharesBecomeTheSameWeightUnderV2) {
  for (const std::uint32_t weight : {1u, 50u, 100u, 5000u, 10'000u}) {
    SandboxSpec spec;
    spec.argv = {"x"};
    spec.limits.cpu_weight = weight;
    const json::value config = json::parse(make_oci_config(spec, {.cgroup_v2 = true}));
    const auto shares =
        config.at("linux").at("resources").at("cpu").at("shares").to_number<std::uint64_t>();
    EXPECT_EQ(1 + (shares - 2) * 9999 / 262'142, weight);
  }
}

TEST(ShimJob, SurvivesItsEncoding) {
  ShimJob job;
  job.kind = ShimJob::Kind::step;
  job.id = "a";
  job.oci_config = "{\"quote\":\"\\\"\"}";
  job.root.lowers = {"/l1", "/l2"};
  job.root.upper = "/u";
  job.root.binds = {{"/s", "/t", BindMount::Access::read_write}, {"/s2", "/t2"}};
  job.network = NetworkJob{"sw0-i1", 0xC6130002u, 0xC6130001u};
  job.log_limit_bytes = 1ull << 40;
  const ShimJob again = decode_shim_job(encode(job)).value();
  EXPECT_EQ(encode(again), encode(job));
  EXPECT_EQ(again.network->address, 0xC6130002u);
  EXPECT_EQ(again.root.binds[0].access, BindMount::Access::read_write);
  EXPECT_EQ(decode_shim_job("{}").error().code, Errc::corrupt);
  EXPECT_EQ(decode_shim_job("").error().code, Errc::corrupt);
}

TEST(ParseListening, TakesPortsInListenStateOnly) {
  EXPECT_EQ(parse_listening("  sl  local_address rem_address   st tx_queue rx_queue\n"
                            "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000\n"
                            "   1: 0100007F:1F90 0100007F:0BB8 01 00000000:00000000 00:00000000\n"
                            "   2: 00000000000000000000000000000000:0050 0000:0000 0A 0000:0000\n"
                            "   3: 00000000:0BB8 00000000:0000 0A 0:0\n garbage\n"),
            (std::vector<int>{80, 3000}));
}

TEST(FilterRules, NameTheBlocksOwnDevicesOnly) {
  const std::string rules = filter_rules(3, 0xC6133001u, {{0x0A000005u, 8443}});
  EXPECT_NE(rules.find("table inet slipway3 {"), std::string::npos);
  EXPECT_NE(rules.find("iifname \"sw3-r*\" ip daddr . tcp dport @registries accept"),
            std::string::npos);
  EXPECT_NE(rules.find("elements = { 10.0.0.5 . 8443 }"), std::string::npos);
  EXPECT_EQ(rules.find("sw0"), std::string::npos);
}

TEST(ResolvConf, GivesNameServersInOrder) {
  EXPECT_EQ(parse_resolv_conf("# x\nsearch a\nnameserver 10.0.0.1\n nameserver\t::1 # y\n"
                              "nameservers 1.2.3.4\nnameserver\n"),
            (std::vector<std::string>{"10.0.0.1", "::1"}));
}

WorkClass all_previews(std::uint32_t /*address*/) { return WorkClass::preview; }

// A name server on loopback that answers every UDP question with itself, uppercased; but for those
// that begin with "slow", which it counts.
class EchoServer {
 public:
  EchoServer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_.get(), generic, length) == 0 &&
        ::getsockname(socket_.get(), generic, &length) == 0)
      port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  }
  [[nodiscard]] std::string address() const { return fmt::format("127.0.0.1:{}", port_); }
  [[nodiscard]] std::uint64_t slow() const { return slow_; }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd poll{socket_.get(), POLLIN, 0};
      if (::poll(&poll, 1, 50) <= 0) continue;
      std::array<char, 512> buffer;
      sockaddr_in from{};
      socklen_t length = sizeof from;
      auto* generic = reinterpret_cast<sockaddr*>(&from);
      const ssize_t n =
          ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, generic, &length);
      for (char& c : buffer)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
      if (std::string_view(buffer.data(), 4) == "SLOW")
        ++slow_;
      else if (n > 0)
        ::sendto(socket_.get(), buffer.data(), static_cast<std::size_t>(n), 0, generic, length);
    }
  }
  Fd socket_;
  int port_ = 0;
  std::atomic<std::uint64_t> slow_ = 0;
  std::jthread thread_;
};

// A socket at 127.0.0.<last> towards `port`.
Fd client(int port, std::uint32_t last) {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0x7f000000u + last);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  return socket;
}

std::string ask(int port, std::string_view question, std::uint32_t last = 1) {
  const Fd socket = client(port, last);
  pollfd poll{socket.get(), POLLIN, 0};
  for (int attempt = 0; attempt < 20; ++attempt) {  // as a resolver does
    if (::send(socket.get(), question.data(), question.size(), 0) < 0) return "";
    if (::poll(&poll, 1, 1000) > 0) break;
  }
  std::array<char, 512> buffer;
  const ssize_t n = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : "";
}

TEST(DnsForwarder, PassesQuestionsAndAnswers) {
  const SystemClock clock;
  const EchoServer upstream;
  const auto forwarder =
      DnsForwarder::start(INADDR_LOOPBACK, {upstream.address()}, all_previews, clock, 0).value();
  EXPECT_EQ(ask(forwarder->port(), "a question of some length"), "A QUESTION OF SOME LENGTH");
  EXPECT_EQ(ask(forwarder->port(), "and another one"), "AND ANOTHER ONE");
}

TEST(DnsForwarder, GoesOnToTheNextServerWhenOneIsDead) {
  const SystemClock clock;
  const EchoServer upstream;
  // Port 1 of loopback refuses.
  const auto forwarder = DnsForwarder::start(INADDR_LOOPBACK, {"127.0.0.1:1", upstream.address()},
                                             all_previews, clock, 0)
                             .value();
  EXPECT_EQ(ask(forwarder->port(), "is anybody there"), "IS ANYBODY THERE");
}

// Sandboxes that ask for what nobody answers take nothing from others, least of all from
// production.
TEST(DnsForwarder, NoSandboxTakesTheAnswersOfAnother) {
  const ManualClock clock;  // nothing that waits is given up
  const EchoServer upstream;
  constexpr std::uint32_t production = 200, quiet = 201;
  const auto forwarder =
      DnsForwarder::start(
          INADDR_LOOPBACK, {upstream.address()},
          [](std::uint32_t address) {
            return address == 0x7f000000u + production ? WorkClass::production : WorkClass::preview;
          },
          clock, 0)
          .value();
  const auto flood = [&](std::uint32_t last) {
    const Fd socket = client(forwarder->port(), last);
    const std::string question = "slow question";
    for (int i = 0; i < 60; ++i)
      std::ignore = ::send(socket.get(), question.data(), question.size(), 0);
  };
  flood(2);
  EXPECT_EQ(ask(forwarder->port(), "a quiet neighbour", quiet), "A QUIET NEIGHBOUR");
  EXPECT_LE(upstream.slow(), DnsForwarder::questions_per_sandbox);
  for (std::uint32_t last = 3; last < 30; ++last) flood(last);
  EXPECT_EQ(ask(forwarder->port(), "production asks", production), "PRODUCTION ASKS");
  EXPECT_LE(upstream.slow(), DnsForwarder::questions_of_others);
}

TEST(DnsForwarder, RefusesWhatIsNoAddress) {
  const SystemClock clock;
  EXPECT_FALSE(
      DnsForwarder::start(INADDR_LOOPBACK, {"a.example", "1.2.3.4:x"}, all_previews, clock, 0));
}

TEST(LogWriter, WritesRecordsSplitsLongLinesAndRotates) {
  ManualClock clock;
  const TempDir directory = TempDir::create(fs::temp_directory_path(), "slipway-log-").value();
  auto log = LogWriter::open(directory.path() / "logs", 256u << 10, clock).value();
  log.write(LogWriter::Stream::out, "one\ntw");
  log.write(LogWriter::Stream::err, "bad\n");
  log.write(LogWriter::Stream::out, "o\n\nrest");
  log.flush();
  const std::string at = std::to_string(clock.now().time_since_epoch().count());
  const fs::path current = directory.path() / "logs/current.log";
  EXPECT_EQ(text_of(current),
            at + " o one\n" + at + " e bad\n" + at + " o two\n" + at + " o \n" + at + " o rest\n");

  log.write(LogWriter::Stream::out, std::string(40'000, 'x') + "\n");
  const std::string text = text_of(current);
  for (const std::string_view line : lines(text)) EXPECT_LE(line.size(), (16u << 10) + 32);
  EXPECT_EQ(std::ranges::count(text, 'x'), 40'000);

  for (int i = 0; i < 20'000; ++i) log.write(LogWriter::Stream::out, "a line of a flood\n");
  std::uint64_t total = 0;
  for (const auto& file : fs::directory_iterator(directory.path() / "logs"))
    total += file.file_size();
  EXPECT_LE(total, 256u << 10);
  EXPECT_TRUE(fs::exists(directory.path() / "logs/3.log"));
  EXPECT_FALSE(fs::exists(directory.path() / "logs/4.log"));
}

TEST(FakeEngine, ConnectsToThePortsOfATestAndRunsItsScript) {
  FakeEngine engine;
  SandboxSpec spec;
  spec.id = "a";
  spec.argv = {"x"};
  engine.fail_next_start({.code = Errc::start_failed, .message = "no"});
  EXPECT_EQ(engine.start(spec, "", 0).error().code, Errc::start_failed);
  ASSERT_TRUE(engine.start(spec, "", 0).has_value());
  EXPECT_EQ(engine.running(), std::vector<std::string>{"a"});
  engine.map_port(3000, 1);
  EXPECT_EQ(engine.dialer("a").value()->listening_ports().value(), std::vector<int>{3000});

  engine.on_step([](const SandboxSpec&, const StepRunner::OutputSink& output, std::stop_token) {
    output("built\n");
    return StepRunner::Outcome{.exit = {.code = 2}};
  });
  std::string said;
  const auto outcome = engine.run(spec, 1s, 100, [&](std::string_view b) { said += b; }, {});
  EXPECT_EQ(outcome->exit.code, 2);
  EXPECT_EQ(said, "built\n");
}

TEST(SandboxNetwork, OnlyASandboxThatLivesHoldsItsServersAddresses) {
  const TempDir state = TempDir::create(fs::temp_directory_path(), "slipway-network-").value();
  EXPECT_FALSE(has_running_sandbox(state.path()));
  ASSERT_TRUE(make_directories(state.path() / "sandboxes" / "one"));
  EXPECT_FALSE(has_running_sandbox(state.path())) << "it never began";
  const Fd lock =
      open_file(state.path() / "sandboxes" / "one" / "lock", O_RDWR | O_CREAT, 0600).value();
  EXPECT_FALSE(has_running_sandbox(state.path())) << "its shim is dead";
  ASSERT_EQ(::flock(lock.get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_TRUE(has_running_sandbox(state.path()));
}

}  // namespace
}  // namespace slipway
