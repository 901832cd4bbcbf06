#include "router/session.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"
#include "http/message.h"
#include "router/path_rules.h"
#include "router/placement.h"
#include "router/responders.h"

namespace slipway {
namespace {

using Expiry = Exchange::Expiry;
constexpr Duration linger_limit = std::chrono::seconds{5};

// The names of the API itself. Anything else that leads here, by DNS rebinding say, does not reach
// it.
bool is_api_host(std::string_view host, const RouterSettings& settings) {
  if (host == settings.domain || host == "localhost" || host == "127.0.0.1" || host == "[::1]" ||
      host == settings.listen_address)
    return true;
  // Who listens everywhere answers by number as well: no name, so no rebinding of one, leads here.
  if (settings.listen_address != "0.0.0.0" && settings.listen_address != "::") return false;
  in6_addr address{};
  const bool v6 = host.starts_with('[') && host.ends_with(']');
  const std::string text(v6 ? host.substr(1, host.size() - 2) : host);
  return ::inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), &address) == 1;
}

// Where the client of this request stands among those of a split. With one arm that is of no
// account; with several, a client that has no good cookie gets one with the answer.
std::uint32_t place_client(Exchange& x, const TrafficSplit& split) {
  if (split.arms.size() <= 1) return 0;
  std::string_view user_agent, forwarded_for, scheme;
  for (const HeadField& field : x.parser.head().fields) {
    if (field.kind == FieldKind::cookie) {
      if (const auto place = placed_by_cookie(field.value, split.salt)) return *place;
    } else if (field.kind == FieldKind::forwarded) {
      // Of a proxy in front, or made up: it only tells this client's place.
      if (same_name(field.name, "x-forwarded-for"))
        forwarded_for = trim(field.value.substr(0, field.value.find(',')));
      if (same_name(field.name, "x-forwarded-proto")) scheme = field.value;
    } else if (same_name(field.name, "user-agent")) {
      user_agent = field.value;
    }
  }
  const std::uint32_t place = place_of(
      split.salt, forwarded_for.empty() ? std::string_view(x.remote_address) : forwarded_for,
      user_agent);
  x.own_fields +=
      fmt::format("Set-Cookie: {}={}; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax{}\r\n",
                  TrafficSplit::cookie_name, placement_cookie(split.salt, place),
                  same_name(scheme, "https") ? "; Secure" : "");
  return place;
}

// What the access log says of a request; taken before its head goes.
class AccessRecord {
 public:
  AccessRecord(const RequestHead& head, Duration now, std::uint64_t sent)
      : method_(head.method),
        // Queries may carry secrets.
        path_(head.target.substr(0, std::min(head.target.find('?'), longest_path))),
        began_(now),
        sent_before_(sent) {}
  // Status 0: the client left before there was an answer.
  void write(const Exchange& x, Duration now) const {
    log_info("request", {{"request", x.request_id},
                         {"remote", x.client_address},
                         {"method", method_},
                         {"host", x.host},
                         {"path", path_},
                         {"status", x.status},
                         {"bytes", x.client.sent() - sent_before_},
                         {"took_us", (now - began_).count()}});
  }

 private:
  static constexpr std::size_t longest_path = 1024;
  std::string method_, path_;
  Duration began_;
  std::uint64_t sent_before_;
};

}  // namespace

Session::Session(Lane& lane, Fd connection, std::function<void(Session&)> ended)
    : lane_(lane), ended_(std::move(ended)), exchange_(lane, std::move(connection)) {}

void Session::start() { activity_.start(run()); }

void Session::drain() {
  if (resting_) return give_way();
  exchange_.keep_alive = false;
  exchange_.signal.set();
}

void Session::rest() {
  std::list<Session*>& line = asked_ ? lane_.resting : lane_.silent;
  place_ = line.insert(line.end(), this);
  resting_ = true;
}

void Session::stir() {
  if (!std::exchange(resting_, false)) return;
  (asked_ ? lane_.resting : lane_.silent).erase(place_);
}

void Session::give_way() {
  stir();
  exchange_.abort();
}

Task<void> Session::run() {
  try {
    for (Duration patience = lane_.settings.header_timeout;;
         patience = lane_.settings.idle_timeout) {
      const bool complete = co_await read_head(patience);
      if (!complete) break;
      co_await answer();
      count();
      if (!exchange_.keep_alive || exchange_.client_gone()) break;
    }
    if (!exchange_.client_gone()) co_await linger();
  } catch (const std::exception& error) {  // a bug costs its connection, not the router
    log_error("a request failed inside the router", {{"error", error.what()}});
  }
  exchange_.abort();
  count();
  ended_(*this);
}

Task<bool> Session::read_head(Duration patience) {
  Exchange& x = exchange_;
  x.parser.reset();
  x.client.shrink();
  rest();
  x.deadline(patience, Expiry::close);
  while (x.client.input().empty()) {
    const bool came = co_await x.client.more();
    if (!came) break;
  }
  stir();
  if (x.client.input().empty()) co_return false;
  asked_ = true;
  x.deadline(lane_.settings.header_timeout, Expiry::refuse_head);
  x.client.limit_input(
      std::max<std::size_t>(Stream::large_buffer, lane_.settings.max_header_bytes + 1024));
  for (;;) {
    const HeadProgress progress = x.parser.parse_head(x.client.input());
    if (progress == HeadProgress::complete) {
      x.no_deadline();
      co_return true;
    }
    if (progress == HeadProgress::need_more) {
      const bool came = co_await x.client.more();
      if (!came) co_return false;
      continue;
    }
    lane_.counters.requests.fetch_add(1, std::memory_order_relaxed);
    x.begin_refusal();
    co_await answer_with_page(
        x, progress == HeadProgress::too_large
               ? error_page({.code = Errc::too_large, .message = "The request's head is too large"},
                            PageForm::html, 431)
               : bad_request_page(x.parser.problem(), PageForm::html));
    co_await linger();
    co_return false;
  }
}

std::optional<RouteTarget> Session::find_target() {
  Exchange& x = exchange_;
  x.routed_host = x.host;
  return follow_path(lane_.routes, x.routed_host, x.parser.head().target, rewritten_target_);
}

Task<void> Session::answer() {
  Exchange& x = exchange_;
  lane_.counters.requests.fetch_add(1, std::memory_order_relaxed);
  RequestHead& head = x.parser.head();
  ClientIdentity client = client_of(head, x.remote_address, lane_.settings.trusted_proxies);
  if (!client.authority.empty()) head.authority = client.authority;
  std::optional<std::string> host = host_name(head.authority);
  std::optional<AccessRecord> record;
  if (lane_.settings.access_log == RouterSettings::AccessLog::on)
    record.emplace(head, lane_.clock.monotonic(), x.client.sent());
  const bool malformed = !host && !head.authority.empty();
  x.begin(host ? *std::move(host) : std::string(), std::move(client));
  if (malformed || (x.host.empty() && x.minor_version >= 1)) {
    x.keep_alive = false;
    co_await answer_with_page(x, bad_request_page("bad Host", form_of(x)));
  } else if (is_api_host(x.host, lane_.settings)) {
    co_await answer_from_api(x);
  } else if (std::optional<RouteTarget> target = find_target(); !target) {
    co_await answer_with_page(x, unknown_host_page(x.host, form_of(x)));
  } else if (auto* backend = std::get_if<std::shared_ptr<Backend>>(&*target)) {
    co_await answer_from_backend(x, {.backend = std::move(*backend)});
  } else if (auto* split = std::get_if<std::shared_ptr<const TrafficSplit>>(&*target)) {
    const std::uint32_t place = place_client(x, **split);
    const TrafficSplit::Arm& arm = (*split)->arm_of(place);
    x.counted_on = arm.stats.get();
    if (const auto* site_arm = std::get_if<std::shared_ptr<const StaticSite>>(&arm.target))
      co_await answer_from_site(x, *site_arm);
    else
      co_await answer_from_backend(x, {.split = *split, .place = place});
  } else if (auto* site = std::get_if<std::shared_ptr<const StaticSite>>(&*target)) {
    co_await answer_from_site(x, std::move(*site));
  } else {
    const auto& status = std::get<std::shared_ptr<const StatusPage>>(*target);
    co_await answer_with_page(x, status_page(*status, form_of(x)));
  }
  x.no_deadline();
  if (record) record->write(x, lane_.clock.monotonic());
  if (x.status >= 500) lane_.counters.errors_5xx.fetch_add(1, std::memory_order_relaxed);
}

// Closing with unread input makes the kernel send a reset, which may overtake the answer: let the
// client read that and close first.
Task<void> Session::linger() {
  Exchange& x = exchange_;
  // A client that asked for the end sends nothing more.
  if (!x.client.open() || (x.client_closes && !x.unread_body)) co_return;
  x.client.shut_output();
  x.deadline(lane_.draining ? linger_limit / 20 : linger_limit, Expiry::close);
  for (;;) {
    x.client.consume(x.client.input().size());
    const bool came = co_await x.client.more();
    if (!came) co_return;
  }
}

void Session::count() {
  const std::uint64_t in = exchange_.client.received(), out = exchange_.client.sent();
  lane_.counters.bytes_in.fetch_add(in - counted_in_, std::memory_order_relaxed);
  lane_.counters.bytes_out.fetch_add(out - counted_out_, std::memory_order_relaxed);
  counted_in_ = in;
  counted_out_ = out;
}

}  // namespace slipway
