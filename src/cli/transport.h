#pragma once

#include <memory>
#include <string_view>

#include "http/client.h"

namespace slipway::cli {

// The HTTP connection to one server, as HttpClient has it; a seam, so that tests can script the
// server. Not thread-safe.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  // Sent with every later request; the same name again replaces the value.
  virtual void set_header(std::string name, std::string value) = 0;
  virtual void set_timeout(Duration timeout) = 0;
  [[nodiscard]] virtual Result<ClientResponse> request(std::string_view method,
                                                       std::string_view target,
                                                       std::string_view body) = 0;
  [[nodiscard]] virtual Result<ClientResponse> upload(std::string_view method,
                                                      std::string_view target,
                                                      const HttpClient::BodySource& produce,
                                                      std::string_view content_type) = 0;
  [[nodiscard]] virtual Result<ClientResponse> stream(std::string_view method,
                                                      std::string_view target,
                                                      const HttpClient::BodyConsumer& consume) = 0;
};

// Over the network. Errors: invalid_argument for a base URL that is none.
[[nodiscard]] Result<std::unique_ptr<HttpTransport>> connect_http(std::string_view base_url);

}  // namespace slipway::cli
