#include "http/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>
#include <optional>
#include <vector>

#include "http/client_socket.h"

namespace slipway {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::size_t max_answer = 64u << 20;
constexpr std::size_t piece_bytes = 64u << 10;
using Parser = http::response_parser<http::buffer_body>;

bool has_control(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  return false;
}

Error read_error(const beast::error_code& error) {
  if (error == boost::asio::error::timed_out)
    return {.code = Errc::deadline_exceeded, .message = "the server sent nothing in time"};
  if (error == http::error::body_limit || error == http::error::header_limit)
    return {.code = Errc::too_large, .message = "the server's answer is too large"};
  return {.code = Errc::unavailable,
          .message = fmt::format("the server's answer broke off: {}", error.message())};
}

}  // namespace

struct HttpClient::State {
  ClientSocket::Address address;
  std::string host_header;
  std::string prefix;  // path of the base URL, without a trailing slash
  HttpHeaders headers;
  Duration timeout = std::chrono::seconds{30};
  std::size_t answer_limit = max_answer;
  std::optional<ClientSocket> socket;
  beast::flat_buffer buffer{256u << 10};
  bool answer_started = false;  // bytes of the current answer came

  Result<std::string> head(std::string_view method, std::string_view target,
                           std::string_view content_type, std::string_view framing) const;
  // Connects unless a connection that looks alive is there; says whether it was there.
  enum class Connection { fresh, kept };
  Result<Connection> ensure_connected();
  void disconnect();
  // Reads the final answer's head into `parser`, past 1xx.
  Status read_head(std::optional<Parser>& parser, std::string_view method);
  Result<ClientResponse> read_answer(std::string_view method, const BodyConsumer* consume);
  Status send(std::string_view head, std::string_view body);
  Result<ClientResponse> exchange(std::string_view method, std::string_view head,
                                  std::string_view body, const BodyConsumer* consume);
  // Sends the whole chunked body, or less when the server answers early.
  Status send_chunks(const BodySource& produce, bool& answered_early);
};

Result<HttpClient> HttpClient::create(std::string_view base_url) {
  const auto parsed = boost::urls::parse_uri(base_url);
  const auto wrong = [&] {
    return fail(Errc::invalid_argument,
                fmt::format("\"{}\" is not an http:// or https:// URL", std::string(base_url)));
  };
  if (!parsed || parsed->host().empty() || parsed->has_userinfo() || parsed->has_query() ||
      parsed->has_fragment())
    return wrong();
  auto state = std::make_unique<State>();
  const bool tls = parsed->scheme() == "https";
  if (!tls && parsed->scheme() != "http") return wrong();
  state->address.security =
      tls ? ClientSocket::Address::Security::tls : ClientSocket::Address::Security::plain;
  state->address.port = tls ? 443 : 80;
  if (parsed->has_port() && !parsed->port().empty()) {
    const std::string_view port(parsed->port().data(), parsed->port().size());
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), state->address.port);
    if (error != std::errc{} || end != port.data() + port.size() || state->address.port < 1 ||
        state->address.port > 65535)
      return wrong();
  }
  state->address.host = std::string(parsed->host_address());
  state->host_header = std::string(parsed->encoded_host_and_port());
  state->prefix = std::string(parsed->encoded_path());
  while (state->prefix.ends_with('/')) state->prefix.pop_back();
  return HttpClient(std::move(state));
}

HttpClient::HttpClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

void HttpClient::set_header(std::string name, std::string value) {
  for (auto& [key, old] : state_->headers)
    if (same_name(key, name)) {
      old = std::move(value);
      return;
    }
  state_->headers.emplace_back(std::move(name), std::move(value));
}

void HttpClient::set_timeout(Duration timeout) {
  state_->timeout = timeout;
  state_->disconnect();  // the limit belongs to the socket
}

void HttpClient::set_address_check(AddressCheck check) {
  state_->address.check = std::move(check);
  state_->disconnect();
}

Status HttpClient::check_addresses() const { return ClientSocket::check(state_->address); }

void HttpClient::set_answer_limit(std::size_t bytes) {
  state_->answer_limit = std::min(bytes, max_answer);
}

void HttpClient::set_life(Duration life) {
  state_->address.life = life;
  state_->disconnect();
}

Result<std::string> HttpClient::State::head(std::string_view method, std::string_view target,
                                            std::string_view content_type,
                                            std::string_view framing) const {
  if (!target.starts_with('/') || target.find(' ') != std::string_view::npos ||
      has_control(target) || has_control(method) || has_control(content_type))
    return fail(Errc::invalid_argument,
                "not a request target: it must start with / and be encoded");
  std::string text =
      fmt::format("{} {}{} HTTP/1.1\r\nHost: {}\r\n", method, prefix, target, host_header);
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!find_header(headers, name)) text += fmt::format("{}: {}\r\n", name, value);
  };
  add("User-Agent", "slipway/" SLIPWAY_VERSION);
  add("Accept", "*/*");
  for (const auto& [name, value] : headers) {
    if (has_control(name) || has_control(value))
      return fail(Errc::invalid_argument, fmt::format("header {} has a control character", name));
    text += fmt::format("{}: {}\r\n", name, value);
  }
  if (!content_type.empty() && !framing.empty()) add("Content-Type", content_type);
  text += framing;
  text += "\r\n";
  return text;
}

Result<HttpClient::State::Connection> HttpClient::State::ensure_connected() {
  // News on an idle connection is its end (or nonsense); either way it is no good.
  if (socket && !socket->has_news()) return Connection::kept;
  disconnect();
  SLIPWAY_TRY(socket, ClientSocket::connect(address, timeout));
  return Connection::fresh;
}

void HttpClient::State::disconnect() {
  socket.reset();
  buffer.clear();
}

Status HttpClient::State::read_head(std::optional<Parser>& parser, std::string_view method) {
  for (;;) {
    parser.emplace();
    parser->header_limit(128u << 10);
    parser->body_limit(boost::none);
    parser->skip(method == "HEAD");
    beast::error_code error;
    http::read_header(*socket, buffer, *parser, error);
    answer_started = answer_started || parser->got_some() || buffer.size() > 0;
    if (error) return fail(read_error(error));
    if (parser->get().result_int() >= 200) return {};
  }
}

Result<ClientResponse> HttpClient::State::read_answer(std::string_view method,
                                                      const BodyConsumer* consume) {
  answer_started = false;
  std::optional<Parser> parser;
  SLIPWAY_CHECK(read_head(parser, method));
  ClientResponse response;
  auto& message = parser->get();
  response.status = static_cast<int>(message.result_int());
  for (const auto& field : message)
    response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  const bool give = consume != nullptr && response.status / 100 == 2;
  std::vector<char> piece(piece_bytes);
  while (!parser->is_done()) {
    message.body().data = piece.data();
    message.body().size = piece.size();
    message.body().more = true;
    beast::error_code error;
    http::read_some(*socket, buffer, *parser, error);
    if (error == http::error::need_buffer) error = {};
    if (error == http::error::end_of_stream) break;
    const std::string_view got(piece.data(), piece.size() - message.body().size);
    if (!got.empty()) {
      if (give) {
        SLIPWAY_CHECK((*consume)(got));
      } else if (response.body.size() + got.size() > answer_limit) {
        disconnect();
        return fail(Errc::too_large,
                    fmt::format("the server's answer is larger than {} bytes", answer_limit));
      } else {
        response.body += got;
      }
    }
    if (error) return fail(read_error(error));
  }
  if (!message.keep_alive() || !parser->is_done()) disconnect();
  return response;
}

Status HttpClient::State::send(std::string_view head, std::string_view body) {
  if (body.size() <= piece_bytes) return socket->write_all(std::string(head) + std::string(body));
  SLIPWAY_CHECK(socket->write_all(head));
  return socket->write_all(body);
}

Result<ClientResponse> HttpClient::State::exchange(std::string_view method, std::string_view head,
                                                   std::string_view body,
                                                   const BodyConsumer* consume) {
  for (;;) {
    SLIPWAY_TRY(const Connection connection, ensure_connected());
    const Status sent = send(head, body);
    // An early answer (413, 401) may lie there although the rest could not be sent.
    Result<ClientResponse> answer = read_answer(method, consume);
    if (!sent) {
      if (answer)
        disconnect();
      else
        answer = fail(sent.error());
    }
    if (answer) return answer;
    const bool nothing_came = !answer_started && answer.error().code == Errc::unavailable;
    disconnect();
    // The server may close a kept connection at any time; that is not the caller's business. What
    // is not idempotent is sent again only if it cannot have arrived.
    const bool repeatable = method == "GET" || method == "HEAD" || method == "PUT" ||
                            method == "DELETE" || method == "OPTIONS" || !sent;
    if (connection == Connection::kept && nothing_came && repeatable) continue;
    return answer;
  }
}

Result<ClientResponse> HttpClient::request(std::string_view method, std::string_view target,
                                           std::string_view body, std::string_view content_type) {
  const bool has_body = !body.empty() || method == "POST" || method == "PUT" || method == "PATCH";
  const std::string framing =
      has_body ? fmt::format("Content-Length: {}\r\n", body.size()) : std::string();
  SLIPWAY_TRY(const std::string head,
              state_->head(method, target, body.empty() ? "" : content_type, framing));
  return state_->exchange(method, head, body, nullptr);
}

Status HttpClient::State::send_chunks(const BodySource& produce, bool& answered_early) {
  std::string chunk;
  for (;;) {
    if (socket->has_news()) {
      answered_early = true;
      return {};
    }
    SLIPWAY_TRY(const std::string_view piece, produce());
    chunk = fmt::format("{:x}\r\n", piece.size());
    chunk += piece;
    chunk += "\r\n";
    SLIPWAY_CHECK(socket->write_all(chunk));
    if (piece.empty()) return {};
  }
}

Result<ClientResponse> HttpClient::upload(std::string_view method, std::string_view target,
                                          const BodySource& produce,
                                          std::string_view content_type) {
  SLIPWAY_TRY(const std::string head,
              state_->head(method, target, content_type, "Transfer-Encoding: chunked\r\n"));
  SLIPWAY_TRY([[maybe_unused]] const auto connection, state_->ensure_connected());
  bool answered_early = false;
  Status sent = state_->socket->write_all(head);
  if (sent) {
    bool source_failed = false;
    const BodySource guarded = [&]() -> Result<std::string_view> {
      auto piece = produce();
      source_failed = !piece;
      return piece;
    };
    sent = state_->send_chunks(guarded, answered_early);
    if (source_failed) {  // half a body must not be taken for a whole one
      state_->disconnect();
      return fail(sent.error());
    }
  }
  Result<ClientResponse> answer = state_->read_answer(method, nullptr);
  if (!answer || !sent || answered_early) state_->disconnect();
  if (!answer && !sent) return fail(sent.error());
  return answer;
}

Result<ClientResponse> HttpClient::stream(std::string_view method, std::string_view target,
                                          const BodyConsumer& consume) {
  SLIPWAY_TRY(const std::string head, state_->head(method, target, "", ""));
  return state_->exchange(method, head, {}, &consume);
}

}  // namespace slipway
