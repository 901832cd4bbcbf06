// A request to the API: asked for by its head, body read only for somebody who may send it, handler
// on a worker, answer sent in one of three forms.

#include <fmt/format.h>

#include <charconv>

#include "base/log.h"
#include "router/api_workers.h"
#include "router/body_pace.h"
#include "router/body_pipe.h"
#include "router/health.h"
#include "router/query.h"
#include "router/responders.h"

namespace slipway {
namespace {

using Expiry = Exchange::Expiry;
constexpr std::uint64_t body_step = 64u << 10;  // that a body of unknown length grows by

Page problem_page(const Error& error) {
  Page page = error_page(error, PageForm::json);
  if (info(error.code).retry == ErrcInfo::Retry::yes) page.retry_after = 1;
  return page;
}

ApiResponse problem(const Error& error) {
  const Page page = problem_page(error);
  ApiResponse response{
      .status = page.status, .headers = {{"Content-Type", page.content_type}}, .body = page.body};
  if (page.retry_after > 0)
    response.headers.emplace_back("Retry-After", std::to_string(page.retry_after));
  return response;
}

// What the loop and the workers share of one request. Whoever is last lets go of it.
struct Call {
  ApiRequest request;
  CallKind kind = CallKind::call;
  ApiAdmission admission;
  ApiResponse response;
  std::optional<Limiter::Slot> body_room;
  std::atomic<bool> admitted{false};  // and its body is wanted
  std::atomic<bool> done{false};
};

// On the workers: asks, and answers. What it refers to outlives all workers.
struct Work {
  std::shared_ptr<Call> call;
  Api& api;
  ApiWorkers& workers;
  std::function<void()> announce;

  void finish(ApiResponse response) const {
    call->response = std::move(response);
    // What only the handler needed.
    call->request.body = std::string();
    call->request.body_comes.reset();
    call->request.admitted.reset();
    call->done.store(true, std::memory_order_release);
    announce();
  }
  // Whatever is thrown is a bug, and ends nothing but this request.
  void guarded(const std::function<void()>& work) const {
    try {
      work();
    } catch (const std::exception& error) {
      log_error("an API handler failed", {{"method", call->request.method},
                                          {"path", call->request.path},
                                          {"error", error.what()}});
      finish(
          problem({.code = Errc::internal, .message = "Slipway failed to answer this request."}));
    }
  }
  void answer() const {
    const Status submitted = workers.submit(call->kind, call->admission, [self = *this] {
      self.guarded([&] { self.finish(self.api.answer(self.call->request)); });
    });
    if (!submitted) finish(problem(submitted.error()));
  }
  enum class Body { none, whole };
  void admit(Body body) const {
    guarded([&] {
      call->admission = api.admit(call->request);
      if (call->admission.refusal) return finish(*std::move(call->admission.refusal));
      if (body == Body::none) return answer();
      call->admitted.store(true, std::memory_order_release);
      announce();
    });
  }
};

class ApiRun {
 public:
  explicit ApiRun(Exchange& exchange) : x_(exchange) {}
  Task<void> run();

 private:
  bool take_request();
  Task<void> answer();
  Task<bool> read_body(std::uint64_t limit);
  Status keep(std::string_view piece, std::uint64_t limit);
  // Hands the body on as it comes, until it is over or the handler is.
  Task<void> pass_body(std::shared_ptr<BodyPipe> pipe);
  Task<void> wait_until(const std::atomic<bool>& flag);
  Task<void> send_health();
  Task<void> send(ApiResponse response);
  Task<void> send_file(const std::string& headers, ApiResponse::File& file);
  Task<void> send_stream(const std::string& headers, ApiResponse::Stream stream);
  // Tells this run, from any thread, that something happened, if it still lives.
  std::function<void()> announcer();
  void notice();

  Exchange& x_;
  std::shared_ptr<Call> call_ = std::make_shared<Call>();
  std::optional<std::uint64_t> announced_length_;
  bool has_body_ = false;
  bool reads_body_ = false;  // waits for the client, rather than for the signal
  std::optional<Error> refusal_;
  std::shared_ptr<ApiRun*> token_;
};

bool ApiRun::take_request() {
  const RequestHead& head = x_.parser.head();
  ApiRequest& request = call_->request;
  request.method = head.method;
  const std::size_t mark = head.target.find('?');
  auto path = percent_decode(head.target.substr(0, mark));
  auto query = parse_query(mark == std::string_view::npos ? "" : head.target.substr(mark + 1));
  if (path && query) {
    request.path = *std::move(path);
    request.query = *std::move(query);
  } else {
    refusal_ = {.code = Errc::invalid_argument, .message = "The URL has a broken escape."};
  }
  request.headers.reserve(head.fields.size());
  for (const HeadField& field : head.fields)
    request.headers.emplace_back(std::string(field.name), std::string(field.value));
  request.remote_address = x_.client_address;
  announced_length_ = head.content_length;
  request.body_bytes = announced_length_.value_or(0);
  has_body_ = head.has_body();
  x_.drop_head();
  return !refusal_;
}

void ApiRun::notice() {
  if (reads_body_)
    x_.client.interrupt_input();
  else
    x_.signal.set();
}

std::function<void()> ApiRun::announcer() {
  if (!token_) token_ = std::make_shared<ApiRun*>(this);
  return [post = x_.lane.loop.poster(), weak = std::weak_ptr(token_)] {
    post([weak] {
      if (const auto live = weak.lock()) (*live)->notice();
    });
  };
}

// Even if the client goes: the handler refers to what the router owns.
Task<void> ApiRun::wait_until(const std::atomic<bool>& flag) {
  x_.client.arm();
  while (!flag.load(std::memory_order_acquire) && !call_->done.load(std::memory_order_acquire))
    co_await x_.signal.wait();
}

Status ApiRun::keep(std::string_view piece, std::uint64_t limit) {
  std::string& body = call_->request.body;
  if (body.size() + piece.size() > limit)
    return fail(Errc::too_large, fmt::format("The body is larger than {} bytes.", limit));
  const std::uint64_t room = call_->body_room->units();
  if (body.size() + piece.size() > room &&
      !call_->body_room->grow(std::max(body_step, body.size() + piece.size() - room)))
    return fail(Errc::unavailable, "Too many bodies are on their way already. Try again.");
  body += piece;
  return {};
}

Task<bool> ApiRun::read_body(std::uint64_t limit) {
  call_->body_room = x_.lane.workers.body_bytes().try_enter(
      {.work = call_->admission.work,
       .key = call_->admission.principal,
       .units = std::max<std::uint64_t>(announced_length_.value_or(body_step), 1)});
  if (!call_->body_room) {
    refusal_ = {.code = Errc::unavailable,
                .message = "Too many bodies are on their way already. Try again."};
    co_return false;
  }
  const bool invited = co_await x_.invite_body();
  if (!invited) co_return false;
  x_.client.limit_input(Stream::large_buffer);
  BodyPace pace(x_.lane.settings, x_.lane.clock);
  for (;;) {
    x_.pieces.clear();
    const BodyProgress progress = x_.parser.decode_body(x_.client.input(), x_.pieces);
    if (progress.state == BodyProgress::State::bad) {
      refusal_ = {.code = Errc::invalid_argument, .message = "The body is malformed."};
      co_return false;
    }
    for (const std::string_view piece : x_.pieces)
      if (Status kept = keep(piece, limit); !kept) {
        refusal_ = std::move(kept).error();
        co_return false;
      }
    x_.client.consume(progress.consumed);
    if (x_.parser.body_done()) break;
    if (progress.consumed > 0 && !x_.client.input().empty()) continue;
    const std::size_t before = x_.client.input().size();
    x_.deadline(pace.begin_wait(), Expiry::close);
    const bool came = co_await x_.client.more();
    pace.end_wait(came ? x_.client.input().size() - before : 0);
    if (!came || pace.too_slow()) {
      x_.abort();
      co_return false;
    }
  }
  x_.no_deadline();
  x_.unread_body = false;
  call_->request.body_bytes = call_->request.body.size();
  co_return true;
}

Task<void> ApiRun::pass_body(std::shared_ptr<BodyPipe> pipe) {
  const auto over = [this] { return call_->done.load(std::memory_order_acquire); };
  const auto broken = [&](std::string_view why) {
    pipe->fail({.code = Errc::canceled, .message = std::string(why)});
    x_.abort();
  };
  if (!has_body_) pipe->end();
  BodyPace pace(x_.lane.settings, x_.lane.clock);
  bool asked = false;
  while (has_body_ && !over()) {
    if (x_.client_gone()) {
      pipe->fail({.code = Errc::canceled, .message = "the client is gone"});
      break;
    }
    if (!pipe->wants()) {
      x_.no_deadline();
      x_.client.arm();  // to notice when it goes
      co_await x_.signal.wait();
      continue;
    }
    if (!std::exchange(asked, true)) {
      const bool invited = co_await x_.invite_body();
      if (!invited) {
        broken("the client is gone");
        break;
      }
      x_.client.limit_input(Stream::large_buffer);
    }
    x_.pieces.clear();
    const BodyProgress progress = x_.parser.decode_body(x_.client.input(), x_.pieces);
    if (progress.state == BodyProgress::State::bad) {
      broken("the body is malformed");
      break;
    }
    for (const std::string_view piece : x_.pieces) pipe->push(piece);
    x_.client.consume(progress.consumed);
    if (x_.parser.body_done()) {
      x_.unread_body = false;
      pipe->end();
      break;
    }
    if (progress.consumed > 0 && !x_.client.input().empty()) continue;
    const std::size_t before = x_.client.input().size();
    x_.deadline(pace.begin_wait(), Expiry::close);
    reads_body_ = true;
    const bool came = co_await x_.client.more();
    reads_body_ = false;
    pace.end_wait(x_.client.input().size() - std::min(before, x_.client.input().size()));
    if (over()) break;
    if ((!came && (x_.client.input_ended() || !x_.client.open())) || pace.too_slow())
      broken("the client is gone");
  }
  x_.no_deadline();
  co_await wait_until(call_->done);
}

std::string header_lines(const HttpHeaders& headers) {
  std::string lines;
  const auto clean = [](std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
  };
  for (const auto& [name, value] : headers)
    if (clean(name) && clean(value) && !same_name(name, "content-length") &&
        !same_name(name, "transfer-encoding") && !same_name(name, "connection"))
      lines += fmt::format("{}: {}\r\n", name, value);
  return lines;
}

Task<void> ApiRun::send_file(const std::string& headers, ApiResponse::File& file) {
  const std::string head =
      x_.own_head(x_.status, headers, fmt::format("Content-Length: {}\r\n", file.bytes));
  x_.deadline(x_.lane.settings.body_timeout, Expiry::close);
  bool sent = co_await x_.client.write({head});
  if (sent && !x_.is_head)
    sent = co_await x_.client.write_file(file.fd.get(), 0, file.bytes, [this] {
      x_.deadline(x_.lane.settings.body_timeout, Expiry::close);
    });
  if (!sent) x_.abort();
}

Task<void> ApiRun::send_stream(const std::string& headers, ApiResponse::Stream stream) {
  const bool chunked = x_.minor_version >= 1;
  if (!chunked) x_.keep_alive = false;
  auto pipe = std::make_shared<StreamPipe>(announcer());
  Status started;
  if (!x_.is_head)
    started = x_.lane.workers.submit_stream(call_->admission, [pipe, stream] {
      try {
        stream(*pipe);
      } catch (const std::exception& error) {
        log_error("a streaming API handler failed", {{"error", error.what()}});
      }
      pipe->finish();
    });
  if (!started) {
    Page page = problem_page(started.error());
    page.retry_after = 5;
    co_return co_await answer_with_page(x_, std::move(page));
  }
  const std::string head =
      x_.own_head(x_.status, headers, chunked ? "Transfer-Encoding: chunked\r\n" : "");
  x_.deadline(x_.lane.settings.body_timeout, Expiry::close);
  bool sent = co_await x_.client.write({head});
  bool finished = x_.is_head;
  x_.client.arm();
  while (sent && !finished && !x_.client_gone()) {
    const std::string bytes = pipe->take(finished);
    if (!bytes.empty()) {
      char line[24];
      char* end = std::to_chars(line, line + 20, bytes.size(), 16).ptr;
      *end++ = '\r';
      *end++ = '\n';
      x_.deadline(x_.lane.settings.body_timeout, Expiry::close);
      const std::string_view prefix(line, static_cast<std::size_t>(end - line));
      sent = chunked ? co_await x_.client.write({prefix, bytes, "\r\n"})
                     : co_await x_.client.write({bytes});
      x_.no_deadline();
    } else if (!finished) {
      x_.no_deadline();
      if (x_.lane.draining) pipe->ask_to_end();
      co_await x_.signal.wait();
    }
  }
  pipe->close();
  if (sent && finished && chunked && !x_.is_head) sent = co_await x_.client.write({"0\r\n\r\n"});
  if (!sent || !finished) x_.abort();
}

Task<void> ApiRun::send(ApiResponse response) {
  x_.status = response.status;
  if (x_.unread_body) x_.keep_alive = false;
  const std::string headers = header_lines(response.headers);
  if (auto* text = std::get_if<std::string>(&response.body))
    co_await x_.reply(response.status, "", headers, *text);
  else if (auto* file = std::get_if<ApiResponse::File>(&response.body))
    co_await send_file(headers, *file);
  else
    co_await send_stream(headers, std::get<ApiResponse::Stream>(std::move(response.body)));
}

Task<void> ApiRun::send_health() {
  const Health::Look look = x_.lane.health.look(announcer());
  x_.client.arm();
  for (;;) {
    if (const auto reasons = x_.lane.health.verdict(look)) {
      co_await send(x_.lane.api.health(*reasons));
      co_return;
    }
    if (x_.client_gone()) co_return;
    x_.deadline(Health::bound, Expiry::raise_signal);
    co_await x_.signal.wait();
  }
}

Task<void> ApiRun::answer() {
  ApiPlan plan = x_.lane.api.plan(call_->request);
  if (plan.answer) co_return co_await send(*std::move(plan.answer));
  if (plan.health == ApiPlan::Health::asked) co_return co_await send_health();
  const bool upload = plan.kind == CallKind::upload;
  if (!upload && announced_length_.value_or(0) > plan.body_limit) {
    refusal_ = {.code = Errc::too_large,
                .message = fmt::format("The body is larger than {} bytes.", plan.body_limit)};
    co_return;
  }
  call_->kind = plan.kind;
  const Work work{
      .call = call_, .api = x_.lane.api, .workers = x_.lane.workers, .announce = announcer()};
  std::shared_ptr<BodyPipe> pipe;
  if (upload) call_->request.body_comes = pipe = std::make_shared<BodyPipe>(announcer());
  const bool whole = !upload && has_body_;
  if (Status asked = x_.lane.workers.submit_admission(
          plan.kind, x_.client_address,
          [work, whole] { work.admit(whole ? Work::Body::whole : Work::Body::none); });
      !asked) {
    refusal_ = std::move(asked).error();
    co_return;
  }
  x_.no_deadline();
  if (upload) {
    co_await pass_body(std::move(pipe));
  } else {
    co_await wait_until(whole ? call_->admitted : call_->done);
    if (!call_->done.load(std::memory_order_acquire)) {
      const bool read = co_await read_body(plan.body_limit);
      if (!read) co_return;
      work.answer();
      co_await wait_until(call_->done);
    }
  }
  call_->body_room.reset();
  if (!x_.client_gone()) co_await send(std::move(call_->response));
}

Task<void> ApiRun::run() {
  if (take_request()) co_await answer();
  if (refusal_) co_await answer_with_page(x_, problem_page(*refusal_));
}

}  // namespace

Task<void> answer_from_api(Exchange& exchange) {
  ApiRun run(exchange);
  co_await run.run();
}

}  // namespace slipway
