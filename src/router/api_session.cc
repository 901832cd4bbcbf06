// A request to the API: body read whole, handler on a worker, answer sent in one of three forms.

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>

#include "base/log.h"
#include "router/api_workers.h"
#include "router/body_pace.h"
#include "router/query.h"
#include "router/responders.h"
#include "sys/files.h"

namespace slipway {
namespace {

using Expiry = Exchange::Expiry;
constexpr std::uint64_t most_in_memory = 1u << 20;

class ApiRun {
 public:
  explicit ApiRun(Exchange& exchange) : x_(exchange) {}
  Task<void> run();

 private:
  bool take_request();
  Task<bool> read_body();
  Status keep(std::string_view piece);
  Task<ApiResponse> handle();
  Task<void> send(ApiResponse response);
  Task<void> send_file(const std::string& headers, ApiResponse::File& file);
  Task<void> send_stream(const std::string& headers, ApiResponse::Stream stream);
  // Sets the exchange's signal from any thread, if it still lives.
  std::function<void()> announcer();

  Exchange& x_;
  ApiRequest request_;
  std::optional<std::uint64_t> announced_length_;
  bool has_body_ = false;
  std::optional<Error> refusal_;
  std::shared_ptr<Signal*> token_;
};

bool ApiRun::take_request() {
  const RequestHead& head = x_.parser.head();
  request_.method = head.method;
  const std::size_t mark = head.target.find('?');
  auto path = percent_decode(head.target.substr(0, mark));
  auto query = parse_query(mark == std::string_view::npos ? "" : head.target.substr(mark + 1));
  if (path && query) {
    request_.path = *std::move(path);
    request_.query = *std::move(query);
  } else {
    refusal_ = {.code = Errc::invalid_argument, .message = "The URL has a broken escape."};
  }
  request_.headers.reserve(head.fields.size());
  for (const HeadField& field : head.fields)
    request_.headers.emplace_back(std::string(field.name), std::string(field.value));
  request_.remote_address = x_.remote_address;
  announced_length_ = head.content_length;
  has_body_ = head.has_body();
  if (announced_length_.value_or(0) > x_.lane.settings.max_api_body_bytes)
    refusal_ = {.code = Errc::too_large,
                .message = fmt::format("The body is larger than {} bytes.",
                                       x_.lane.settings.max_api_body_bytes)};
  x_.drop_head();
  return !refusal_;
}

Status ApiRun::keep(std::string_view piece) {
  request_.body_bytes += piece.size();
  if (request_.body_bytes > x_.lane.settings.max_api_body_bytes)
    return fail(Errc::too_large, fmt::format("The body is larger than {} bytes.",
                                             x_.lane.settings.max_api_body_bytes));
  if (!request_.body_file.valid()) {
    if (request_.body_bytes <= most_in_memory) {
      request_.body += piece;
      return {};
    }
    const int fd =
        ::open(x_.lane.settings.spool_directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) return fail_errno(errno, "cannot spool the request's body");
    request_.body_file = Fd(fd);
    SLIPWAY_CHECK(write_all(fd, request_.body));
    request_.body = std::string();
  }
  return write_all(request_.body_file.get(), piece);
}

Task<bool> ApiRun::read_body() {
  if (!has_body_) co_return true;
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
      if (Status kept = keep(piece); !kept) {
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
  x_.unread_body = false;
  if (request_.body_file.valid()) ::lseek(request_.body_file.get(), 0, SEEK_SET);
  co_return true;
}

std::function<void()> ApiRun::announcer() {
  if (!token_) token_ = std::make_shared<Signal*>(&x_.signal);
  return [post = x_.lane.loop.poster(), weak = std::weak_ptr(token_)] {
    post([weak] {
      if (const auto live = weak.lock()) (*live)->set();
    });
  };
}

Task<ApiResponse> ApiRun::handle() {
  struct Slot {
    ApiRequest request;
    ApiResponse response;
    std::atomic<bool> done{false};
  };
  auto slot = std::make_shared<Slot>();
  slot->request = std::move(request_);
  const bool accepted = x_.lane.workers.submit([slot, &api = x_.lane.api, announce = announcer()] {
    try {
      slot->response = api(slot->request);
    } catch (const std::exception& error) {
      log_error("an API handler failed", {{"method", slot->request.method},
                                          {"path", slot->request.path},
                                          {"error", error.what()}});
      const Page page =
          error_page({.code = Errc::internal, .message = "Slipway failed to answer this request."},
                     PageForm::json);
      slot->response = {.status = page.status,
                        .headers = {{"Content-Type", page.content_type}},
                        .body = page.body};
    }
    slot->request.body_file.reset();
    slot->done.store(true, std::memory_order_release);
    announce();
  });
  if (!accepted) {
    const Page page = error_page(
        {.code = Errc::unavailable, .message = "Too many requests wait already. Try again."},
        PageForm::json);
    co_return ApiResponse{.status = page.status,
                          .headers = {{"Content-Type", page.content_type}, {"Retry-After", "1"}},
                          .body = page.body};
  }
  x_.client.arm();
  // Even if the client goes: the handler refers to this lane.
  while (!slot->done.load(std::memory_order_acquire)) co_await x_.signal.wait();
  co_return std::move(slot->response);
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
  const bool started = x_.is_head || x_.lane.workers.submit_stream([pipe, stream] {
    try {
      stream(*pipe);
    } catch (const std::exception& error) {
      log_error("a streaming API handler failed", {{"error", error.what()}});
    }
    pipe->finish();
  });
  if (!started) {
    Page page = error_page(
        {.code = Errc::unavailable, .message = "Too many streams are open. Try again later."},
        PageForm::json);
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
      if (x_.lane.draining) pipe->close();
      co_await x_.signal.wait();
    }
  }
  pipe->close();
  if (sent && finished && chunked && !x_.is_head) sent = co_await x_.client.write({"0\r\n\r\n"});
  if (!sent || !finished) x_.abort();
}

Task<void> ApiRun::send(ApiResponse response) {
  x_.status = response.status;
  const std::string headers = header_lines(response.headers);
  if (auto* text = std::get_if<std::string>(&response.body))
    co_await x_.reply(response.status, "", headers, *text);
  else if (auto* file = std::get_if<ApiResponse::File>(&response.body))
    co_await send_file(headers, *file);
  else
    co_await send_stream(headers, std::get<ApiResponse::Stream>(std::move(response.body)));
}

Task<void> ApiRun::run() {
  bool usable = take_request();
  if (usable) usable = co_await read_body();
  if (!usable) {
    if (refusal_) co_await answer_with_page(x_, error_page(*refusal_, PageForm::json));
    co_return;
  }
  x_.no_deadline();
  ApiResponse response = co_await handle();
  if (!x_.client_gone()) co_await send(std::move(response));
}

}  // namespace

Task<void> answer_from_api(Exchange& exchange) {
  ApiRun run(exchange);
  co_await run.run();
}

}  // namespace slipway
