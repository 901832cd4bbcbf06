#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cli/audit_watch.h"
#include "cli/transport.h"
#include "json/json.h"

namespace slipway::cli {

// A server's API with errors as values: an answer that is no 2xx becomes the Error it carries. Not
// thread-safe.
class ApiClient {
 public:
  ApiClient(std::unique_ptr<HttpTransport> transport, std::string server, std::string token);

  // Looks at the audit log's checkpoint in every answer from now on; an answer of a server whose
  // history was rewritten is an error (corrupt). get() asks for a proof when one is due.
  void watch(std::unique_ptr<AuditWatch> watch) { watch_ = std::move(watch); }
  // Asks for that proof now.
  [[nodiscard]] Status check_history();

  [[nodiscard]] const std::string& server() const { return server_; }
  [[nodiscard]] const std::string& token() const { return token_; }

  [[nodiscard]] Result<json::object> get(std::string_view target);
  // With an idempotency key of its own; tried once more when the connection broke.
  [[nodiscard]] Result<json::object> post(std::string_view target, const json::object& body);
  [[nodiscard]] Result<json::object> remove(std::string_view target);
  [[nodiscard]] Result<json::object> put_pack(std::string_view target,
                                              const HttpClient::BodySource& produce);
  // Streams the answer. `quiet_for`: how long the server may say nothing.
  [[nodiscard]] Status stream(std::string_view target, Duration quiet_for,
                              const HttpClient::BodyConsumer& consume);

 private:
  [[nodiscard]] Result<json::object> parsed(Result<ClientResponse> response);
  [[nodiscard]] Status observe(const ClientResponse& response);
  [[nodiscard]] Error error_of(const ClientResponse& response) const;
  [[nodiscard]] Error explained(Error error) const;

  std::unique_ptr<HttpTransport> transport_;
  std::string server_, token_;
  std::unique_ptr<AuditWatch> watch_;
};

// One segment of a path or one value of a query, percent-encoded (RFC 3986, unreserved kept).
[[nodiscard]] std::string url_encode(std::string_view text);
// What the user calls a deployment, in any form the API takes, as a path segment. A URL counts by
// its host name.
[[nodiscard]] std::string deployment_target(std::string_view ref);

// Members of an answer; what is absent, null or of another type reads as empty.
[[nodiscard]] std::string text_at(const json::object& object, std::string_view key);
[[nodiscard]] std::int64_t number_at(const json::object& object, std::string_view key);
[[nodiscard]] bool is_true(const json::object& object, std::string_view key);
[[nodiscard]] const json::object& object_at(const json::object& object, std::string_view key);
[[nodiscard]] const json::array& array_at(const json::object& object, std::string_view key);

// Pretty JSON and a newline, with what a terminal might obey (C1, DEL, bidi controls) escaped.
[[nodiscard]] std::string printable_json(const json::value& value);
// The same escapes for JSON text that is passed on.
[[nodiscard]] std::string escape_hidden(std::string_view json_text);

}  // namespace slipway::cli
