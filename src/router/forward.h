#pragma once

#include <string>
#include <string_view>

#include "http/head.h"

namespace slipway {

// How a message is rewritten between a client and an app. Pure.

struct ClientFacts {
  std::string_view remote_address;
  std::string_view request_id;
  std::string_view scheme = "http";
};

// Appends the head that the app gets: hop-by-hop fields removed (those that Connection lists, too),
// what the client claims about itself replaced by what we saw, Host as the client sent it, Expect
// removed (the router answers it), our own cookie removed. An Upgrade passes, except to h2c, which
// would open a tunnel around these rules.
void append_upstream_head(const RequestHead& request, const ClientFacts& facts, std::string& out);
[[nodiscard]] bool may_upgrade(const RequestHead& request);

// How the body of an answer goes to the client.
enum class BodyFraming { none, length, chunked, until_close };
struct AnswerFacts {
  BodyFraming framing = BodyFraming::none;
  int client_minor_version = 1;
  bool keep_alive = true;
  std::string_view host;    // of the request, without port
  std::string_view domain;  // of the platform
  std::string_view request_id;
  std::string_view date;        // added when the app sent none
  std::string_view upgrade;     // for a 101
  std::string_view own_fields;  // complete lines of ours
};
// Appends the head that the client gets. A cookie that the app sets for the platform's domain, or
// for one above it, becomes one for the app's own host alone.
void append_client_head(const ResponseHead& answer, const AnswerFacts& facts, std::string& out);

// A Set-Cookie value without its Domain attribute if that reaches beyond `host` although `host`
// lies below `domain`.
[[nodiscard]] std::string confine_cookie(std::string_view cookie, std::string_view host,
                                         std::string_view domain);

// For an X-Request-Id that a client may choose: 1–64 letters, digits, '-', '_', '.'.
[[nodiscard]] bool is_request_id(std::string_view text);

}  // namespace slipway
