#include "cli/api_client.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <utility>

#include "base/ids.h"
#include "base/text.h"

namespace slipway::cli {

ApiClient::ApiClient(std::unique_ptr<HttpTransport> transport, std::string server,
                     std::string token)
    : transport_(std::move(transport)), server_(std::move(server)), token_(std::move(token)) {
  if (!token_.empty()) transport_->set_header("Authorization", "Bearer " + token_);
}

Result<json::object> ApiClient::get(std::string_view target) {
  SLIPWAY_TRY(json::object answer, parsed(transport_->request("GET", target, {})));
  if (watch_ && watch_->due()) {
    // A token that may not read, or a server that does not know how, has no proof to give.
    const Status proven = check_history();
    if (!proven && proven.error().code == Errc::corrupt) return fail(proven.error());
  }
  return answer;
}

Status ApiClient::check_history() {
  if (!watch_) return {};
  return watch_->prove(
      [this](const std::string& target) { return parsed(transport_->request("GET", target, {})); });
}

Status ApiClient::observe(const ClientResponse& response) {
  if (!watch_) return {};
  const auto checkpoint = find_header(response.headers, "Slipway-Checkpoint");
  return checkpoint ? watch_->observe(*checkpoint) : Status();
}

Result<json::object> ApiClient::post(std::string_view target, const json::object& body) {
  transport_->set_header("Idempotency-Key", random_secret());
  const std::string text = json::serialize(body);
  Result<ClientResponse> response = transport_->request("POST", target, text);
  if (!response && response.error().code == Errc::unavailable)
    response = transport_->request("POST", target, text);
  return parsed(std::move(response));
}

Result<json::object> ApiClient::remove(std::string_view target) {
  return parsed(transport_->request("DELETE", target, {}));
}

Result<json::object> ApiClient::put_pack(std::string_view target,
                                         const HttpClient::BodySource& produce) {
  return parsed(transport_->upload("PUT", target, produce, "application/vnd.slipway.pack"));
}

Status ApiClient::stream(std::string_view target, Duration quiet_for,
                         const HttpClient::BodyConsumer& consume) {
  transport_->set_timeout(quiet_for);
  Result<ClientResponse> response = transport_->stream("GET", target, consume);
  transport_->set_timeout(std::chrono::seconds{30});
  if (!response) return fail(explained(std::move(response).error()));
  SLIPWAY_CHECK(observe(*response));
  if (response->status / 100 != 2) return fail(error_of(*response));
  return {};
}

Result<json::object> ApiClient::parsed(Result<ClientResponse> response) {
  if (!response) return fail(explained(std::move(response).error()));
  SLIPWAY_CHECK(observe(*response));
  if (response->status / 100 != 2) return fail(error_of(*response));
  if (response->body.empty())
    return fail(Errc::unavailable, fmt::format("{} stopped before it had answered", server_),
                "try again in a moment");
  Result<json::value> body = parse_json(response->body);
  if (!body || !body->is_object())
    return fail(Errc::internal,
                fmt::format("{} answered with something that is not Slipway's", server_),
                "check the address: slipway whoami --verbose");
  return std::move(body->get_object());
}

Error ApiClient::error_of(const ClientResponse& response) const {
  if (const Result<json::value> body = parse_json(response.body); body && body->is_object())
    if (Result<Error> error = error_from_json(*body); error && !error->message.empty()) {
      if (error->code == Errc::unauthenticated && error->hint.empty())
        error->hint = fmt::format("sign in with: slipway login --server {}", server_);
      return *std::move(error);
    }
  Error error{.code = response.status == 401                             ? Errc::unauthenticated
                      : response.status == 403                           ? Errc::permission_denied
                      : response.status == 404                           ? Errc::not_found
                      : response.status >= 502 && response.status <= 504 ? Errc::unavailable
                                                                         : Errc::internal,
              .message = fmt::format("{} answered with status {}", server_, response.status)};
  error.hint = error.code == Errc::unauthenticated
                   ? fmt::format("sign in with: slipway login --server {}", server_)
                   : "is there a Slipway server at this address?";
  return error;
}

Error ApiClient::explained(Error error) const {
  if (error.code == Errc::unavailable && error.hint.empty())
    error.hint = fmt::format("is the server at {} running? slipway doctor looks into it", server_);
  return error;
}

std::string url_encode(std::string_view text) {
  constexpr std::string_view unreserved =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (unreserved.contains(c))
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string deployment_target(std::string_view ref) {
  ref = trim(ref);
  if (const auto scheme = ref.find("://"); scheme != std::string_view::npos) {
    ref.remove_prefix(scheme + 3);
    ref = ref.substr(0, ref.find_first_of("/?#"));
    ref = ref.substr(0, ref.rfind(':'));
  }
  return "/v1/deployments/" + url_encode(ref);
}

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

bool is_true(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::int64_t number_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return 0;
  if (value->is_int64()) return value->get_int64();
  if (value->is_uint64()) return static_cast<std::int64_t>(value->get_uint64());
  return value->is_double() ? static_cast<std::int64_t>(value->get_double()) : 0;
}

const json::object& object_at(const json::object& object, std::string_view key) {
  static const json::object empty;
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : empty;
}

const json::array& array_at(const json::object& object, std::string_view key) {
  static const json::array empty;
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : empty;
}

std::string escape_hidden(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text[0]);
    std::size_t length = 1;
    std::uint32_t c = lead;
    const auto next = [&](std::size_t i) { return static_cast<unsigned char>(text[i]) & 0x3fu; };
    if (lead >= 0xc2 && lead <= 0xdf && text.size() >= 2)
      length = 2, c = (lead & 0x1fu) << 6 | next(1);
    else if (lead >= 0xe0 && lead <= 0xef && text.size() >= 3)
      length = 3, c = (lead & 0x0fu) << 12 | next(1) << 6 | next(2);
    const bool obeyed = c == 0x7f || (length == 2 && c <= 0x9f) || (c >= 0x200b && c <= 0x200f) ||
                        (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
    if (obeyed)
      out += fmt::format("\\u{:04x}", c);
    else
      out += text.substr(0, length);
    text.remove_prefix(length);
  }
  return out;
}

std::string printable_json(const json::value& value) {
  std::string out = escape_hidden(pretty(value));
  if (!out.ends_with('\n')) out += '\n';
  return out;
}

}  // namespace slipway::cli
