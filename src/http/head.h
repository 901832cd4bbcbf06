#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// What a header field means to an intermediary. `other` passes through untouched.
enum class FieldKind : std::uint8_t {
  other,
  host,
  connection,  // and Keep-Alive, Proxy-Connection, TE, Trailer: hop by hop
  upgrade,     // hop by hop, with a meaning
  content_length,
  transfer_encoding,
  expect,
  forwarded,   // Forwarded, X-Forwarded-*, X-Real-IP and kin: who the client claims to be
  request_id,  // X-Request-Id
  cookie,
  set_cookie,
  accept,
  accept_encoding,
  if_none_match,
  if_range,
  range,
  date,
};

struct HeadField {
  FieldKind kind = FieldKind::other;
  std::string_view name, value;
};

// The head of a message. Its views lie in the bytes that were parsed.
struct Head {
  int minor_version = 1;  // HTTP/1.x
  std::vector<HeadField> fields;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = false;
  bool upgrade = false;  // Upgrade, and "Connection: upgrade"

  // The first field of the kind, or nothing.
  [[nodiscard]] const HeadField* find(FieldKind kind) const;
  [[nodiscard]] std::string_view value(FieldKind kind) const;  // "" when absent
  // Whether a Connection field names `name`.
  [[nodiscard]] bool connection_lists(std::string_view name) const;
  std::vector<std::string_view> connection_options;
};

struct RequestHead : Head {
  std::string_view method;
  std::string_view target;     // origin form ("/path?query"), or "*" with OPTIONS
  std::string_view authority;  // as in Host; "" with HTTP/1.0 without it
  bool expects_continue = false;

  [[nodiscard]] bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

struct ResponseHead : Head {
  int status = 0;
  std::string_view reason;
};

// Reads one message, as strictly as a proxy must: whatever two readers could understand in two ways
// is refused. Beast's parser does the reading, see head.cc for what is added. Use: parse_head()
// with all unread bytes each time more have come, until it is complete; then decode_body() until
// the body is done. The bytes given again must be the same ones. Not thread-safe.
enum class HeadProgress { need_more, complete, bad, too_large };

struct BodyProgress {
  std::size_t consumed = 0;  // bytes of the input that may be dropped
  enum class State { need_more, done, bad } state = State::need_more;
};

class RequestParser {
 public:
  explicit RequestParser(std::uint32_t max_head_bytes);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  void reset();
  [[nodiscard]] HeadProgress parse_head(std::string_view bytes);
  // After `complete`: the head, valid while the bytes stay, and its length.
  [[nodiscard]] RequestHead& head();
  [[nodiscard]] std::size_t head_bytes() const;
  // What was wrong, for the log and the 400 page.
  [[nodiscard]] std::string_view problem() const;

  // The next bytes of the body: adds pieces of content (views into `bytes`) to `pieces`.
  [[nodiscard]] BodyProgress decode_body(std::string_view bytes,
                                         std::vector<std::string_view>& pieces);
  [[nodiscard]] bool body_done() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class ResponseParser {
 public:
  explicit ResponseParser(std::uint32_t max_head_bytes);
  ~ResponseParser();
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  enum class To { head_request, other_request };
  void reset(To what);
  [[nodiscard]] HeadProgress parse_head(std::string_view bytes);
  [[nodiscard]] ResponseHead& head();
  [[nodiscard]] std::size_t head_bytes() const;
  [[nodiscard]] std::string_view problem() const;

  [[nodiscard]] BodyProgress decode_body(std::string_view bytes,
                                         std::vector<std::string_view>& pieces);
  [[nodiscard]] bool body_done() const;
  // The body has no length of its own: the end of the connection ends it.
  [[nodiscard]] bool until_close() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "example.localhost:7070" -> "example.localhost", lower case; "[::1]:80" -> "[::1]". Nothing when
// it cannot be a host.
[[nodiscard]] std::optional<std::string> host_name(std::string_view authority);

[[nodiscard]] std::string_view reason_phrase(int status);

// Whether a comma-separated list field holds `token` (case-insensitive), parameters ignored.
[[nodiscard]] bool list_has(std::string_view list, std::string_view token);

}  // namespace slipway
