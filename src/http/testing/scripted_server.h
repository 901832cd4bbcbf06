#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/text.h"
#include "sys/fd.h"

namespace slipway::testing {

// A blocking socket for tests: raw bytes in and out, every wait limited to half a minute. A socket
// with such a limit ends its waits with EINTR whenever the process was stopped and goes on: they
// are begun again here, so that no test takes that for the other side's end.
class RawPeer {
 public:
  explicit RawPeer(Fd fd) : fd_(std::move(fd)) {
    timeval limit{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  static RawPeer connect(int port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
    return RawPeer(std::move(fd));
  }

  // False when the other side is gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  // Some bytes more into the buffer; false at the end, on an error or after the limit.
  bool more() {
    char piece[65536];
    const ssize_t n = receive(piece, sizeof piece);
    if (n > 0) buffer_.append(piece, static_cast<std::size_t>(n));
    return n > 0;
  }
  // Up to and including `end`; what came if it never does.
  std::string read_until(std::string_view end) {
    std::size_t at = std::string::npos;
    while ((at = buffer_.find(end)) == std::string::npos)
      if (!more()) return std::exchange(buffer_, {});
    std::string text = buffer_.substr(0, at + end.size());
    buffer_.erase(0, at + end.size());
    return text;
  }
  std::string read_exactly(std::size_t size) {
    while (buffer_.size() < size)
      if (!more()) return std::exchange(buffer_, {});
    std::string text = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return text;
  }
  std::string read_all() {
    while (more()) {
    }
    return std::exchange(buffer_, {});
  }
  // A head, and a body with Content-Length if it announces one (not after HEAD, say).
  std::string read_message() {
    std::string head = read_until("\r\n\r\n");
    const std::string lower = to_lower(head);
    if (const auto at = lower.find("\r\ncontent-length: "); at != std::string::npos)
      head += read_exactly(std::stoul(lower.substr(at + 18)));
    return head;
  }
  // Whether the other side closed: end of file or reset in time, nothing before it.
  bool closed() {
    char byte = 0;
    const ssize_t n = receive(&byte, 1);
    return buffer_.empty() && (n == 0 || (n < 0 && errno == ECONNRESET));
  }
  void shut_write() { ::shutdown(fd_.get(), SHUT_WR); }
  // Closing sends a reset instead of an orderly end.
  void reset() {
    linger hard{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    fd_.reset();
  }
  void close() { fd_.reset(); }
  [[nodiscard]] bool valid() const { return fd_.valid(); }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  ssize_t receive(char* into, std::size_t size) {
    for (;;) {
      const ssize_t n = ::recv(fd_.get(), into, size, 0);
      if (n >= 0 || errno != EINTR) return n;
    }
  }

  Fd fd_;
  std::string buffer_;
};

// A server on 127.0.0.1 whose every connection is given to `script` on a thread of its own, with
// its number (from 0). The destructor ends and joins them all.
class ScriptedServer {
 public:
  using Script = std::function<void(RawPeer& peer, int connection)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_.get(), 128) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
      std::abort();
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    for (auto& one : connections_) ::shutdown(one.fd, SHUT_RDWR);
    for (auto& one : connections_) one.thread.join();
    for (auto& one : connections_) ::close(one.fd);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int accepted() const { return accepted_.load(); }

 private:
  struct Connection {
    int fd;  // a duplicate, to end the script's waits
    std::thread thread;
  };
  void accept_all() {
    for (;;) {
      Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.valid()) return;
      const int number = accepted_++;
      const int copy = ::dup(fd.get());
      connections_.push_back(
          {copy, std::thread([this, number, peer = RawPeer(std::move(fd))]() mutable {
             script_(peer, number);
             if (peer.valid()) ::shutdown(peer.fd(), SHUT_RDWR);
           })});
    }
  }

  Script script_;
  Fd listener_;
  int port_ = 0;
  std::atomic<int> accepted_{0};
  std::vector<Connection> connections_;
  std::thread acceptor_;
};

}  // namespace slipway::testing
