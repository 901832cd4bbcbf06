#include "router/forward.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "http/message.h"
#include "router/placement.h"

namespace slipway {
namespace {

void append(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ", 2).append(value).append("\r\n", 2);
}

// End-to-end fields that a Connection field may name, and thereby remove; never these, which the
// client could otherwise hide from the app.
bool hop_by_hop(const Head& head, const HeadField& field) {
  if (field.kind == FieldKind::connection || field.kind == FieldKind::upgrade ||
      field.kind == FieldKind::transfer_encoding)
    return true;
  if (head.connection_options.empty() || field.kind == FieldKind::host ||
      field.kind == FieldKind::content_length)
    return false;
  return head.connection_lists(field.name);
}

}  // namespace

bool may_upgrade(const RequestHead& request) {
  return request.upgrade && request.minor_version >= 1 && !request.has_body() &&
         !list_has(request.value(FieldKind::upgrade), "h2c");
}

void append_upstream_head(const RequestHead& request, const ClientFacts& facts, std::string& out) {
  out.append(request.method).append(1, ' ').append(request.target).append(" HTTP/1.1\r\n");
  append(out, "Host", request.authority);
  for (const HeadField& field : request.fields) {
    switch (field.kind) {
      case FieldKind::host:
      case FieldKind::expect:
      case FieldKind::forwarded:
      case FieldKind::request_id:
        continue;
      case FieldKind::cookie:
        if (may_have_placement_cookie(field.value)) {
          const std::string others = without_placement_cookie(field.value);
          if (!others.empty() && !hop_by_hop(request, field)) append(out, field.name, others);
          continue;
        }
        break;
      default:
        break;
    }
    if (hop_by_hop(request, field)) continue;
    append(out, field.name, field.value);
  }
  if (request.chunked) out += "Transfer-Encoding: chunked\r\n";
  append(out, "X-Forwarded-For", facts.remote_address);
  append(out, "X-Forwarded-Proto", facts.scheme);
  append(out, "X-Forwarded-Host", request.authority);
  append(out, "X-Request-Id", facts.request_id);
  if (may_upgrade(request)) {
    out += "Connection: Upgrade\r\n";
    append(out, "Upgrade", request.value(FieldKind::upgrade));
  }
  out += "\r\n";
}

void append_client_head(const ResponseHead& answer, const AnswerFacts& facts, std::string& out) {
  char status[4];
  std::to_chars(status, status + sizeof status, answer.status);
  out.append("HTTP/1.1 ").append(status, 3).append(1, ' ').append(answer.reason).append("\r\n");
  bool has_request_id = false, has_date = false;
  for (const HeadField& field : answer.fields) {
    if (hop_by_hop(answer, field)) continue;
    switch (field.kind) {
      case FieldKind::content_length:
        // Of a bodiless answer it tells what a GET would have had; 204 has none.
        if (facts.framing == BodyFraming::length ||
            (facts.framing == BodyFraming::none && answer.status >= 200 && answer.status != 204))
          append(out, field.name, field.value);
        continue;
      case FieldKind::set_cookie:
        append(out, field.name, confine_cookie(field.value, facts.host, facts.domain));
        continue;
      case FieldKind::request_id:
        has_request_id = true;
        break;
      case FieldKind::date:
        has_date = true;
        break;
      default:
        break;
    }
    append(out, field.name, field.value);
  }
  if (!has_date && !facts.date.empty()) append(out, "Date", facts.date);
  if (facts.framing == BodyFraming::chunked) out += "Transfer-Encoding: chunked\r\n";
  if (!has_request_id) append(out, "X-Request-Id", facts.request_id);
  out += facts.own_fields;
  if (!facts.upgrade.empty()) {
    out += "Connection: Upgrade\r\n";
    append(out, "Upgrade", facts.upgrade);
  } else if (!facts.keep_alive) {
    out += "Connection: close\r\n";
  } else if (facts.client_minor_version == 0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
}

std::string confine_cookie(std::string_view cookie, std::string_view host,
                           std::string_view domain) {
  const bool below = host.size() > domain.size() && host.ends_with(domain) &&
                     host[host.size() - domain.size() - 1] == '.';
  std::string kept;
  for (bool first = true; const std::string_view part : split(cookie, ';')) {
    const std::size_t equals = part.find('=');
    if (!first && below && same_name(trim(part.substr(0, equals)), "domain")) {
      std::string_view value =
          equals == std::string_view::npos ? std::string_view() : trim(part.substr(equals + 1));
      if (value.starts_with('.')) value.remove_prefix(1);
      if (value.ends_with('.')) value.remove_suffix(1);
      if (!same_name(value, host)) continue;
    }
    if (!first) kept += ';';
    kept += part;
    first = false;
  }
  return kept;
}

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

}  // namespace slipway
