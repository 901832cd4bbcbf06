#include "engine/dns_forwarder.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <map>

#include "base/task_group.h"
#include "base/text.h"
#include "sys/fd.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr Limiter::Limits question_limits{.units = 512,
                                          .per_key = DnsForwarder::questions_per_sandbox,
                                          .kept = {512 - DnsForwarder::questions_of_others},
                                          .waiting = 0};
constexpr Limiter::Limits connection_limits{
    .units = 128, .per_key = 16, .kept = {32}, .waiting = 0};
constexpr Duration answer_wait = 2s;
constexpr Duration connection_life = 15s;
constexpr std::size_t datagram_limit = 4096;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }
};

Result<Address> parse_address(std::string_view text) {
  std::string host(text);
  int port = 53;
  const auto take_port = [&](std::string_view digits) {
    return std::from_chars(digits.data(), digits.data() + digits.size(), port).ec == std::errc{} &&
           port > 0 && port < 65536;
  };
  const auto bad = [&] {
    return fail(Errc::invalid_argument, fmt::format("'{}' is not a name server's address", text));
  };
  if (host.starts_with('[')) {
    const std::size_t end = host.find("]:");
    if (end == std::string::npos || !take_port(std::string_view(text).substr(end + 2)))
      return bad();
    host = host.substr(1, end - 1);
  } else if (std::ranges::count(host, ':') == 1) {
    const std::size_t colon = host.find(':');
    if (!take_port(std::string_view(text).substr(colon + 1))) return bad();
    host.resize(colon);
  }
  Address out;
  auto& v4 = reinterpret_cast<sockaddr_in&>(out.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out.storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(port));
    out.length = sizeof v4;
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<std::uint16_t>(port));
    out.length = sizeof v6;
  } else {
    return bad();
  }
  return out;
}

Fd open_socket(int family, int type) {
  return Fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

}  // namespace

// All state belongs to the one thread of run().
class DnsForwarder::Loop {
 public:
  Loop(std::vector<Address> upstreams, ClassOf class_of, const Clock& clock)
      : upstreams_(std::move(upstreams)), class_of_(std::move(class_of)), clock_(clock) {}
  ~Loop() {
    const std::uint64_t one = 1;
    if (stop_.valid()) std::ignore = ::write(stop_.get(), &one, sizeof one);
    worker_.stop();
  }

  Status open(std::uint32_t address, int port) {
    epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
    stop_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    udp_ = open_socket(AF_INET, SOCK_DGRAM);
    // Room for all while one asks a lot.
    const int room = 1 << 20;
    ::setsockopt(udp_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    tcp_ = open_socket(AF_INET, SOCK_STREAM);
    if (!epoll_.valid() || !stop_.valid() || !udp_.valid() || !tcp_.valid())
      return fail_errno(errno, "open the name server's sockets");
    const int one = 1;
    ::setsockopt(tcp_.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in self{};
    self.sin_family = AF_INET;
    self.sin_addr.s_addr = htonl(address);
    self.sin_port = htons(static_cast<std::uint16_t>(port));
    const auto* generic = reinterpret_cast<const sockaddr*>(&self);
    if (::bind(udp_.get(), generic, sizeof self) != 0)
      return fail_errno(errno, "bind the name server for sandboxes");
    socklen_t length = sizeof self;
    ::getsockname(udp_.get(), reinterpret_cast<sockaddr*>(&self), &length);
    port_ = ntohs(self.sin_port);
    if (::bind(tcp_.get(), generic, sizeof self) != 0 || ::listen(tcp_.get(), 64) != 0)
      return fail_errno(errno, "bind the name server for sandboxes");
    for (const Fd* fd : {&stop_, &udp_, &tcp_}) watch(*fd, EPOLLIN);
    return worker_.start([this](const std::stop_token&) {
      run();
      return std::nullopt;
    });
  }
  [[nodiscard]] int port() const { return port_; }

 private:
  struct Question {  // one datagram, waiting for its answer on a socket of its own
    std::optional<Limiter::Slot> slot;
    Fd socket;
    sockaddr_in from{};
    std::string bytes;
    std::size_t upstream = 0;
    Duration deadline{};
  };
  struct Connection {  // a TCP client and its upstream, relayed both ways
    std::optional<Limiter::Slot> slot;
    Fd client, server;
    Duration deadline{};
  };

  void watch(const Fd& fd, std::uint32_t events) const {
    epoll_event event{.events = events, .data = {.fd = fd.get()}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event);
  }

  void run() {
    std::array<epoll_event, 64> events;
    for (;;) {
      const bool busy = !questions_.empty() || !connections_.empty();
      const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), busy ? 250 : -1);
      for (int i = 0; i < n; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == stop_.get()) return;
        if (fd == udp_.get())
          take_questions();
        else if (fd == tcp_.get())
          accept_connections();
        else if (questions_.contains(fd))
          take_answer(fd);
        else
          relay(fd);
      }
      expire();
    }
  }

  [[nodiscard]] Limiter::Claim claim_of(const sockaddr_in& from) const {
    const std::uint32_t address = ntohl(from.sin_addr.s_addr);
    return {.work = class_of_(address), .key = std::to_string(address)};
  }

  void take_questions() {
    for (;;) {
      std::array<char, datagram_limit> buffer;
      Question question;
      socklen_t length = sizeof question.from;
      const ssize_t n = ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&question.from), &length);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return;
      if (n < 12) continue;  // a header's size
      question.slot = question_limiter_.try_enter(claim_of(question.from));
      if (!question.slot) continue;
      question.bytes.assign(buffer.data(), static_cast<std::size_t>(n));
      ask(std::move(question));
    }
  }

  // A new socket for every attempt: its random port is what makes an answer hard to forge.
  void ask(Question question) {
    for (; question.upstream < upstreams_.size(); ++question.upstream) {
      const Address& upstream = upstreams_[question.upstream];
      question.socket = open_socket(upstream.family(), SOCK_DGRAM);
      if (!question.socket.valid() ||
          ::connect(question.socket.get(), upstream.get(), upstream.length) != 0 ||
          ::send(question.socket.get(), question.bytes.data(), question.bytes.size(), 0) < 0)
        continue;
      question.deadline = clock_.monotonic() + answer_wait;
      watch(question.socket, EPOLLIN);
      const int fd = question.socket.get();
      questions_.emplace(fd, std::move(question));
      return;
    }
  }

  void take_answer(int fd) {
    const auto found = questions_.find(fd);
    std::array<char, datagram_limit> buffer;
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n >= 12) {
      const Question& question = found->second;
      ::sendto(udp_.get(), buffer.data(), static_cast<std::size_t>(n), 0,
               reinterpret_cast<const sockaddr*>(&question.from), sizeof question.from);
      questions_.erase(found);
    } else {
      next_upstream(found);  // refused, most often
    }
  }

  void next_upstream(std::map<int, Question>::iterator at) {
    Question question = std::move(at->second);
    questions_.erase(at);
    ++question.upstream;
    ask(std::move(question));
  }

  void accept_connections() {
    for (;;) {
      sockaddr_in from{};
      socklen_t length = sizeof from;
      Fd client(::accept4(tcp_.get(), reinterpret_cast<sockaddr*>(&from), &length,
                          SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!client.valid()) return;
      auto slot = connection_limiter_.try_enter(claim_of(from));
      if (!slot) continue;
      Fd server = open_socket(upstreams_[0].family(), SOCK_STREAM);
      if (!server.valid()) continue;
      if (::connect(server.get(), upstreams_[0].get(), upstreams_[0].length) != 0 &&
          errno != EINPROGRESS)
        continue;
      auto connection = std::make_shared<Connection>();
      connection->slot = std::move(slot);
      connection->client = std::move(client);
      connection->server = std::move(server);
      connection->deadline = clock_.monotonic() + connection_life;
      // The server's side is watched for being connected first; only then is the client read.
      watch(connection->server, EPOLLOUT);
      connections_[connection->client.get()] = connection;
      connections_[connection->server.get()] = connection;
    }
  }

  void relay(int fd) {
    const auto found = connections_.find(fd);
    if (found == connections_.end()) return;
    const std::shared_ptr<Connection> connection = found->second;
    if (fd == connection->server.get() && !relaying_.contains(fd)) {
      relaying_.insert(fd);
      epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
      watch(connection->client, EPOLLIN);
      return;
    }
    const int to =
        fd == connection->client.get() ? connection->server.get() : connection->client.get();
    std::array<char, 65536> buffer;
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    // DNS messages are at most 64 KiB, less than a socket holds: a short write is a client that
    // does not read, and ends the connection.
    if (n <= 0 || ::send(to, buffer.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL) != n)
      drop(*connection);
  }

  void drop(const Connection& connection) {
    const int client = connection.client.get(), server = connection.server.get();
    relaying_.erase(server);
    connections_.erase(client);
    connections_.erase(server);
  }

  void expire() {
    const Duration now = clock_.monotonic();
    for (auto it = questions_.begin(); it != questions_.end();) {
      const auto at = it++;
      if (now >= at->second.deadline) next_upstream(at);
    }
    std::vector<std::shared_ptr<Connection>> old;
    for (const auto& [fd, connection] : connections_)
      if (fd == connection->client.get() && now >= connection->deadline) old.push_back(connection);
    for (const auto& connection : old) drop(*connection);
  }

  std::vector<Address> upstreams_;
  const ClassOf class_of_;
  const Clock& clock_;
  Fd epoll_, stop_, udp_, tcp_;
  int port_ = 0;
  Limiter question_limiter_{question_limits}, connection_limiter_{connection_limits};
  std::map<int, Question> questions_;
  std::map<int, std::shared_ptr<Connection>> connections_;  // by either descriptor
  std::set<int> relaying_;
  Worker worker_{"dns"};  // last: it uses the others
};

DnsForwarder::DnsForwarder(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
DnsForwarder::~DnsForwarder() = default;
int DnsForwarder::port() const { return loop_->port(); }

Result<std::unique_ptr<DnsForwarder>> DnsForwarder::start(std::uint32_t address,
                                                          const std::vector<std::string>& upstreams,
                                                          ClassOf class_of, const Clock& clock,
                                                          int port) {
  std::vector<Address> parsed;
  for (const std::string& text : upstreams)
    if (auto upstream = parse_address(text)) parsed.push_back(*upstream);
  if (parsed.empty()) return fail(Errc::invalid_argument, "no name server to pass questions on to");
  auto loop = std::make_unique<Loop>(std::move(parsed), std::move(class_of), clock);
  SLIPWAY_CHECK(loop->open(address, port));
  return std::unique_ptr<DnsForwarder>(new DnsForwarder(std::move(loop)));
}

std::vector<std::string> parse_resolv_conf(std::string_view text) {
  std::vector<std::string> out;
  for (const std::string_view line : lines(text)) {
    std::string_view rest = trim(line);
    if (!rest.starts_with("nameserver")) continue;
    rest.remove_prefix(std::string_view("nameserver").size());
    if (rest.empty() || (rest.front() != ' ' && rest.front() != '\t')) continue;
    rest = trim(rest);
    rest = rest.substr(0, rest.find_first_of(" \t#;%"));
    if (!rest.empty()) out.emplace_back(rest);
  }
  return out;
}

}  // namespace slipway
