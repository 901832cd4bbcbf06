#include "cli/transport.h"

#include <utility>

namespace slipway::cli {
namespace {

class HttpClientTransport final : public HttpTransport {
 public:
  explicit HttpClientTransport(HttpClient client) : client_(std::move(client)) {}
  void set_header(std::string name, std::string value) override {
    client_.set_header(std::move(name), std::move(value));
  }
  void set_timeout(Duration timeout) override { client_.set_timeout(timeout); }
  Result<ClientResponse> request(std::string_view method, std::string_view target,
                                 std::string_view body) override {
    return client_.request(method, target, body);
  }
  Result<ClientResponse> upload(std::string_view method, std::string_view target,
                                const HttpClient::BodySource& produce,
                                std::string_view content_type) override {
    return client_.upload(method, target, produce, content_type);
  }
  Result<ClientResponse> stream(std::string_view method, std::string_view target,
                                const HttpClient::BodyConsumer& consume) override {
    return client_.stream(method, target, consume);
  }

 private:
  HttpClient client_;
};

}  // namespace

Result<std::unique_ptr<HttpTransport>> connect_http(std::string_view base_url) {
  SLIPWAY_TRY(HttpClient client, HttpClient::create(base_url));
  return std::make_unique<HttpClientTransport>(std::move(client));
}

}  // namespace slipway::cli
