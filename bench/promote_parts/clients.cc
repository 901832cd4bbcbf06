// The clients: what each asks, and when an answer is right.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "http/head.h"
#include "http/message.h"
#include "http/stream.h"
#include "load.h"

namespace slipway::bench {
namespace {

constexpr Duration patience = std::chrono::seconds{30};  // for a small request

// A client's connection, made when it is needed.
class Connection {
 public:
  explicit Connection(Load& load)
      : load_(load), parser_(64u << 10), alarm_(load.loop, [this] { give_up(); }) {}

  struct Answer {
    std::string problem;  // "" when there was one
    int status = 0;
    std::string release, body;
  };

  [[nodiscard]] Task<bool> open();
  void close() { stream_ = Stream(); }
  [[nodiscard]] bool is_open() const { return stream_.open(); }
  // The next answer, whole.
  [[nodiscard]] Task<Answer> read_answer();
  [[nodiscard]] Task<bool> send(std::string_view bytes);
  void deadline(Duration wait) { alarm_.set(wait); }
  Stream& stream() { return stream_; }

 private:
  void give_up() {
    late_ = true;
    stream_.close();
  }
  [[nodiscard]] std::string cut_off(std::string_view where) const {
    return late_ ? fmt::format("no answer in time, {}", where)
                 : fmt::format("the connection ended {}", where);
  }

  Load& load_;
  Stream stream_;
  ResponseParser parser_;
  Alarm alarm_;
  bool late_ = false;
};

Task<bool> Connection::open() {
  late_ = false;
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(load_.port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS)
    co_return false;
  stream_ = Stream(load_.loop, std::move(fd));
  const int error = co_await stream_.connected();
  co_return error == 0;
}

Task<bool> Connection::send(std::string_view bytes) {
  const bool sent = co_await stream_.write({bytes});
  co_return sent;
}

Task<Connection::Answer> Connection::read_answer() {
  Answer answer;
  parser_.reset(ResponseParser::To::other_request);
  stream_.limit_input(Stream::large_buffer);
  for (;;) {
    const HeadProgress progress = parser_.parse_head(stream_.input());
    if (progress == HeadProgress::complete) break;
    if (progress != HeadProgress::need_more) {
      answer.problem = "malformed answer";
      co_return answer;
    }
    const bool came = co_await stream_.more();
    if (came) continue;
    answer.problem = cut_off(stream_.input().empty() ? "before the answer" : "amid the head");
    co_return answer;
  }
  const ResponseHead& head = parser_.head();
  answer.status = head.status;
  for (const HeadField& field : head.fields)
    if (same_name(field.name, "X-Release")) answer.release = field.value;
  const bool last = !head.keep_alive;
  stream_.consume(parser_.head_bytes());
  std::vector<std::string_view> pieces;
  while (!parser_.body_done()) {
    pieces.clear();
    const BodyProgress progress = parser_.decode_body(stream_.input(), pieces);
    for (const std::string_view piece : pieces) answer.body += piece;
    stream_.consume(progress.consumed);
    if (progress.state == BodyProgress::State::bad) {
      answer.problem = "malformed body";
      co_return answer;
    }
    if (parser_.body_done()) break;
    const bool came = co_await stream_.more();
    if (came) continue;
    answer.problem = cut_off(fmt::format("after {} bytes of the body", answer.body.size()));
    co_return answer;
  }
  if (last && answer.status != 101) close();
  co_return answer;
}

std::string trouble(const Connection::Answer& answer, std::string_view expected_body) {
  if (!answer.problem.empty()) return answer.problem;
  if (answer.status != 200)
    return fmt::format("status {}: {}", answer.status, answer.body.substr(0, 200));
  if (answer.body != expected_body)
    return fmt::format("{} bytes, wrong ones, instead of {}", answer.body.size(),
                       expected_body.size());
  return "";
}

// Times of a client's requests: at a rate, with a random start; one that is late by more than a
// second lets what it missed go.
class Pace {
 public:
  Pace(Load& load, Duration every)
      : load_(load),
        every_(every),
        next_(now() +
              Duration(static_cast<std::int64_t>(load.random() % 1000) * every.count() / 1000)) {}
  [[nodiscard]] Loop::Sleep next() {
    const Duration wait = next_ - now();
    next_ = std::max(next_ + every_, now() - std::chrono::seconds{1});
    return load_.loop.sleep(wait);
  }

 private:
  Load& load_;
  Duration every_, next_;
};

std::string noise(Load& load, std::size_t size) {
  std::string text(size, ' ');
  for (char& c : text) c = static_cast<char>('!' + load.random() % 90);
  return text;
}

std::string download_body(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

}  // namespace

Task<void> ask_again_and_again(Load& load, Kind kind, Duration every) {
  const std::size_t at_once = kind == Kind::pipelined ? 4 : 1;
  Pace pace(load, every * static_cast<std::int64_t>(at_once));
  Connection connection(load);
  for (;;) {
    co_await pace.next();
    if (load.stopping) co_return;
    const Duration began = now();
    connection.deadline(patience);
    if (!connection.is_open()) {
      const bool opened = co_await connection.open();
      if (!opened) {
        load.failed(kind, "no connection");
        connection.close();
        continue;
      }
    }
    std::vector<std::string> expected;
    std::string message;
    if (kind == Kind::post) {
      expected.push_back(noise(load, 64 + load.random() % 16'000));
      message = fmt::format("POST /echo HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
                            load.host, expected[0].size());
    } else {
      for (std::size_t i = 0; i < at_once; ++i) {
        expected.push_back(fmt::format("/hello?n={}", load.random()));
        message += fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n{}\r\n", expected.back(), load.host,
                               kind == Kind::fresh ? "Connection: close\r\n" : "");
      }
    }
    if (kind == Kind::post) {  // head, a part, and the rest a little later
      const std::size_t half = expected[0].size() / 2;
      bool sent = co_await connection.send(message + expected[0].substr(0, half));
      if (load.random() % 4 == 0) co_await load.loop.sleep(std::chrono::milliseconds{5});
      if (sent) sent = co_await connection.send(std::string_view(expected[0]).substr(half));
      (void)sent;  // reading tells
    } else {
      const bool sent = co_await connection.send(message);
      (void)sent;
    }
    for (const std::string& body : expected) {
      const Connection::Answer answer = co_await connection.read_answer();
      const std::string wrong = trouble(answer, body);
      if (wrong.empty()) {
        load.answered(kind, answer.release, now() - began);
        if (!connection.is_open() && kind != Kind::fresh) ++load.phases.back().reconnects;
        continue;
      }
      load.failed(kind, wrong);
      connection.close();
      break;
    }
  }
}

Task<void> download_again_and_again(Load& load) {
  constexpr std::size_t size = 400'000, pieces = 40;
  const std::string expected = download_body(size);
  Connection connection(load);
  // Not all at the same time.
  co_await load.loop.sleep(std::chrono::milliseconds{load.random() % 4000});
  while (!load.stopping) {
    const Duration began = now();
    connection.deadline(std::chrono::seconds{60});
    bool ready = connection.is_open();
    if (!ready) ready = co_await connection.open();
    if (ready)
      ready = co_await connection.send(
          fmt::format("GET /download?bytes={}&pieces={}&every=100 HTTP/1.1\r\nHost: {}\r\n\r\n",
                      size, pieces, load.host));
    Connection::Answer answer{.problem = "no connection"};
    if (ready) answer = co_await connection.read_answer();
    const std::string wrong = trouble(answer, expected);
    if (wrong.empty()) {
      load.answered(Kind::download, answer.release, now() - began);
      continue;
    }
    load.failed(Kind::download, wrong);
    connection.close();
    co_await load.loop.sleep(std::chrono::milliseconds{100});
  }
}

namespace {

std::string frame(char opcode, std::string_view text, std::uint32_t mask) {
  std::string bytes{static_cast<char>(0x80 | opcode), static_cast<char>(0x80 | text.size())};
  char key[4];
  for (int i = 0; i < 4; ++i) key[i] = static_cast<char>(mask >> (8 * i));
  bytes.append(key, 4);
  for (std::size_t i = 0; i < text.size(); ++i) bytes += static_cast<char>(text[i] ^ key[i % 4]);
  return bytes;
}

// A WebSocket from its handshake to its close; what went wrong, or "".
Task<std::string> one_conversation(Load& load, Duration every) {
  constexpr auto lifetime = std::chrono::seconds{8};
  Connection connection(load);
  connection.deadline(patience);
  const bool opened = co_await connection.open();
  if (!opened) co_return "no connection";
  const bool asked = co_await connection.send(fmt::format(
      "GET /socket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      load.host));
  if (!asked) co_return "the connection ended before the handshake";
  const Connection::Answer answer = co_await connection.read_answer();
  if (!answer.problem.empty()) co_return answer.problem;
  if (answer.status != 101)
    co_return fmt::format("status {}: {}", answer.status, answer.body.substr(0, 200));
  Stream& stream = connection.stream();
  Pace pace(load, every);
  const Duration end =
      now() + lifetime / 2 + std::chrono::milliseconds{load.random() % lifetime.count() * 500};
  for (bool closing = false; !closing;) {
    co_await pace.next();
    const Duration began = now();
    closing = load.stopping || began > end;
    const std::string text = closing ? "\x03\xe8" : noise(load, 20 + load.random() % 80);
    connection.deadline(patience);
    const bool sent = co_await connection.send(
        frame(closing ? 8 : 1, text, static_cast<std::uint32_t>(load.random())));
    if (!sent) co_return "the socket ended before its close";
    while (stream.input().size() < 2 + text.size()) {
      const bool came = co_await stream.more();
      if (!came) co_return "the socket ended before its echo";
    }
    const std::string echo(stream.input().substr(0, 2 + text.size()));
    stream.consume(echo.size());
    if (static_cast<std::size_t>(echo[1]) != text.size() || echo.substr(2) != text)
      co_return "a wrong echo";
    load.answered(Kind::socket, answer.release, now() - began);
  }
  co_return "";
}

}  // namespace

Task<void> talk_again_and_again(Load& load, Duration every) {
  while (!load.stopping) {
    std::string wrong = co_await one_conversation(load, every);
    if (wrong.empty()) continue;
    load.failed(Kind::socket, std::move(wrong));
    co_await load.loop.sleep(std::chrono::milliseconds{100});
  }
}

}  // namespace slipway::bench
