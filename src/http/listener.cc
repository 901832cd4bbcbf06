#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "http/loop.h"
#include "http/loop_impl.h"

namespace slipway {

namespace asio = boost::asio;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, asio::io_context::executor_type>;

struct Listener::Impl : std::enable_shared_from_this<Listener::Impl> {
  Fd fd;
  int family = AF_INET;
  int port = 0;
  std::optional<Acceptor> acceptor;
  std::optional<asio::steady_timer> pause;
  std::function<void(Fd)> accepted;
  bool paused = false;
  bool waiting = false;  // for the kernel's news, or for a moment

  void wait();
  void take_all();
};

Result<Listener> Listener::listen(std::string_view address, int port) {
  boost::system::error_code error;
  const std::string text(address == "localhost" ? "127.0.0.1" : address);
  const auto parsed = asio::ip::make_address(text, error);
  if (error || port < 0 || port > 65535)
    return fail(Errc::invalid_argument, fmt::format("cannot listen on {}:{}: not an address and a "
                                                    "port",
                                                    text, port));
  auto impl = std::make_shared<Impl>();
  const asio::ip::tcp::endpoint endpoint(parsed, static_cast<std::uint16_t>(port));
  impl->family = parsed.is_v6() ? AF_INET6 : AF_INET;
  impl->fd = Fd(::socket(impl->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!impl->fd.valid()) return fail_errno(errno, "socket");
  const int on = 1;
  ::setsockopt(impl->fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(impl->fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
      ::listen(impl->fd.get(), 4096) != 0) {
    const int why = errno;
    if (why == EADDRINUSE)
      return fail(Errc::conflict, fmt::format("{}:{} is in use by another program", text, port),
                  "Choose another port with --listen ADDRESS:PORT.");
    return fail_errno(why, fmt::format("cannot listen on {}:{}", text, port));
  }
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  ::getsockname(impl->fd.get(), reinterpret_cast<sockaddr*>(&name), &size);
  impl->port =
      ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&name)->sin6_port
                                       : reinterpret_cast<const sockaddr_in*>(&name)->sin_port);
  return Listener(std::move(impl));
}

Listener::Listener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() {
  if (impl_) close();
}
int Listener::port() const { return impl_->port; }

void Listener::accept(Loop& loop, std::function<void(Fd)> accepted) {
  impl_->accepted = std::move(accepted);
  impl_->pause.emplace(loop.impl().context);
  impl_->acceptor.emplace(loop.impl().context);
  boost::system::error_code error;
  const auto protocol = impl_->family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
  impl_->acceptor->assign(protocol, impl_->fd.release(), error);
  if (error) {
    log_error("cannot accept connections", {{"error", error.message()}});
    return;
  }
  impl_->wait();
}

void Listener::close() {
  // Now, and not with the last reference: the loop may be gone by then.
  impl_->pause.reset();
  impl_->acceptor.reset();
  impl_->fd.reset();
}

void Listener::pause() { impl_->paused = true; }
void Listener::resume() {
  if (!std::exchange(impl_->paused, false) || !impl_->acceptor || impl_->waiting) return;
  impl_->wait();
}

void Listener::Impl::wait() {
  waiting = true;
  acceptor->async_wait(Acceptor::wait_read,
                       [self = shared_from_this()](boost::system::error_code error) {
                         self->waiting = false;
                         if (!error && self->acceptor) self->take_all();
                       });
}

void Listener::Impl::take_all() {
  // Bounded, so that a flood of connections does not starve those that are there.
  for (int i = 0; i < 64; ++i) {
    if (paused) return;
    Fd connection(
        ::accept4(acceptor->native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection.valid()) {
      accepted(std::move(connection));
      if (!acceptor) return;
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    log_warn("accepting is paused", {{"error", fail_errno(errno, "accept").error().message}});
    waiting = true;
    pause->expires_after(std::chrono::milliseconds{100});
    pause->async_wait([self = shared_from_this()](boost::system::error_code error) {
      self->waiting = false;
      if (!error && self->acceptor) self->take_all();
    });
    return;
  }
  wait();
}

}  // namespace slipway
