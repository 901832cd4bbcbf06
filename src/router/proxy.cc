// A request forwarded to an instance. One ProxyRun a request: get a connection (reach.h), send the
// request, relay the answer, give the connection back.

#include <fmt/format.h>

#include <charconv>

#include "router/body_pace.h"
#include "router/forward.h"
#include "router/reach.h"
#include "router/responders.h"
#include "router/upstream_pool.h"

namespace slipway {
namespace {

using Expiry = Exchange::Expiry;

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS" || method == "TRACE";
}

class ProxyRun {
 public:
  ProxyRun(Exchange& exchange, Destination to)
      : x_(exchange), reach_(exchange, std::move(to)), answer_(exchange.answer) {}
  ~ProxyRun() { x_.set_upstream(nullptr); }
  ProxyRun(const ProxyRun&) = delete;
  ProxyRun& operator=(const ProxyRun&) = delete;

  Task<void> run();

 private:
  // What is to be said instead of the app's answer; nothing when the client is gone.
  enum class Attempt { answered, page, retry, client_gone };

  void take_request();
  Task<Attempt> attempt();
  Task<bool> send_request();
  Task<void> upload();
  Task<HeadProgress> read_head();
  Task<void> relay();
  Task<bool> relay_body(BodyFraming framing);
  void collect_pieces(BodyFraming framing, bool last);
  void give_back();
  void use(std::unique_ptr<Stream> stream);
  Task<void> end_upload();

  Exchange& x_;
  Reach reach_;
  ResponseParser& answer_;
  std::unique_ptr<Stream> upstream_;
  std::optional<Page> page_;
  Activity uploading_;
  bool reused_ = false;        // upstream_ came from the pool
  bool repeatable_ = false;    // by its method
  bool streams_body_ = false;  // the request's body goes through upload()
  bool chunked_body_ = false;
  bool body_touched_ = false;  // some of a streamed body was taken from the client
  bool bad_body_ = false;      // the client's body is malformed
  bool asks_upgrade_ = false;
  bool request_sent_ = false;
  bool stop_upload_ = false;  // the answer is complete before the request
  char chunk_line_[24] = {};
};

void ProxyRun::take_request() {
  const RequestHead& head = x_.parser.head();
  repeatable_ = is_idempotent(head.method);
  chunked_body_ = head.chunked;
  asks_upgrade_ = may_upgrade(head);
  x_.upstream_head.clear();
  append_upstream_head(
      head, {.remote_address = x_.client_address, .request_id = x_.request_id, .scheme = x_.scheme},
      x_.upstream_head);
  const bool has_body = head.has_body();
  x_.drop_head();
  x_.small_body.clear();
  if (!has_body) return;
  // A body that came along with the head is small: it can be sent in one go, and again.
  const std::string_view input = x_.client.input();
  if (!chunked_body_ && head.content_length <= input.size()) {
    x_.pieces.clear();
    const BodyProgress progress = x_.parser.decode_body(input, x_.pieces);
    for (const std::string_view piece : x_.pieces) x_.small_body += piece;
    x_.client.consume(progress.consumed);
    x_.unread_body = false;
    x_.expects_continue = false;
    return;
  }
  streams_body_ = true;
}

void ProxyRun::use(std::unique_ptr<Stream> stream) {
  upstream_ = std::move(stream);
  x_.set_upstream(upstream_.get());
}

Task<bool> ProxyRun::send_request() {
  request_sent_ = false;
  x_.deadline(x_.lane.settings.body_timeout, Expiry::close_upstream);
  const bool sent = co_await upstream_->write({x_.upstream_head, x_.small_body});
  if (!sent) co_return false;
  if (!streams_body_) {
    request_sent_ = true;
    x_.client.arm();
    x_.deadline(x_.lane.settings.response_timeout, Expiry::close_upstream);
    co_return true;
  }
  const bool invited = co_await x_.invite_body();
  if (!invited) co_return false;
  uploading_.start(upload());
  co_return true;
}

Task<void> ProxyRun::upload() {
  x_.client.limit_input(Stream::large_buffer);
  std::vector<std::string_view> pieces;
  std::vector<iovec> vectors;
  char line[24];
  BodyPace pace(x_.lane.settings, x_.lane.clock);
  while (!x_.parser.body_done()) {
    pieces.clear();
    const std::string_view input = x_.client.input();
    const BodyProgress progress = x_.parser.decode_body(input, pieces);
    if (progress.state == BodyProgress::State::bad) {
      bad_body_ = true;
      upstream_->close();
      co_return;
    }
    if (!pieces.empty()) {
      body_touched_ = true;
      vectors.clear();
      std::size_t size = 0;
      for (const std::string_view piece : pieces) size += piece.size();
      if (chunked_body_) {
        char* end = std::to_chars(line, line + 20, size, 16).ptr;
        *end++ = '\r';
        *end++ = '\n';
        vectors.push_back({line, static_cast<std::size_t>(end - line)});
      }
      for (const std::string_view piece : pieces)
        vectors.push_back({const_cast<char*>(piece.data()), piece.size()});
      if (chunked_body_) vectors.push_back({const_cast<char*>("\r\n"), 2});
      const bool sent = co_await upstream_->write(vectors.data(), vectors.size());
      if (!sent) co_return;  // the app may have answered already; reading will tell
      x_.deadline(x_.lane.settings.body_timeout, Expiry::close);
    }
    x_.client.consume(progress.consumed);
    if (x_.parser.body_done()) break;
    if (progress.consumed > 0 && !x_.client.input().empty()) continue;
    const std::size_t before = x_.client.input().size();
    x_.deadline(pace.begin_wait(), Expiry::close);
    const bool came = co_await x_.client.more();
    pace.end_wait(came ? x_.client.input().size() - before : 0);
    if (!came || pace.too_slow()) {
      if (!stop_upload_) x_.abort();
      co_return;
    }
  }
  if (chunked_body_) {
    const bool sent = co_await upstream_->write({"0\r\n\r\n"});
    if (!sent) co_return;
  }
  x_.unread_body = false;
  request_sent_ = true;
  x_.client.arm();
  x_.deadline(x_.lane.settings.response_timeout, Expiry::close_upstream);
}

Task<void> ProxyRun::end_upload() {
  if (uploading_.running()) {
    stop_upload_ = true;
    upstream_->close();
    x_.client.interrupt_input();
    x_.keep_alive = false;
  }
  co_await uploading_.join();
}

// Past interim answers; 101 is final here.
Task<HeadProgress> ProxyRun::read_head() {
  int interim = 0;
  answer_.reset(x_.is_head ? ResponseParser::To::head_request : ResponseParser::To::other_request);
  for (;;) {
    const HeadProgress progress = answer_.parse_head(upstream_->input());
    if (progress == HeadProgress::complete) {
      const int status = answer_.head().status;
      if (status >= 200 || status == 101) co_return progress;
      if (++interim > 16) co_return HeadProgress::bad;
      upstream_->consume(answer_.head_bytes());
      answer_.reset(x_.is_head ? ResponseParser::To::head_request
                               : ResponseParser::To::other_request);
      continue;
    }
    if (progress != HeadProgress::need_more) co_return progress;
    const bool came = co_await upstream_->more();
    if (!came) co_return HeadProgress::need_more;
  }
}

Task<ProxyRun::Attempt> ProxyRun::attempt() {
  const bool sent = co_await send_request();
  HeadProgress progress = HeadProgress::need_more;
  // Even when it could not all be sent there may be an answer.
  if (!x_.client_gone()) progress = co_await read_head();
  const bool timed_out = x_.expired();
  if (progress == HeadProgress::complete &&
      (answer_.head().status != 101 || (asks_upgrade_ && answer_.head().upgrade))) {
    co_await relay();
    co_return Attempt::answered;
  }
  const bool nothing_came = progress == HeadProgress::need_more && upstream_->input().empty();
  co_await end_upload();
  if (bad_body_) {
    x_.counted_on = nullptr;  // not the app's fault
    page_ = bad_request_page("malformed body", form_of(x_));
    co_return Attempt::page;
  }
  if (x_.client_gone()) co_return Attempt::client_gone;
  if (timed_out) {
    page_ = slow_answer_page(reach_.backend().deployment(), form_of(x_));
    co_return Attempt::page;
  }
  // The app closed a resting connection while we took it: not its fault, nor the client's.
  if (nothing_came && reused_ && !body_touched_ && (repeatable_ || !sent)) co_return Attempt::retry;
  const std::string_view problem = nothing_came ? "it closed the connection without an answer"
                                   : progress == HeadProgress::need_more
                                       ? "it closed the connection amid its answer"
                                   : answer_.problem().empty() ? "it switched protocols unasked"
                                                               : answer_.problem();
  page_ = bad_answer_page(reach_.backend().deployment(), problem, form_of(x_));
  co_return Attempt::page;
}

void ProxyRun::collect_pieces(BodyFraming framing, bool last) {
  std::size_t size = 0;
  for (const std::string_view piece : x_.pieces) size += piece.size();
  const bool chunk = framing == BodyFraming::chunked && size > 0;
  if (chunk) {
    char* end = std::to_chars(chunk_line_, chunk_line_ + 20, size, 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    x_.vectors.push_back({chunk_line_, static_cast<std::size_t>(end - chunk_line_)});
  }
  for (const std::string_view piece : x_.pieces)
    x_.vectors.push_back({const_cast<char*>(piece.data()), piece.size()});
  const std::string_view tail = framing != BodyFraming::chunked ? ""
                                : chunk && last                 ? "\r\n0\r\n\r\n"
                                : chunk                         ? "\r\n"
                                : last                          ? "0\r\n\r\n"
                                                                : "";
  if (!tail.empty()) x_.vectors.push_back({const_cast<char*>(tail.data()), tail.size()});
}

Task<void> ProxyRun::relay() {
  const ResponseHead& head = answer_.head();
  x_.answer_begins(head.status);
  BodyFraming framing = BodyFraming::none;
  if (!answer_.body_done())
    framing = x_.minor_version == 0 && !head.content_length ? BodyFraming::until_close
              : head.content_length                         ? BodyFraming::length
                                                            : BodyFraming::chunked;
  else if (head.content_length == 0 && !x_.is_head)
    framing = BodyFraming::length;
  if (framing == BodyFraming::until_close || uploading_.running() || x_.unread_body ||
      x_.lane.draining)
    x_.keep_alive = false;
  const bool upgraded = head.status == 101;
  x_.client_head.clear();
  append_client_head(head,
                     {.framing = framing,
                      .client_minor_version = x_.minor_version,
                      .keep_alive = x_.keep_alive,
                      .host = x_.host,
                      .domain = x_.lane.settings.domain,
                      .request_id = x_.request_id,
                      .date = upgraded ? std::string_view() : http_date(x_.lane.clock),
                      .upgrade = upgraded ? head.value(FieldKind::upgrade) : std::string_view(),
                      .own_fields = x_.own_fields},
                     x_.client_head);
  upstream_->consume(answer_.head_bytes());
  const std::uint64_t sent_before = x_.client.sent();
  if (upgraded) {
    const bool sent = co_await x_.client.write({x_.client_head});
    if (sent)
      co_await tunnel(x_, *upstream_);
    else
      x_.abort();
  } else {
    const bool whole = co_await relay_body(framing);
    if (!whole) x_.abort();  // the client must see that it is not the whole answer
  }
  reach_.backend().count_bytes(x_.client.sent() - sent_before);
  co_await end_upload();
  give_back();
}

Task<bool> ProxyRun::relay_body(BodyFraming framing) {
  upstream_->limit_input(Stream::large_buffer);
  bool head_pending = true;
  for (;;) {
    const std::string_view input = upstream_->input();
    BodyProgress progress;
    x_.pieces.clear();
    if (!answer_.body_done() && !input.empty()) progress = answer_.decode_body(input, x_.pieces);
    if (progress.state == BodyProgress::State::bad) co_return false;
    // Without a length of its own the body ends as the connection does, if that ends in order.
    const bool ended =
        upstream_->input_ended() && !upstream_->input_failed() && progress.consumed == input.size();
    const bool done = answer_.body_done() || (ended && answer_.until_close());
    x_.vectors.clear();
    if (head_pending) x_.vectors.push_back({x_.client_head.data(), x_.client_head.size()});
    collect_pieces(framing, done);
    if (!x_.vectors.empty()) {
      if (!uploading_.running() || !head_pending)
        x_.deadline(x_.lane.settings.body_timeout, Expiry::close);
      const bool sent = co_await x_.client.write(x_.vectors.data(), x_.vectors.size());
      if (!sent) co_return false;
      head_pending = false;
    }
    upstream_->consume(progress.consumed);
    if (done) co_return true;
    if (progress.consumed > 0 && !upstream_->input().empty()) continue;
    if (upstream_->input_ended()) co_return false;
    x_.deadline(x_.lane.settings.tunnel_idle_timeout, Expiry::close);
    const bool came = co_await upstream_->more();
    if (!came && (!answer_.until_close() || x_.client_gone())) co_return false;
  }
}

void ProxyRun::give_back() {
  x_.set_upstream(nullptr);
  const bool clean = upstream_ && upstream_->open() && !upstream_->input_ended() &&
                     upstream_->input().empty() && answer_.body_done() &&
                     answer_.head().keep_alive && request_sent_ && answer_.head().status != 101;
  if (clean) x_.lane.pool.put(reach_.endpoint(), std::move(upstream_));
  upstream_.reset();
}

Task<void> ProxyRun::run() {
  take_request();
  Attempt outcome = Attempt::retry;
  for (bool first = true; outcome == Attempt::retry; first = false) {
    // Once a resting connection was stale, others may be, too.
    std::unique_ptr<Stream> stream = first ? reach_.take_resting() : nullptr;
    reused_ = stream != nullptr;
    if (!stream) stream = co_await reach_.connect();
    if (stream) {
      use(std::move(stream));
      outcome = co_await attempt();
    } else if (reach_.has_page()) {
      page_ = reach_.take_page();
      outcome = Attempt::page;
    } else {
      outcome = Attempt::client_gone;
    }
    x_.set_upstream(nullptr);
    upstream_.reset();
  }
  if (outcome == Attempt::client_gone) x_.abort();
  if (outcome == Attempt::page) co_await answer_with_page(x_, *std::move(page_));
  x_.no_deadline();
}

}  // namespace

Task<void> answer_from_backend(Exchange& exchange, Destination to) {
  ProxyRun run(exchange, std::move(to));
  co_await run.run();
}

}  // namespace slipway
