#include "http/probe.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <cerrno>
#include <chrono>

#include "base/text.h"

namespace slipway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

// A non-blocking socket as a SyncStream (Networking TS) whose calls end at a deadline.
class DeadlineStream {
 public:
  using Time = std::chrono::steady_clock::time_point;
  DeadlineStream(int fd, Time deadline) : fd_(fd), deadline_(deadline) {}

  boost::system::error_code wait(short events) const {
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          deadline_ - std::chrono::steady_clock::now());
      if (left.count() <= 0) return asio::error::timed_out;
      pollfd poll{.fd = fd_, .events = events, .revents = 0};
      const int ready = ::poll(&poll, 1, static_cast<int>(left.count()));
      if (ready > 0) return {};
      if (ready < 0 && errno != EINTR) return {errno, boost::system::system_category()};
    }
  }

  // The outcome of the connect() under way.
  boost::system::error_code finish_connect() const {
    if (const auto error = wait(POLLOUT)) return error;
    int code = 0;
    socklen_t length = sizeof code;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &code, &length);
    return {code, boost::system::system_category()};
  }

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, boost::system::error_code& error) {
    return transfer(*asio::buffer_sequence_begin(buffers), POLLIN, error,
                    [this](asio::mutable_buffer buffer) {
                      return ::recv(fd_, buffer.data(), buffer.size(), 0);
                    });
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, boost::system::error_code& error) {
    // The request in one piece: a simple app answers what it reads first, and hangs up.
    std::array<char, 4096> joined;
    const asio::const_buffer all(joined.data(), asio::buffer_copy(asio::buffer(joined), buffers));
    return transfer(all, POLLOUT, error, [this](asio::const_buffer buffer) {
      return ::send(fd_, buffer.data(), buffer.size(), MSG_NOSIGNAL);
    });
  }
  // The throwing forms that the concept asks for; unused.
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    boost::system::error_code error;
    return read_some(buffers, error);
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    boost::system::error_code error;
    return write_some(buffers, error);
  }

 private:
  template <class Buffer, class Call>
  std::size_t transfer(Buffer buffer, short events, boost::system::error_code& error, Call call) {
    for (;;) {
      const ssize_t n = call(buffer);
      if (n > 0 || (n == 0 && events == POLLOUT)) {
        error = {};
        return static_cast<std::size_t>(n);
      }
      if (n == 0) {
        error = asio::error::eof;
        return 0;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        error = wait(events);
        if (error) return 0;
      } else if (errno != EINTR) {
        error = {errno, boost::system::system_category()};
        return 0;
      }
    }
  }

  int fd_;
  Time deadline_;
};

std::unexpected<Error> failure(const boost::system::error_code& error) {
  if (error == asio::error::timed_out) return fail(Errc::deadline_exceeded, "no answer in time");
  if (error.category() == http::make_error_code(http::error::bad_version).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message)
    return fail(Errc::corrupt, "the answer is not HTTP: " + error.message());
  return fail(Errc::unavailable, error.message());
}

}  // namespace

Result<int> probe_http(Fd socket, std::string_view host, std::string_view path, Duration timeout) {
  DeadlineStream stream(socket.get(), std::chrono::steady_clock::now() + timeout);
  if (const auto error = stream.finish_connect()) return failure(error);

  http::request<http::empty_body> request(http::verb::get, path, 11);
  request.set(http::field::host, host);
  request.set(http::field::user_agent, "slipway-probe");
  request.set(http::field::accept, "*/*");
  request.set(http::field::connection, "close");
  boost::system::error_code error;
  http::write(stream, request, error);
  if (error) return failure(error);

  beast::flat_buffer buffer(64u << 10);
  http::response_parser<http::empty_body> parser;
  parser.header_limit(32u << 10);
  parser.skip(true);
  http::read_header(stream, buffer, parser, error);
  if (error) return failure(error);
  return static_cast<int>(parser.get().result_int());
}

Result<FetchedPage> fetch_page(Fd socket, std::string_view host, std::string_view path,
                               Duration timeout, std::size_t limit) {
  DeadlineStream stream(socket.get(), std::chrono::steady_clock::now() + timeout);
  if (const auto error = stream.finish_connect()) return failure(error);
  http::request<http::empty_body> request(http::verb::get, path, 11);
  request.set(http::field::host, host);
  request.set(http::field::user_agent, "slipway-look");
  request.set(http::field::accept, "text/html,*/*;q=0.8");
  request.set(http::field::connection, "close");
  boost::system::error_code error;
  http::write(stream, request, error);
  if (error) return failure(error);

  beast::flat_buffer buffer(64u << 10);
  http::response_parser<http::buffer_body> parser;
  parser.header_limit(32u << 10);
  parser.body_limit(boost::none);
  http::read_header(stream, buffer, parser, error);
  if (error) return failure(error);
  FetchedPage page{.status = static_cast<int>(parser.get().result_int()),
                   .type = {},
                   .location = std::string(parser.get()[http::field::location]),
                   .body = {}};
  const std::string_view type = parser.get()[http::field::content_type];
  page.type = to_lower(trim(type.substr(0, type.find(';'))));
  std::array<char, 16u << 10> chunk;
  while (!parser.is_done() && page.body.size() < limit) {
    parser.get().body().data = chunk.data();
    parser.get().body().size = chunk.size();
    http::read(stream, buffer, parser, error);
    const std::size_t got = chunk.size() - parser.get().body().size;
    page.body.append(chunk.data(), got);
    if (error == http::error::need_buffer) error = {};
    if (error) break;  // what came is what there is to see
  }
  if (page.body.size() > limit) page.body.resize(limit);
  return page;
}

}  // namespace slipway
