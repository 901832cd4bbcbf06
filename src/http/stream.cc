#include "http/stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>
#include <memory>

#include "http/loop_impl.h"

namespace slipway {

namespace asio = boost::asio;
using Socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;
using ErrorCode = boost::system::error_code;

// Counted by hand: the Stream and each operation under way hold one reference, all on one thread.
struct Stream::Impl {
  Impl(Loop& loop, Fd fd) : socket(loop.impl().context) {
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ErrorCode error;
    const int raw = fd.release();
    socket.assign(asio::ip::tcp::v4(), raw, error);  // the family matters to open() alone
    if (error) {
      ::close(raw);
      ended = true;
      return;
    }
    socket.native_non_blocking(true, error);
  }

  struct Reference {
    Impl* impl;
    explicit Reference(Impl* target) : impl(target) { ++impl->references; }
    Reference(Reference&& other) noexcept : impl(std::exchange(other.impl, nullptr)) {}
    Reference(const Reference& other) : impl(other.impl) { ++impl->references; }
    Reference& operator=(const Reference&) = delete;
    ~Reference() {
      if (impl != nullptr && --impl->references == 0) delete impl;
    }
  };

  std::size_t space() {
    if (begin == end) begin = end = 0;
    const bool grow = end == 0 && filled && capacity < large_buffer && limit >= large_buffer;
    if (grow) {
      buffer.reset(new char[large_buffer]);
      capacity = large_buffer;
    }
    if (end < capacity) return capacity - end;
    if (begin > 0) {
      std::memmove(buffer.get(), buffer.get() + begin, end - begin);
      end -= begin;
      begin = 0;
    } else if (capacity < limit) {
      const std::size_t larger =
          std::min(limit, capacity == 0 ? small_buffer : std::max(capacity * 4, large_buffer));
      std::unique_ptr<char[]> fresh(new char[larger]);
      if (end > 0) std::memcpy(fresh.get(), buffer.get(), end);
      buffer = std::move(fresh);
      capacity = larger;
    }
    return capacity - end;
  }

  void arm() {
    if (reading || ended) return;
    const std::size_t room = space();
    if (room == 0) return;
    reading = true;
    socket.async_read_some(asio::mutable_buffer(buffer.get() + end, room),
                           [self = Reference(this), room](ErrorCode error, std::size_t n) {
                             self.impl->arrived(error, n, room);
                           });
  }

  void arrived(ErrorCode error, std::size_t n, std::size_t room) {
    reading = false;
    if (error) {
      ended = true;
      failed = failed || error != asio::error::eof;
    } else {
      end += n;
      received += n;
      filled = n == room;  // the peer sends faster than the buffer holds: take larger pieces
    }
    if (auto waiter = std::exchange(reader, {}))
      waiter.resume();
    else if (unasked)
      unasked();
  }

  Socket socket;
  std::unique_ptr<char[]> buffer;
  std::size_t capacity = 0, begin = 0, end = 0;
  std::size_t limit = large_buffer;
  bool reading = false;
  bool filled = false;  // by the latest read
  bool ended = false;   // no more input
  bool failed = false;  // the end was not an orderly one
  bool write_failed = false;
  bool interrupted = false;  // while a wait is being ended
  std::coroutine_handle<> reader;
  std::function<void()> unasked;
  std::uint64_t received = 0, sent = 0;
  int references = 1;
};

Stream::Stream(Loop& loop, Fd socket) : impl_(new Impl(loop, std::move(socket))) {}
Stream::Stream(Stream&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
Stream& Stream::operator=(Stream&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}
Stream::~Stream() {
  if (impl_ == nullptr) return;
  impl_->unasked = nullptr;
  close();
  if (--impl_->references == 0) delete impl_;
}

bool Stream::open() const { return impl_ != nullptr && impl_->socket.is_open(); }

void Stream::close() {
  if (impl_ == nullptr) return;
  ErrorCode ignored;
  if (impl_->socket.is_open() && !impl_->ended) impl_->failed = true;
  impl_->ended = true;
  impl_->write_failed = true;
  impl_->socket.close(ignored);
}

void Stream::shut_output() {
  ErrorCode ignored;
  impl_->socket.shutdown(Socket::shutdown_send, ignored);
}

// ---- connect

Stream::Connected Stream::connected() { return {impl_}; }

bool Stream::Connected::await_ready() {
  if (!impl->socket.is_open()) {
    error = ECONNABORTED;
    return true;
  }
  pollfd wait{.fd = impl->socket.native_handle(), .events = POLLOUT, .revents = 0};
  if (::poll(&wait, 1, 0) == 0) return false;
  socklen_t size = sizeof error;
  ::getsockopt(wait.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return true;
}

void Stream::Connected::await_suspend(std::coroutine_handle<> waiter) {
  impl->socket.async_wait(
      Socket::wait_write, [this, self = Impl::Reference(impl), waiter](ErrorCode code) {
        if (code) {
          error = ECONNABORTED;
        } else {
          socklen_t size = sizeof error;
          ::getsockopt(self.impl->socket.native_handle(), SOL_SOCKET, SO_ERROR, &error, &size);
        }
        waiter.resume();
      });
}

// ---- input

std::string_view Stream::input() const {
  return {impl_->buffer.get() + impl_->begin, impl_->end - impl_->begin};
}
void Stream::consume(std::size_t bytes) {
  impl_->begin += bytes;
  if (impl_->begin == impl_->end && !impl_->reading) impl_->begin = impl_->end = 0;
}
bool Stream::input_ended() const { return impl_->ended; }
bool Stream::input_failed() const { return impl_->failed; }
void Stream::limit_input(std::size_t bytes) { impl_->limit = bytes; }
void Stream::arm() { impl_->arm(); }
void Stream::on_unasked_input(std::function<void()> handler) {
  impl_->unasked = std::move(handler);
}
void Stream::shrink() {
  if (impl_->reading || impl_->begin != impl_->end || impl_->capacity <= small_buffer) return;
  impl_->buffer.reset();
  impl_->capacity = impl_->begin = impl_->end = 0;
}

void Stream::interrupt_input() {
  impl_->interrupted = true;
  if (auto waiter = std::exchange(impl_->reader, {})) waiter.resume();
  impl_->interrupted = false;
}

Stream::More Stream::more() { return {impl_}; }

bool Stream::More::await_ready() {
  impl->arm();
  immediate = !impl->reading;
  return immediate;
}
void Stream::More::await_suspend(std::coroutine_handle<> waiter) { impl->reader = waiter; }
bool Stream::More::await_resume() const { return !immediate && !impl->ended && !impl->interrupted; }

// ---- output

Stream::Write Stream::write(std::initializer_list<std::string_view> list) {
  Write write{.impl = impl_};
  for (const std::string_view piece : list)
    if (!piece.empty() && write.count < write.own.size())
      write.own[write.count++] = {.iov_base = const_cast<char*>(piece.data()),
                                  .iov_len = piece.size()};
  return write;
}

Stream::Write Stream::write(const iovec* pieces, std::size_t count) {
  Write write{.impl = impl_};
  write.pieces = pieces;
  write.count = count;
  return write;
}

void Stream::send_now(std::string_view bytes) {
  if (!open()) return;
  const ssize_t n = ::send(impl_->socket.native_handle(), bytes.data(), bytes.size(),
                           MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n > 0) impl_->sent += static_cast<std::uint64_t>(n);
}

bool Stream::Write::progress() {
  while (count > 0) {
    if (impl->write_failed) {
      ok = false;
      return true;
    }
    std::array<iovec, max_pieces> window;
    const std::size_t used = std::min(count, window.size());
    std::copy_n(pieces, used, window.begin());
    window[0].iov_base = static_cast<char*>(window[0].iov_base) + offset;
    window[0].iov_len -= offset;
    msghdr message{};
    message.msg_iov = window.data();
    message.msg_iovlen = used;
    const ssize_t n = ::sendmsg(impl->socket.native_handle(), &message, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
      impl->write_failed = true;
      ok = false;
      return true;
    }
    impl->sent += static_cast<std::uint64_t>(n);
    auto left = static_cast<std::size_t>(n);
    while (count > 0 && left >= pieces->iov_len - offset) {
      left -= pieces->iov_len - offset;
      offset = 0;
      ++pieces;
      --count;
    }
    offset += left;
  }
  return true;
}

bool Stream::Write::await_ready() {
  if (pieces == nullptr) pieces = own.data();
  return progress();
}

void Stream::Write::await_suspend(std::coroutine_handle<> handle) {
  waiter = handle;
  wait();
}

void Stream::Write::wait() {
  // Writing is asked for, rather than waiting for writability: the reactor then needs no change of
  // its interest each time.
  const asio::const_buffer next(static_cast<const char*>(pieces->iov_base) + offset,
                                pieces->iov_len - offset);
  impl->socket.async_write_some(
      next, [this, self = Impl::Reference(impl)](ErrorCode error, std::size_t n) {
        if (error) {
          self.impl->write_failed = true;
        } else {
          self.impl->sent += n;
          offset += n;
          if (offset == pieces->iov_len) {
            offset = 0;
            ++pieces;
            --count;
          }
        }
        if (progress())
          waiter.resume();
        else
          wait();
      });
}

namespace {

struct Writable {
  Socket& socket;
  bool ok = true;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    socket.async_wait(Socket::wait_write, [this, waiter](ErrorCode error) {
      ok = !error;
      waiter.resume();
    });
  }
  bool await_resume() const noexcept { return ok; }
};

}  // namespace

Task<bool> Stream::write_file(int file, std::uint64_t offset, std::uint64_t bytes,
                              std::function<void()> progress) {
  const Impl::Reference keep(impl_);
  auto position = static_cast<off_t>(offset);
  while (bytes > 0) {
    if (impl_->write_failed) co_return false;
    const ssize_t n = ::sendfile(impl_->socket.native_handle(), file, &position,
                                 std::min<std::uint64_t>(bytes, 1u << 20));
    if (n > 0) {
      bytes -= static_cast<std::uint64_t>(n);
      impl_->sent += static_cast<std::uint64_t>(n);
      if (progress) progress();
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      const bool writable = co_await Writable{impl_->socket};
      if (writable) continue;
    }
    impl_->write_failed = true;
    co_return false;
  }
  co_return true;
}

std::uint64_t Stream::received() const { return impl_->received; }
std::uint64_t Stream::sent() const { return impl_->sent; }

std::string peer_address(int socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&name), &size) != 0) return "";
  char text[INET6_ADDRSTRLEN] = "";
  if (name.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&name)->sin_addr, text, sizeof text);
  } else if (name.ss_family == AF_INET6) {
    const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(&name)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address))
      ::inet_ntop(AF_INET, &address.s6_addr[12], text, sizeof text);
    else
      ::inet_ntop(AF_INET6, &address, text, sizeof text);
  }
  return text;
}

}  // namespace slipway
