#include "sys/netns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "sys/files.h"

namespace slipway {
namespace {

template <class T>
void append(std::string& message, const T& value) {
  message.append(reinterpret_cast<const char*>(&value), sizeof value);
  message.resize((message.size() + 3) & ~std::size_t{3});
}

// A netlink message being built: header, family header, attributes.
template <class Header>
std::string begin(int type, int flags, const Header& header) {
  std::string message;
  append(message,
         nlmsghdr{.nlmsg_len = 0,
                  .nlmsg_type = static_cast<std::uint16_t>(type),
                  .nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags),
                  .nlmsg_seq = 0,
                  .nlmsg_pid = 0});
  append(message, header);
  return message;
}

void attribute(std::string& message, int type, std::string_view value) {
  append(message, rtattr{.rta_len = static_cast<std::uint16_t>(sizeof(rtattr) + value.size()),
                         .rta_type = static_cast<std::uint16_t>(type)});
  message.append(value);
  message.resize((message.size() + 3) & ~std::size_t{3});
}
void attribute(std::string& message, int type, std::uint32_t value) {
  attribute(message, type, std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
}

// Attributes inside `type`, written by `inner`.
template <class Inner>
void nest(std::string& message, int type, Inner inner) {
  const std::size_t at = message.size();
  append(message, rtattr{.rta_len = 0, .rta_type = static_cast<std::uint16_t>(type)});
  inner();
  const auto length = static_cast<std::uint16_t>(message.size() - at);
  std::memcpy(message.data() + at + offsetof(rtattr, rta_len), &length, sizeof length);
}

}  // namespace

std::string format_ipv4(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                     address & 255);
}

Result<std::uint32_t> parse_ipv4(std::string_view text) {
  in_addr address{};
  if (::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1)
    return fail(Errc::invalid_argument, fmt::format("'{}' is not an IPv4 address", text));
  return ntohl(address.s_addr);
}

Result<Fd> current_netns() { return open_file("/proc/thread-self/ns/net", O_RDONLY); }

Status in_netns(const Fd& netns, const Fd& home, const std::function<Status()>& work) {
  if (::setns(netns.get(), CLONE_NEWNET) != 0)
    return fail_errno(errno, "enter a network namespace");
  Status outcome = work();
  if (::setns(home.get(), CLONE_NEWNET) != 0) {
    log_error("cannot return to the host's network namespace");
    std::abort();
  }
  return outcome;
}

Result<RouteSocket> RouteSocket::open() {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return fail_errno(errno, "open a route socket");
  return RouteSocket(std::move(fd));
}

Status RouteSocket::request(std::string& message, std::string_view what) {
  const std::uint32_t sequence = ++sequence_;
  nlmsghdr header{};
  std::memcpy(&header, message.data(), sizeof header);
  header.nlmsg_len = static_cast<std::uint32_t>(message.size());
  header.nlmsg_seq = sequence;
  std::memcpy(message.data(), &header, sizeof header);
  if (::send(fd_.get(), message.data(), message.size(), 0) < 0)
    return fail_errno(errno, std::string(what));
  for (;;) {
    std::array<char, 8192> buffer;
    const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(errno, std::string(what));
    if (static_cast<std::size_t>(n) < sizeof(nlmsghdr) + sizeof(int)) continue;
    std::memcpy(&header, buffer.data(), sizeof header);
    if (header.nlmsg_seq != sequence || header.nlmsg_type != NLMSG_ERROR) continue;
    int error = 0;
    std::memcpy(&error, buffer.data() + sizeof header, sizeof error);
    if (error == 0) return {};
    if (-error == EEXIST) return fail(Errc::conflict, fmt::format("{}: exists already", what));
    return fail_errno(-error, std::string(what));
  }
}

Result<int> RouteSocket::index_of(const std::string& name) {
  // By ioctl on our own socket: it answers for the namespace where the socket was made, whichever
  // the thread is in now.
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(fd_.get(), SIOCGIFINDEX, &request) != 0)
    return errno == ENODEV ? fail(Errc::not_found, "no network device " + name)
                           : fail_errno(errno, "find network device " + name);
  return request.ifr_ifindex;
}

Status RouteSocket::add_veth(const std::string& name, const std::string& peer,
                             const Fd& peer_netns) {
  std::string message = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  attribute(message, IFLA_IFNAME, std::string_view(name.c_str(), name.size() + 1));
  nest(message, IFLA_LINKINFO, [&] {
    attribute(message, IFLA_INFO_KIND, "veth");
    nest(message, IFLA_INFO_DATA, [&] {
      nest(message, VETH_INFO_PEER, [&] {
        append(message, ifinfomsg{});
        attribute(message, IFLA_IFNAME, std::string_view(peer.c_str(), peer.size() + 1));
        attribute(message, IFLA_NET_NS_FD, static_cast<std::uint32_t>(peer_netns.get()));
      });
    });
  });
  return request(message, "make network device " + name);
}

bool RouteSocket::has_link(const std::string& name) { return index_of(name).has_value(); }

Status RouteSocket::set_up(const std::string& name) {
  SLIPWAY_TRY(const int index, index_of(name));
  ifinfomsg header{};
  header.ifi_index = index;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  std::string message = begin(RTM_NEWLINK, 0, header);
  return request(message, "bring up " + name);
}

Status RouteSocket::remove_link(const std::string& name) {
  const Result<int> index = index_of(name);
  if (!index) return index.error().code == Errc::not_found ? Status{} : fail(index.error());
  ifinfomsg header{};
  header.ifi_index = *index;
  std::string message = begin(RTM_DELLINK, 0, header);
  Status removed = request(message, "remove network device " + name);
  // It may go by itself between the two steps, with its peer's namespace.
  return removed || index_of(name) ? removed : Status{};
}

Status RouteSocket::add_address(const std::string& name, std::uint32_t address, int prefix) {
  SLIPWAY_TRY(const int index, index_of(name));
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = static_cast<std::uint8_t>(prefix);
  header.ifa_index = static_cast<std::uint32_t>(index);
  std::string message = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, header);
  attribute(message, IFA_LOCAL, htonl(address));
  attribute(message, IFA_ADDRESS, htonl(address));
  Status outcome = request(message, "add an address to " + name);
  return !outcome && outcome.error().code == Errc::conflict ? Status{} : outcome;
}

namespace {
rtmsg route_header(int prefix, int scope) {
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_dst_len = static_cast<std::uint8_t>(prefix);
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = static_cast<std::uint8_t>(scope);
  header.rtm_type = RTN_UNICAST;
  return header;
}
}  // namespace

Status RouteSocket::add_link_route(const std::string& name, std::uint32_t address, int prefix) {
  SLIPWAY_TRY(const int index, index_of(name));
  std::string message =
      begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route_header(prefix, RT_SCOPE_LINK));
  attribute(message, RTA_DST, htonl(address));
  attribute(message, RTA_OIF, static_cast<std::uint32_t>(index));
  return request(message, "add a route to " + name);
}

Status RouteSocket::add_default_route(const std::string& name, std::uint32_t gateway) {
  SLIPWAY_TRY(const int index, index_of(name));
  std::string message =
      begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route_header(0, RT_SCOPE_UNIVERSE));
  attribute(message, RTA_GATEWAY, htonl(gateway));
  attribute(message, RTA_OIF, static_cast<std::uint32_t>(index));
  return request(message, "add the default route by " + name);
}

}  // namespace slipway
