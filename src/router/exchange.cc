#include "router/exchange.h"

#include <fmt/format.h>

#include <ctime>

#include "router/forward.h"
#include "router/traffic.h"

namespace slipway {

std::string Lane::next_request_id() {
  // splitmix64: distinct and well spread; nobody relies on its secrecy.
  std::uint64_t z = (id_state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  std::string id(16, '0');
  for (char& digit : id) {
    digit = "0123456789abcdef"[z & 15];
    z >>= 4;
  }
  return id;
}

Exchange::Exchange(Lane& lane_, Fd connection)
    : lane(lane_),
      remote_address(peer_address(connection.get())),
      client(lane_.loop, std::move(connection)),
      parser(lane_.settings.max_header_bytes),
      answer(256u << 10),
      alarm_(lane_.loop, [this] { time_is_up(); }) {
  client.on_unasked_input([this] { client_news(); });
}

void Exchange::begin(std::string host_of_request, ClientIdentity client_of_request) {
  const RequestHead& head = parser.head();
  client_address = std::move(client_of_request.address);
  scheme = client_of_request.scheme;
  host = std::move(host_of_request);
  const std::string_view given = head.value(FieldKind::request_id);
  // A client may bring its own, to follow a request through several systems.
  const bool usable = is_request_id(given);
  request_id = usable ? std::string(given) : lane.next_request_id();
  minor_version = head.minor_version;
  is_head = head.method == "HEAD";
  client_closes = !head.keep_alive;
  keep_alive = head.keep_alive && !lane.draining;
  wants_json = prefers_json(head.value(FieldKind::accept));
  unread_body = head.has_body();
  expects_continue = head.expects_continue;
  status = 0;
  began = lane.clock.monotonic();
  counted_on = nullptr;
  own_fields.clear();
  expired_ = false;
  head_dropped_ = false;
}

void Exchange::begin_refusal() {
  client_address = remote_address;
  scheme = "http";
  host.clear();
  request_id = lane.next_request_id();
  minor_version = 1;
  is_head = keep_alive = client_closes = wants_json = expects_continue = false;
  unread_body = true;
  status = 0;
  counted_on = nullptr;
  own_fields.clear();
  head_dropped_ = true;  // linger() drops all there is
}

void Exchange::drop_head() {
  if (!head_dropped_) client.consume(parser.head_bytes());
  head_dropped_ = true;
}

void Exchange::deadline(Duration wait, Expiry what) {
  expiry_ = what;
  alarm_.set(wait);
}

void Exchange::time_is_up() {
  expired_ = true;
  switch (expiry_) {
    case Expiry::refuse_head:
      keep_alive = false;
      client.send_now(own_head(408, "", "Content-Length: 0\r\n"));
      [[fallthrough]];
    case Expiry::close:
      return abort();
    case Expiry::close_upstream:
      if (upstream_ != nullptr) upstream_->close();
      return;
    case Expiry::raise_signal:
      return signal.set();
  }
}

void Exchange::client_news() {
  if (!client.input_ended() || client_gone_) return;
  client_gone_ = true;
  if (upstream_ != nullptr) upstream_->close();
  signal.set();
}

void Exchange::abort() {
  client_gone_ = true;
  client.close();
  if (upstream_ != nullptr) upstream_->close();
  signal.set();
}

void Exchange::answer_begins(int status_code) {
  status = status_code;
  if (counted_on == nullptr) return;
  const Duration took = lane.clock.monotonic() - began;
  counted_on->count(status_code >= 500, static_cast<std::uint64_t>(took.count()));
  counted_on = nullptr;
}

std::string Exchange::own_head(int status_code, std::string_view headers,
                               std::string_view framing) {
  answer_begins(status_code);
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", status_code,
                                 reason_phrase(status_code), http_date(lane.clock));
  head += headers;
  head += framing;
  head += own_fields;
  if (!request_id.empty())
    fmt::format_to(std::back_inserter(head), "X-Request-Id: {}\r\n", request_id);
  if (!keep_alive)
    head += "Connection: close\r\n";
  else if (minor_version == 0)
    head += "Connection: keep-alive\r\n";
  head += "\r\n";
  return head;
}

Task<void> Exchange::reply(int status_code, std::string_view content_type,
                           std::string_view extra_headers, std::string_view body) {
  if (unread_body) keep_alive = false;
  std::string headers(extra_headers);
  if (!content_type.empty()) headers += fmt::format("Content-Type: {}\r\n", content_type);
  const bool bodiless = status_code == 204 || status_code == 304;
  const std::string head =
      own_head(status_code, headers,
               bodiless ? std::string() : fmt::format("Content-Length: {}\r\n", body.size()));
  deadline(lane.settings.body_timeout, Expiry::close);
  const bool sent = co_await client.write({head, is_head || bodiless ? std::string_view() : body});
  if (!sent) keep_alive = false;
}

Task<bool> Exchange::invite_body() {
  if (!expects_continue) co_return true;
  expects_continue = false;
  const bool sent = co_await client.write({"HTTP/1.1 100 Continue\r\n\r\n"});
  co_return sent;
}

std::string_view http_date(const Clock& clock) {
  thread_local std::time_t second = 0;
  thread_local std::string text;
  const std::time_t now =
      std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(clock.now()));
  if (now != second) {
    second = now;
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    text = fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days[parts.tm_wday], parts.tm_mday,
                       months[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                       parts.tm_sec);
  }
  return text;
}

bool prefers_json(std::string_view accept) {
  if (accept.empty() || list_has(accept, "text/html")) return false;
  return list_has(accept, "application/json") || list_has(accept, "application/problem+json");
}

}  // namespace slipway
