#include "engine/netns_dialer.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/mutex.h"
#include "base/text.h"
#include "sys/files.h"
#include "sys/netns.h"

namespace slipway {

Result<std::shared_ptr<NetnsDialer>> NetnsDialer::open(Pidfd init, const Fd& home) {
  SLIPWAY_TRY(Fd netns, open_file(fmt::format("/proc/{}/ns/net", init.pid()), O_RDONLY));
  // Only after the namespace is held is it certain that the number still meant that process.
  if (init.wait_exit(Duration{0})) return fail(Errc::unavailable, "the instance has ended");
  return std::shared_ptr<NetnsDialer>(new NetnsDialer(std::move(init), std::move(netns), home));
}

Result<Fd> NetnsDialer::dial(int port, bool ipv6) const {
  const ReaderLock lock(mutex_);
  if (!netns_.valid()) return fail(Errc::unavailable, "the instance has ended");
  Fd socket;
  int error = 0;
  SLIPWAY_CHECK(in_netns(netns_, home_, [&]() -> Status {
    socket = Fd(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return fail_errno(errno, "make a socket");
    return {};
  }));
  const int one = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (ipv6) {
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(static_cast<std::uint16_t>(port));
    address.sin6_addr = in6addr_loopback;
    length = sizeof address;
  } else {
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    length = sizeof address;
  }
  // A socket stays in the namespace where it was made.
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0)
    error = errno;
  if (error != 0 && error != EINPROGRESS)
    return fail_errno(error, fmt::format("connect to port {}", port));
  return socket;
}

std::vector<int> parse_listening(std::string_view table) {
  std::vector<int> out;
  for (const std::string_view line : lines(table)) {
    // "  0: 0100007F:1F90 00000000:0000 0A ..."
    std::vector<std::string_view> words;
    for (const std::string_view word : split(line, ' '))
      if (!word.empty() && words.size() < 4) words.push_back(word);
    if (words.size() < 4 || words[3] != "0A") continue;
    const std::size_t colon = words[1].rfind(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view digits = words[1].substr(colon + 1);
    int port = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), port, 16).ec == std::errc{})
      out.push_back(port);
  }
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

Result<std::vector<int>> NetnsDialer::listening_ports() const {
  std::string tables;
  for (const char* name : {"tcp", "tcp6"}) {
    const Result<std::string> table =
        read_file(fmt::format("/proc/{}/net/{}", init_.pid(), name), 4u << 20);
    if (!table) return fail(Errc::unavailable, "the instance has ended");
    tables += *table;
  }
  if (init_.wait_exit(Duration{0})) return fail(Errc::unavailable, "the instance has ended");
  return parse_listening(tables);
}

Result<Fd> NetnsDialer::listen(std::string_view address, int port) const {
  SLIPWAY_TRY(const std::uint32_t host, parse_ipv4(address));
  const ReaderLock lock(mutex_);
  if (!netns_.valid()) return fail(Errc::unavailable, "the instance has ended");
  Fd socket;
  SLIPWAY_CHECK(in_netns(netns_, home_, [&]() -> Status {
    socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return fail_errno(errno, "make a socket");
    return {};
  }));
  const int one = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<std::uint16_t>(port));
  where.sin_addr.s_addr = htonl(host);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 ||
      ::listen(socket.get(), 64) != 0) {
    if (errno == EADDRINUSE)
      return fail(Errc::conflict, fmt::format("port {} is in use inside the instance", port));
    return fail_errno(errno, fmt::format("listen on {}:{}", address, port));
  }
  return socket;
}

void NetnsDialer::close() {
  const WriterLock lock(mutex_);
  netns_.reset();
}

}  // namespace slipway
