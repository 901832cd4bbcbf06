#include "engine/sandbox_network.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "sys/files.h"
#include "sys/netns.h"
#include "sys/process.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

constexpr int blocks = 16;

// What no sandbox may reach. The block range of the sandboxes is among them (198.18.0.0/15).
constexpr std::string_view private_ranges =
    "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, "
    "192.0.0.0/24, 192.168.0.0/16, 198.18.0.0/15, 224.0.0.0/3";

// Where those of "HOST:PORT" are now; unknown names are skipped.
std::vector<RegistryAddress> resolve(const std::vector<std::string>& registries) {
  std::vector<RegistryAddress> out;
  for (const std::string& registry : registries) {
    const std::size_t colon = registry.rfind(':');
    const std::string host = registry.substr(0, colon);
    std::uint16_t port = 0;
    if (colon != std::string::npos)
      std::from_chars(registry.data() + colon + 1, registry.data() + registry.size(), port);
    if (port == 0) continue;
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) {
      log_warn("a registry host of the settings is not known", {{"host", host}});
      continue;
    }
    for (const addrinfo* a = found; a != nullptr; a = a->ai_next)
      out.push_back(
          {ntohl(reinterpret_cast<const sockaddr_in*>(a->ai_addr)->sin_addr.s_addr), port});
    ::freeaddrinfo(found);
  }
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

struct Claim {
  Fd fd;
  int block = 0;
};

// One file a block, locked while its server runs, holding the server's state directory: a server
// gets its old block again, and never one whose instances still run.
Result<Claim> claim_block(const SandboxSettings& settings) {
  SLIPWAY_CHECK(make_directories(settings.run_dir, 0755));
  std::vector<Claim> free;
  for (int block = 0; block < blocks; ++block) {
    SLIPWAY_TRY(Fd fd, open_file(settings.run_dir / fmt::format("network-{}", block),
                                 O_RDWR | O_CREAT, 0600));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
    const Result<std::string> text = read_file(fmt::format("/proc/self/fd/{}", fd.get()), 8192);
    const std::string owner = text ? *text : std::string();
    if (owner == settings.state_dir.string()) {
      free.clear();
      free.push_back({std::move(fd), block});
      break;
    }
    const bool in_use = !owner.empty() && has_running_sandbox(owner);
    if (!in_use) free.push_back({std::move(fd), block});
  }
  if (free.empty())
    return fail(Errc::failed_precondition,
                "all 16 address blocks for sandboxes are taken by other servers");
  Claim claim = std::move(free.front());
  if (::ftruncate(claim.fd.get(), 0) != 0 || ::lseek(claim.fd.get(), 0, SEEK_SET) != 0)
    return fail_errno(errno, "write a network claim");
  SLIPWAY_CHECK(write_all(claim.fd.get(), settings.state_dir.string()));
  return claim;
}

}  // namespace

std::string filter_rules(int block, std::uint32_t gateway,
                         const std::vector<RegistryAddress>& registries) {
  std::string elements;
  for (const auto& [address, port] : registries)
    elements += fmt::format("{}{} . {}", elements.empty() ? "" : ", ", format_ipv4(address), port);
  if (!elements.empty()) elements = "elements = { " + elements + " }";
  // "sw<block>-i..." are devices of instances and ordinary steps, "sw<block>-r..." of steps that
  // may reach the host's own registry settings. Forwarding is decided before other tables look.
  return fmt::format(
      R"(add table inet slipway{0}
delete table inet slipway{0}
table inet slipway{0} {{
  set private {{
    type ipv4_addr
    flags interval
    elements = {{ {1} }}
  }}
  set registries {{
    type ipv4_addr . inet_service
    {2}
  }}
  chain leave {{
    meta nfproto != ipv4 drop
    iifname "sw{0}-r*" ip daddr . tcp dport @registries accept
    ip daddr @private drop
    fib daddr type != unicast drop
    accept
  }}
  chain forward {{
    type filter hook forward priority filter - 10; policy accept;
    oifname "sw{0}-*" ct state established,related accept
    oifname "sw{0}-*" drop
    iifname "sw{0}-*" tcp flags syn tcp option maxseg size set rt mtu
    iifname "sw{0}-*" jump leave
  }}
  chain enter {{
    ip daddr {3} udp dport 53 accept
    ip daddr {3} tcp dport 53 accept
    drop
  }}
  chain input {{
    type filter hook input priority filter - 10; policy accept;
    iifname "sw{0}-*" jump enter
    ip daddr {3} iifname != "lo" drop
  }}
  chain leave_nat {{
    type nat hook postrouting priority srcnat; policy accept;
    iifname "sw{0}-*" masquerade
  }}
}}
)",
      block, private_ranges, elements, format_ipv4(gateway));
}

bool has_running_sandbox(const std::filesystem::path& state_dir) {
  std::error_code error;
  for (fs::directory_iterator at(state_dir / "sandboxes", error), end; !error && at != end;
       at.increment(error)) {
    const auto lock = open_file(at->path() / "lock", O_RDONLY);
    // Its shim holds it for as long as it lives.
    if (lock && ::flock(lock->get(), LOCK_SH | LOCK_NB) != 0) return true;
  }
  return false;
}

Result<std::unique_ptr<SandboxNetwork>> SandboxNetwork::open(const SandboxSettings& settings,
                                                             const Clock& clock) {
  SLIPWAY_TRY(const std::uint32_t network, parse_ipv4(settings.network));
  SLIPWAY_TRY(Claim claim, claim_block(settings));
  const auto base = (network & 0xffff0000u) + static_cast<std::uint32_t>(claim.block) * 4096u;
  std::unique_ptr<SandboxNetwork> out(new SandboxNetwork(std::move(claim.fd), claim.block, base));
  SLIPWAY_CHECK(out->install(settings));

  std::vector<std::string> upstreams = settings.dns_upstreams;
  if (upstreams.empty())
    if (const auto text = read_file("/etc/resolv.conf", 65536))
      upstreams = parse_resolv_conf(*text);
  if (upstreams.empty()) upstreams = {"127.0.0.1"};
  const auto class_of = [network = out.get()](std::uint32_t address) {
    const std::uint32_t slot = address - network->base_ - 2;
    return slot < slots ? network->classes_[slot].load() : WorkClass::build;
  };
  SLIPWAY_TRY(out->dns_, DnsForwarder::start(base + 1, upstreams, class_of, clock));
  return out;
}

Status SandboxNetwork::install(const SandboxSettings& settings) {
  for (const char* path : {"/usr/sbin/nft", "/usr/bin/nft", "/sbin/nft"})
    if (nft_.empty() && ::access(path, X_OK) == 0) nft_ = path;
  if (nft_.empty())
    return fail(Errc::failed_precondition, "nft was not found", "apt-get install nftables");
  const std::vector<std::string> argv{nft_, "-f", "-"};
  SLIPWAY_TRY(
      const CommandOutput done,
      run_command(argv, filter_rules(block_, base_ + 1, resolve(settings.registry_hosts)), 30s));
  if (done.exit.code != 0)
    return fail(Errc::failed_precondition,
                "the packet filter cannot be installed: " + sanitize_line(trim(done.output)));
  // The gateway's address lives on loopback: every device answers for it, none needs its own.
  SLIPWAY_TRY(RouteSocket routes, RouteSocket::open());
  SLIPWAY_CHECK(routes.add_address("lo", base_ + 1, 32));
  SLIPWAY_TRY(const Fd forward, open_file("/proc/sys/net/ipv4/ip_forward", O_WRONLY));
  return write_all(forward.get(), "1\n");
}

SandboxNetwork::~SandboxNetwork() {
  // Instances outlive the server, and so must their filter. Without any, nothing is to stay behind.
  if (!taken_.empty() || nft_.empty()) return;
  const std::vector<std::string> argv{nft_, "delete", "table", "inet",
                                      fmt::format("slipway{}", block_)};
  std::ignore = run_command(argv, "", 5s);
}

Result<int> SandboxNetwork::take(WorkClass work) {
  SLIPWAY_TRY(RouteSocket routes, RouteSocket::open());
  // An instance of a server whose data directory was removed under it still has its device.
  const auto is_foreign = [&](int slot) {
    return routes.has_link(device(slot, Egress::internet)) ||
           routes.has_link(device(slot, Egress::registries));
  };
  const MutexLock lock(mutex_);
  while (taken_.size() < slots) {
    // Round robin, so that an address is not somebody else's the moment it is given back.
    while (taken_.contains(next_)) next_ = (next_ + 1) % slots;
    const int slot = std::exchange(next_, (next_ + 1) % slots);
    taken_.insert(slot);
    if (is_foreign(slot)) continue;
    classes_[static_cast<std::size_t>(slot)] = work;
    return slot;
  }
  return fail(Errc::unavailable, "no address is left for a sandbox");
}

void SandboxNetwork::adopt(int slot, WorkClass work) {
  if (slot < slots) classes_[static_cast<std::size_t>(slot)] = work;
  const MutexLock lock(mutex_);
  taken_.insert(slot);
}

void SandboxNetwork::release(int slot) {
  if (slot < 0) return;
  // The device goes with the sandbox's namespace; somebody may still hold that for a moment.
  if (auto routes = RouteSocket::open())
    for (const Egress egress : {Egress::internet, Egress::registries})
      if (Status removed = routes->remove_link(device(slot, egress)); !removed)
        log_warn("cannot remove a network device", {{"error", removed.error().message}});
  const MutexLock lock(mutex_);
  taken_.erase(slot);
}

std::string SandboxNetwork::device(int slot, Egress egress) const {
  return fmt::format("sw{}-{}{}", block_, egress == Egress::registries ? 'r' : 'i', slot);
}

NetworkJob SandboxNetwork::job(int slot, Egress egress) const {
  return {.host_device = device(slot, egress),
          .address = base_ + 2 + static_cast<std::uint32_t>(slot),
          .gateway = base_ + 1};
}

}  // namespace slipway
