#include "http/client_socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <cerrno>
#include <climits>
#include <system_error>
#include <vector>

#include "base/text.h"

namespace slipway {
namespace {

struct AddressListFree {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListFree>;

bool is_localhost(std::string_view host) {
  const std::string lower = to_lower(host);
  return lower == "localhost" || lower.ends_with(".localhost");
}

Result<std::vector<AddressList>> resolve(const std::string& host, int port) {
  std::vector<std::string> names{host};
  if (is_localhost(host)) names = {"127.0.0.1", "::1"};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  if (is_localhost(host)) hints.ai_flags |= AI_NUMERICHOST;
  std::vector<AddressList> found;
  for (const std::string& name : names) {
    addrinfo* list = nullptr;
    const int rc = ::getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &list);
    if (rc != 0)
      return fail(Errc::unavailable,
                  fmt::format("cannot resolve {}: {}", host, ::gai_strerror(rc)));
    found.emplace_back(list);
  }
  return found;
}

int milliseconds(Duration timeout) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  return static_cast<int>(std::clamp<std::int64_t>(ms, 1, INT_MAX));
}

std::string numeric(const addrinfo& address) {
  std::array<char, NI_MAXHOST> text{};
  if (::getnameinfo(address.ai_addr, address.ai_addrlen, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0)
    return {};
  return text.data();
}

Status connect_one(int fd, const addrinfo& address, Duration timeout) {
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return {};
  if (errno != EINPROGRESS) return fail_errno(errno, "connect");
  pollfd wait{.fd = fd, .events = POLLOUT, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&wait, 1, milliseconds(timeout));
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return fail(Errc::deadline_exceeded, "connect: no answer in time");
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail_errno(error, "connect");
  return {};
}

// From here on the kernel limits each call; the socket is blocking.
void set_blocking_with_timeout(int fd, Duration timeout) {
  const int flags = ::fcntl(fd, F_GETFL);
  ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  const auto micros = std::max<std::int64_t>(timeout.count(), 1000);
  timeval limit{.tv_sec = micros / 1'000'000, .tv_usec = micros % 1'000'000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL; this one differs in that alone.
struct Wire {
  int fd = -1;
  std::optional<Duration> until;  // by the monotonic clock
};
const Wire& wire_of(BIO* bio) { return *static_cast<const Wire*>(BIO_get_data(bio)); }

bool is_over(const std::optional<Duration>& until) {
  return until && SystemClock().monotonic() >= *until;
}

int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::send(wire_of(bio).fd, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

int bio_read(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  if (is_over(wire_of(bio).until)) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const ssize_t n = ::recv(wire_of(bio).fd, data, static_cast<std::size_t>(size), 0);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) BIO_set_retry_read(bio);
  return static_cast<int>(n);
}

long bio_ctrl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

struct MethodFree {
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};
struct ContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

std::string openssl_reason(SSL* ssl) {
  if (const long verdict = SSL_get_verify_result(ssl); verdict != X509_V_OK)
    return X509_verify_cert_error_string(verdict);
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  if (code == 0) return "connection closed during the handshake";
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

}  // namespace

struct ClientSocket::Tls {
  Wire wire;
  std::unique_ptr<BIO_METHOD, MethodFree> method;
  std::unique_ptr<SSL_CTX, ContextFree> context;
  std::unique_ptr<SSL, SslFree> ssl;
};

ClientSocket::ClientSocket(Fd fd, std::unique_ptr<Tls> tls, std::optional<Duration> until)
    : fd_(std::move(fd)), tls_(std::move(tls)), until_(until) {}
ClientSocket::ClientSocket(ClientSocket&&) noexcept = default;
ClientSocket& ClientSocket::operator=(ClientSocket&&) noexcept = default;
ClientSocket::~ClientSocket() = default;

Status ClientSocket::check(const Address& address) {
  if (!address.check) return {};
  SLIPWAY_TRY(const std::vector<AddressList> lists, resolve(address.host, address.port));
  for (const AddressList& list : lists)
    for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next)
      SLIPWAY_CHECK(address.check(numeric(*one)));
  return {};
}

Result<ClientSocket> ClientSocket::connect(const Address& address, Duration timeout) {
  SLIPWAY_TRY(const std::vector<AddressList> lists, resolve(address.host, address.port));
  std::optional<Error> first;
  std::optional<Duration> until;
  if (address.life) until = SystemClock().monotonic() + *address.life;
  for (const AddressList& list : lists)
    for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
      Fd fd(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                     one->ai_protocol));
      if (!fd.valid()) continue;
      if (address.check) {
        if (Status allowed = address.check(numeric(*one)); !allowed)
          return fail(std::move(allowed).error());
      }
      if (auto status = connect_one(fd.get(), *one, timeout); !status) {
        // With two families for localhost the first failure tells more.
        if (!first) first = status.error();
        continue;
      }
      set_blocking_with_timeout(fd.get(), timeout);
      if (address.security == Address::Security::plain)
        return ClientSocket(std::move(fd), nullptr, until);
      SLIPWAY_TRY(std::unique_ptr<Tls> tls, handshake(fd.get(), address.host, until));
      return ClientSocket(std::move(fd), std::move(tls), until);
    }
  Error last = first.value_or(Error{.code = Errc::unavailable, .message = "no address"});
  if (last.code != Errc::deadline_exceeded) last.code = Errc::unavailable;
  last.message = fmt::format("cannot reach {}:{}: {}", address.host, address.port, last.message);
  return fail(std::move(last));
}

Result<std::unique_ptr<ClientSocket::Tls>> ClientSocket::handshake(int fd, const std::string& host,
                                                                   std::optional<Duration> until) {
  auto tls = std::make_unique<Tls>();
  tls->wire = {.fd = fd, .until = until};
  tls->method.reset(BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "slipway socket"));
  tls->context.reset(SSL_CTX_new(TLS_client_method()));
  if (!tls->method || !tls->context) return fail(Errc::internal, "OpenSSL: out of memory");
  BIO_meth_set_write(tls->method.get(), bio_write);
  BIO_meth_set_read(tls->method.get(), bio_read);
  BIO_meth_set_ctrl(tls->method.get(), bio_ctrl);
  SSL_CTX_set_min_proto_version(tls->context.get(), TLS1_2_VERSION);
  SSL_CTX_set_default_verify_paths(tls->context.get());
  SSL_CTX_set_verify(tls->context.get(), SSL_VERIFY_PEER, nullptr);
  // A peer that closes without close_notify is an ordinary end of file; framing tells truncation.
  SSL_CTX_set_options(tls->context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  tls->ssl.reset(SSL_new(tls->context.get()));
  BIO* bio = BIO_new(tls->method.get());
  if (!tls->ssl || bio == nullptr) return fail(Errc::internal, "OpenSSL: out of memory");
  BIO_set_data(bio, &tls->wire);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls->ssl.get(), bio, bio);
  X509_VERIFY_PARAM* checks = SSL_get0_param(tls->ssl.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(checks, host.c_str()) != 1) {
    SSL_set1_host(tls->ssl.get(), host.c_str());
    SSL_ctrl(tls->ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(host.c_str()));
  }
  ERR_clear_error();
  if (SSL_connect(tls->ssl.get()) != 1)
    return fail(Errc::unavailable,
                fmt::format("TLS with {}: {}", host, openssl_reason(tls->ssl.get())));
  return tls;
}

Status ClientSocket::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = 0;
    if (tls_) {
      ERR_clear_error();
      n = SSL_write(tls_->ssl.get(), bytes.data(),
                    static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX)));
      if (n <= 0) {
        const int why = SSL_get_error(tls_->ssl.get(), static_cast<int>(n));
        if (why == SSL_ERROR_WANT_WRITE && errno == EINTR) continue;
        if (why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ)
          return fail(Errc::deadline_exceeded, "the server took no bytes in time");
        return fail(Errc::unavailable, "the server closed the connection");
      }
    } else {
      n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN)
          return fail(Errc::deadline_exceeded, "the server took no bytes in time");
        return fail(Errc::unavailable, "the server closed the connection");
      }
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

bool ClientSocket::has_news() const {
  pollfd wait{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, 0) > 0;
}

std::size_t ClientSocket::read(char* data, std::size_t size, boost::beast::error_code& error) {
  error = {};
  for (;;) {
    if (is_over(until_)) {
      error = boost::asio::error::timed_out;
      return 0;
    }
    ssize_t n = 0;
    if (tls_) {
      ERR_clear_error();
      n = SSL_read(tls_->ssl.get(), data, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
      if (n <= 0) {
        const int why = SSL_get_error(tls_->ssl.get(), static_cast<int>(n));
        if (why == SSL_ERROR_WANT_READ && errno == EINTR) continue;
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
          error = boost::asio::error::timed_out;
        else if (why == SSL_ERROR_ZERO_RETURN)
          error = boost::asio::error::eof;
        else
          error = boost::asio::error::connection_reset;
        return 0;
      }
    } else {
      n = ::recv(fd_.get(), data, size, 0);
      if (n < 0) {
        if (errno == EINTR) continue;
        error = errno == EAGAIN ? boost::beast::error_code(boost::asio::error::timed_out)
                                : boost::beast::error_code(errno, boost::system::system_category());
        return 0;
      }
      if (n == 0) error = boost::asio::error::eof;
    }
    return static_cast<std::size_t>(n);
  }
}

}  // namespace slipway
