#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "http/address_guard.h"
#include "http/message.h"

namespace slipway {

struct ClientResponse {
  int status = 0;
  HttpHeaders headers;
  std::string body;
};

// A blocking HTTP/1.1 client for the CLI and for probes: one connection, kept alive and made again
// when the server closed it. http:// and https:// (system CA bundle, SSL_CERT_FILE honoured). Not
// thread-safe.
class HttpClient {
 public:
  // `base_url` as "http://127.0.0.1:7070". Errors: invalid_argument.
  [[nodiscard]] static Result<HttpClient> create(std::string_view base_url);
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;
  ~HttpClient();

  // Sent with every request: Authorization and the like.
  void set_header(std::string name, std::string value);
  void set_timeout(Duration timeout);  // per read or write without progress; 30 s unless set

  // Asked of every address before it is connected to, with no other look-up in between; what it
  // refuses is the request's error.
  void set_address_check(AddressCheck check);
  // Asks that check of what the host resolves to now, without connecting. Errors: the check's;
  // unavailable when it does not resolve.
  [[nodiscard]] Status check_addresses() const;
  // A connection's whole life, however busy it is. No limit unless set.
  void set_life(Duration life);
  // Of an answer's body that is kept whole; 64 MiB unless set, which is the most.
  void set_answer_limit(std::size_t bytes);

  // Errors: unavailable (cannot connect), deadline_exceeded, too_large (an answer above the limit).
  // A status of 4xx or 5xx is a response, not an error.
  [[nodiscard]] Result<ClientResponse> request(std::string_view method, std::string_view target,
                                               std::string_view body = {},
                                               std::string_view content_type = "application/json");
  // Sends what `produce` yields (chunked), until it gives an empty view.
  using BodySource = std::function<Result<std::string_view>()>;
  [[nodiscard]] Result<ClientResponse> upload(std::string_view method, std::string_view target,
                                              const BodySource& produce,
                                              std::string_view content_type);
  // Gives each piece of the body to `consume` as it comes; stops when that returns an error, which
  // is returned. For an answer that is no 2xx, consume is not called and the body is in the
  // response.
  using BodyConsumer = std::function<Status(std::string_view)>;
  [[nodiscard]] Result<ClientResponse> stream(std::string_view method, std::string_view target,
                                              const BodyConsumer& consume);

 private:
  struct State;
  explicit HttpClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace slipway
