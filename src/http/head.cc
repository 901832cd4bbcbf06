#include "http/head.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/status.hpp>

#include "base/text.h"
#include "http/message.h"

// What Beast's parser lets pass, or understands loosely, and a proxy must not (RFC 9112 §11.2):
// - Transfer-Encoding other than exactly "chunked", any in HTTP/1.0, or twice: Beast ignores
// unknown
//   codings, and then takes Content-Length.
// - Content-Length as a list or repeated, even with equal values.
// - obs-fold: Beast unfolds it.
// - Host: missing, repeated, malformed, or contradicted by an absolute-form target.
// Bare CR or LF, other control characters and white space before a colon are refused by Beast.

namespace slipway {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;
using ErrorCode = boost::beast::error_code;

constexpr std::size_t max_fields = 500;
constexpr std::size_t max_pieces = 64;

std::string_view plain(string_view text) { return {text.data(), text.size()}; }

// What servers, frameworks and their proxies take for the client's address, user, host or path.
constexpr std::string_view claimed_identity[] = {"x-real-ip",
                                                 "x-original-url",
                                                 "x-original-host",
                                                 "x-original-remote-addr",
                                                 "x-rewrite-url",
                                                 "x-host",
                                                 "x-remote-user",
                                                 "x-remote-ip",
                                                 "x-remote-addr",
                                                 "x-proxyuser-ip",
                                                 "x-envoy-external-address",
                                                 "x-envoy-original-path",
                                                 "x-azure-socketip",
                                                 "x-appengine-user-ip",
                                                 "x-amzn-oidc-identity",
                                                 "x-auth-request-user",
                                                 "cf-connecting-ipv6",
                                                 "cf-pseudo-ipv4",
                                                 "proxy",
                                                 "remote-user"};

FieldKind kind_of_unknown(std::string_view name) {
  // Most names are none of them: told by their first and last letter, before any is copied.
  constexpr std::string_view first = "xtrcpfw", last = "rtp";
  const auto letter = [](char c) { return static_cast<char>(c | 0x20); };
  if (!first.contains(letter(name.front())) && !last.contains(letter(name.back())))
    return FieldKind::other;
  const std::string lower = to_lower(name);
  if (lower == "x-request-id") return FieldKind::request_id;
  if (lower.starts_with("x-forwarded") || lower.starts_with("x-slipway-"))
    return FieldKind::forwarded;
  // Every proxy and CDN has a name of its own for the client's address.
  for (const std::string_view end : {"forwarded-for", "forwarded-host", "forward-for", "client-ip",
                                     "clientip", "connecting-ip", "connection-ip"})
    if (lower.ends_with(end)) return FieldKind::forwarded;
  return std::ranges::find(claimed_identity, lower) != std::end(claimed_identity)
             ? FieldKind::forwarded
             : FieldKind::other;
}

FieldKind kind_of(http::field field, std::string_view name) {
  switch (field) {
    case http::field::host:
      return FieldKind::host;
    case http::field::connection:
    case http::field::keep_alive:
    case http::field::proxy_connection:
    case http::field::te:
    case http::field::trailer:
      return FieldKind::connection;
    case http::field::upgrade:
      return FieldKind::upgrade;
    case http::field::content_length:
      return FieldKind::content_length;
    case http::field::transfer_encoding:
      return FieldKind::transfer_encoding;
    case http::field::expect:
      return FieldKind::expect;
    case http::field::forwarded:
    case http::field::via:  // of a proxy in front, or made up: we do not speak for it
      return FieldKind::forwarded;
    case http::field::cookie:
      return FieldKind::cookie;
    case http::field::set_cookie:
      return FieldKind::set_cookie;
    case http::field::accept:
      return FieldKind::accept;
    case http::field::accept_encoding:
      return FieldKind::accept_encoding;
    case http::field::if_none_match:
      return FieldKind::if_none_match;
    case http::field::if_range:
      return FieldKind::if_range;
    case http::field::range:
      return FieldKind::range;
    case http::field::date:
      return FieldKind::date;
    case http::field::unknown:
      break;
    default:
      return FieldKind::other;
  }
  // CGI-like servers read "X_Forwarded_For" as "X-Forwarded-For": what means something with
  // dashes must not come in with underscores.
  if (name.find('_') != std::string_view::npos) {
    std::string dashed(name);
    std::ranges::replace(dashed, '_', '-');
    const auto known = http::string_to_field({dashed.data(), dashed.size()});
    const FieldKind kind =
        known == http::field::unknown ? kind_of_unknown(dashed) : kind_of(known, dashed);
    return kind == FieldKind::other ? FieldKind::other : FieldKind::forwarded;
  }
  return kind_of_unknown(name);
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Beast's parser with our strictness and without its containers.
template <bool is_request, class HeadType>
class Reader final : public http::basic_parser<is_request> {
 public:
  explicit Reader(std::uint32_t max_head_bytes, std::vector<HeadField>&& reused_fields,
                  std::vector<std::string_view>&& reused_options)
      : max_head_bytes_(max_head_bytes) {
    this->header_limit(max_head_bytes);
    this->body_limit(boost::none);
    this->eager(false);
    head.fields = std::move(reused_fields);
    head.fields.clear();
    head.connection_options = std::move(reused_options);
    head.connection_options.clear();
  }

  HeadProgress parse_head(std::string_view bytes) {
    if (bytes.data() != base_) rebase(bytes.data());
    size_ = bytes.size();
    while (!this->is_header_done()) {
      if (consumed == bytes.size()) return short_of(bytes);
      ErrorCode error;
      const std::size_t before = consumed;
      consumed += this->put({bytes.data() + before, bytes.size() - before}, error);
      if (error == http::error::need_more) return short_of(bytes);
      if (error == http::error::header_limit) return too_large();
      if (error) {
        if (problem.empty()) problem = "malformed head";
        return HeadProgress::bad;
      }
    }
    if (consumed > max_head_bytes_) return too_large();
    return finish() ? HeadProgress::complete : HeadProgress::bad;
  }

  BodyProgress decode(std::string_view bytes, std::vector<std::string_view>& into) {
    BodyProgress progress;
    pieces_ = &into;
    const std::size_t room = into.size() + max_pieces;
    while (progress.consumed < bytes.size() && !this->is_done() && into.size() < room) {
      ErrorCode error;
      progress.consumed +=
          this->put({bytes.data() + progress.consumed, bytes.size() - progress.consumed}, error);
      if (error == http::error::need_more) break;
      if (error) {
        progress.state = BodyProgress::State::bad;
        return progress;
      }
    }
    if (this->is_done()) progress.state = BodyProgress::State::done;
    return progress;
  }

  HeadType head;
  std::size_t consumed = 0;
  std::string_view problem;

 private:
  HeadProgress short_of(std::string_view bytes) {
    return bytes.size() > max_head_bytes_ ? too_large() : HeadProgress::need_more;
  }
  HeadProgress too_large() {
    problem = "the head is too large";
    return HeadProgress::too_large;
  }

  // The buffer moved: so do the views.
  void rebase(const char* base) {
    const auto move = [&](std::string_view& view) {
      if (view.data() != nullptr) view = {base + (view.data() - base_), view.size()};
    };
    for (HeadField& field : head.fields) {
      move(field.name);
      move(field.value);
    }
    if constexpr (is_request) {
      move(head.method);
      move(head.target);
    } else {
      move(head.reason);
    }
    base_ = base;
  }

  bool finish() {
    if (host_fields_ > 1) return refuse("more than one Host");
    head.chunked = this->chunked();
    head.content_length.reset();
    if (has_length_) head.content_length = length_;
    head.keep_alive = this->keep_alive();
    head.upgrade = this->upgrade();
    head.minor_version = minor_;
    for (const HeadField& field : head.fields) {
      if (field.kind == FieldKind::connection && same_name(field.name, "connection"))
        add_options(field.value);
    }
    if (head.minor_version == 0 && head.chunked) return refuse("Transfer-Encoding in HTTP/1.0");
    if constexpr (is_request)
      return finish_request();
    else
      return head.status >= 100 || refuse("bad status");
  }

  void add_options(std::string_view value) {
    while (!value.empty()) {
      const std::size_t comma = value.find(',');
      const std::string_view option = trim(value.substr(0, comma));
      if (!option.empty()) head.connection_options.push_back(option);
      if (comma == std::string_view::npos) return;
      value.remove_prefix(comma + 1);
    }
  }

  bool finish_request() {
    if (host_fields_ == 0 && head.minor_version >= 1) return refuse("no Host");
    head.authority = head.value(FieldKind::host);
    if (head.target.front() == '/') return true;
    if (head.target == "*") return head.method == "OPTIONS" || refuse("bad target");
    for (const std::string_view scheme : {"http://", "https://"}) {
      if (head.target.size() < scheme.size() ||
          !same_name(head.target.substr(0, scheme.size()), scheme))
        continue;
      const std::string_view rest = head.target.substr(scheme.size());
      const std::size_t end = rest.find_first_of("/?#");
      const std::string_view authority = rest.substr(0, end);
      if (host_fields_ == 1 && !same_name(authority, head.authority))
        return refuse("Host contradicts the target");
      head.authority = authority;
      head.target = end == std::string_view::npos ? std::string_view("/") : rest.substr(end);
      return head.target.front() == '/' || refuse("bad target");
    }
    return refuse("bad target");
  }

  bool refuse(std::string_view why) {
    problem = why;
    return false;
  }

  void on_request_impl(http::verb, string_view method, string_view target, int version,
                       ErrorCode&) override {
    if constexpr (is_request) {
      head.method = plain(method);
      head.target = plain(target);
    }
    minor_ = version - 10;
  }
  void on_response_impl(int status, string_view reason, int version, ErrorCode&) override {
    if constexpr (!is_request) {
      head.status = status;
      head.reason = plain(reason);
    }
    minor_ = version - 10;
  }

  void on_field_impl(http::field field, string_view name, string_view value,
                     ErrorCode& error) override {
    if (this->is_header_done()) return;  // trailers are dropped
    const auto bad = [&](std::string_view why) {
      problem = why;
      error = http::error::bad_field;
    };
    const char* gap = name.data() + name.size() + 1;
    const char* end = base_ + size_;
    if (value.data() < gap || value.data() > end) return bad("folded header");
    for (; gap != value.data(); ++gap)
      if (*gap != ' ' && *gap != '\t') return bad("folded header");
    if (head.fields.size() >= max_fields) return bad("too many headers");
    const FieldKind kind = kind_of(field, plain(name));
    if (kind == FieldKind::transfer_encoding &&
        (transfer_encoded_ || !same_name(plain(value), "chunked")))
      return bad("unknown Transfer-Encoding");
    if (kind == FieldKind::transfer_encoding) transfer_encoded_ = true;
    if (kind == FieldKind::content_length) {
      if (has_length_ || !all_digits(plain(value))) return bad("bad Content-Length");
      has_length_ = true;
      for (const char c : plain(value)) length_ = length_ * 10 + static_cast<unsigned>(c - '0');
    }
    if (kind == FieldKind::host) ++host_fields_;
    head.fields.push_back({kind, plain(name), plain(value)});
  }

  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(string_view body, ErrorCode&) override {
    pieces_->push_back(plain(body));
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, ErrorCode&) override {
    if (!body.empty()) pieces_->push_back(plain(body));
    return body.size();
  }
  void on_finish_impl(ErrorCode&) override {}

  std::uint32_t max_head_bytes_;
  const char* base_ = nullptr;
  std::size_t size_ = 0;
  int minor_ = 1;
  int host_fields_ = 0;
  bool transfer_encoded_ = false;
  bool has_length_ = false;
  std::uint64_t length_ = 0;  // Beast refused what does not fit, before it is counted here
  std::vector<std::string_view>* pieces_ = nullptr;
};

}  // namespace

const HeadField* Head::find(FieldKind kind) const {
  for (const HeadField& field : fields)
    if (field.kind == kind) return &field;
  return nullptr;
}
std::string_view Head::value(FieldKind kind) const {
  const HeadField* field = find(kind);
  return field == nullptr ? std::string_view() : field->value;
}
bool Head::connection_lists(std::string_view name) const {
  return std::ranges::any_of(connection_options,
                             [&](std::string_view option) { return same_name(option, name); });
}

// ---- requests

struct RequestParser::Impl {
  std::uint32_t max_head_bytes;
  std::optional<Reader<true, RequestHead>> reader;
};

RequestParser::RequestParser(std::uint32_t max_head_bytes)
    : impl_(std::make_unique<Impl>(max_head_bytes)) {
  reset();
}
RequestParser::~RequestParser() = default;
void RequestParser::reset() {
  std::vector<HeadField> fields;
  std::vector<std::string_view> options;
  if (impl_->reader) {
    fields = std::move(impl_->reader->head.fields);
    options = std::move(impl_->reader->head.connection_options);
  }
  impl_->reader.emplace(impl_->max_head_bytes, std::move(fields), std::move(options));
}
HeadProgress RequestParser::parse_head(std::string_view bytes) {
  const HeadProgress progress = impl_->reader->parse_head(bytes);
  if (progress == HeadProgress::complete) {
    RequestHead& head = impl_->reader->head;
    head.expects_continue = head.minor_version >= 1 && head.has_body() &&
                            list_has(head.value(FieldKind::expect), "100-continue");
  }
  return progress;
}
RequestHead& RequestParser::head() { return impl_->reader->head; }
std::size_t RequestParser::head_bytes() const { return impl_->reader->consumed; }
std::string_view RequestParser::problem() const { return impl_->reader->problem; }
BodyProgress RequestParser::decode_body(std::string_view bytes,
                                        std::vector<std::string_view>& pieces) {
  return impl_->reader->decode(bytes, pieces);
}
bool RequestParser::body_done() const { return impl_->reader->is_done(); }

// ---- responses

struct ResponseParser::Impl {
  std::uint32_t max_head_bytes;
  std::optional<Reader<false, ResponseHead>> reader;
  // A head whose first line ends with the status, with the space that belongs behind it. RFC 9112
  // asks for it; small servers leave it out with the reason, and everybody understands them.
  std::optional<std::string> spaced;

  std::string_view with_space(std::string_view bytes) {
    constexpr std::size_t status_end = std::string_view("HTTP/1.1 200").size();
    if (!spaced) {
      if (bytes.size() <= status_end || bytes[status_end] != '\r' || !bytes.starts_with("HTTP/1."))
        return bytes;
      spaced.emplace();
    }
    spaced->assign(bytes.substr(0, status_end)).append(1, ' ').append(bytes.substr(status_end));
    return *spaced;
  }
};

ResponseParser::ResponseParser(std::uint32_t max_head_bytes)
    : impl_(std::make_unique<Impl>(max_head_bytes)) {}
ResponseParser::~ResponseParser() = default;
void ResponseParser::reset(To what) {
  std::vector<HeadField> fields;
  std::vector<std::string_view> options;
  if (impl_->reader) {
    fields = std::move(impl_->reader->head.fields);
    options = std::move(impl_->reader->head.connection_options);
  }
  impl_->reader.emplace(impl_->max_head_bytes, std::move(fields), std::move(options));
  impl_->reader->skip(what == To::head_request);
  impl_->spaced.reset();
}
HeadProgress ResponseParser::parse_head(std::string_view bytes) {
  return impl_->reader->parse_head(impl_->with_space(bytes));
}
ResponseHead& ResponseParser::head() { return impl_->reader->head; }
std::size_t ResponseParser::head_bytes() const {
  return impl_->reader->consumed - (impl_->spaced ? 1 : 0);
}
std::string_view ResponseParser::problem() const { return impl_->reader->problem; }
BodyProgress ResponseParser::decode_body(std::string_view bytes,
                                         std::vector<std::string_view>& pieces) {
  return impl_->reader->decode(bytes, pieces);
}
bool ResponseParser::body_done() const { return impl_->reader->is_done(); }
bool ResponseParser::until_close() const {
  return impl_->reader->need_eof() && !impl_->reader->is_done();
}

// ---- small parsers of values

std::optional<std::string> host_name(std::string_view authority) {
  std::string_view host = authority;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = host.substr(0, end + 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  const std::string_view port = authority.substr(host.size());
  if (!port.empty() && (port.front() != ':' || (port.size() > 1 && !all_digits(port.substr(1)))))
    return std::nullopt;
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty() || host.size() > 255) return std::nullopt;
  std::string name = to_lower(host);
  const bool literal = name.front() == '[';
  for (const char c :
       std::string_view(name).substr(literal ? 1 : 0, name.size() - (literal ? 2 : 0)))
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
          (literal && c == ':')))
      return std::nullopt;
  return name;
}

std::string_view reason_phrase(int status) {
  return plain(http::obsolete_reason(static_cast<http::status>(status)));
}

bool list_has(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view one = list.substr(0, comma);
    one = trim(one.substr(0, one.find(';')));
    if (same_name(one, token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace slipway
