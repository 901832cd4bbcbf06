#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "http/address_guard.h"
#include "sys/fd.h"

namespace slipway {

// A blocking TCP connection, plain or TLS, whose every read and write gives up after `timeout`
// without progress. Models Beast's SyncReadStream; writes go through write_all(). Never raises
// SIGPIPE. Owns the socket. Not thread-safe.
class ClientSocket {
 public:
  struct Address {
    std::string host;  // a name, or an address without brackets
    int port = 0;
    enum class Security { plain, tls } security = Security::plain;
    // Asked of each address that the host resolves to, before it is connected to; the first refusal
    // is the error. Empty: any will do.
    AddressCheck check;
    // The connection's whole life: reads give up when it is over. Nothing: no limit.
    std::optional<Duration> life;
  };

  // Names below "localhost" mean the loopback interface without asking a resolver. Errors:
  // unavailable, deadline_exceeded.
  [[nodiscard]] static Result<ClientSocket> connect(const Address& address, Duration timeout);
  // Asks the check of every address of the host, without connecting.
  [[nodiscard]] static Status check(const Address& address);
  ClientSocket(ClientSocket&&) noexcept;
  ClientSocket& operator=(ClientSocket&&) noexcept;
  ~ClientSocket();

  [[nodiscard]] Status write_all(std::string_view bytes);
  // Whether the peer has sent something, or hung up, without being asked.
  [[nodiscard]] bool has_news() const;

  template <class MutableBuffers>
  std::size_t read_some(const MutableBuffers& buffers, boost::beast::error_code& error) {
    for (auto it = boost::asio::buffer_sequence_begin(buffers);
         it != boost::asio::buffer_sequence_end(buffers); ++it) {
      const boost::asio::mutable_buffer buffer = *it;
      if (buffer.size() != 0) return read(static_cast<char*>(buffer.data()), buffer.size(), error);
    }
    error = {};
    return 0;
  }
  template <class MutableBuffers>
  std::size_t read_some(const MutableBuffers& buffers) {
    boost::beast::error_code error;
    const std::size_t n = read_some(buffers, error);
    if (error) throw boost::beast::system_error(error);
    return n;
  }

 private:
  struct Tls;
  ClientSocket(Fd fd, std::unique_ptr<Tls> tls, std::optional<Duration> until);
  [[nodiscard]] static Result<std::unique_ptr<Tls>> handshake(int fd, const std::string& host,
                                                              std::optional<Duration> until);
  std::size_t read(char* data, std::size_t size, boost::beast::error_code& error);

  Fd fd_;
  std::unique_ptr<Tls> tls_;
  std::optional<Duration> until_;  // by the monotonic clock
};

}  // namespace slipway
