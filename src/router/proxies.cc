#include "router/proxies.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/text.h"
#include "http/message.h"

namespace slipway {
namespace {

constexpr std::size_t most_hops = 32;

// Without port, brackets and quotes.
std::string_view bare_address(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = text.substr(1, text.size() - 2);
  if (text.starts_with('[')) return text.substr(1, std::min(text.find(']'), text.size()) - 1);
  if (std::ranges::count(text, ':') == 1) return text.substr(0, text.find(':'));
  return text;
}

std::vector<std::string_view> elements(std::string_view list) {
  std::vector<std::string_view> out;
  for (const std::string_view each : split(list, ','))
    if (const auto one = trim(each); !one.empty()) out.push_back(one);
  if (out.size() > most_hops) out.erase(out.begin(), out.end() - most_hops);
  return out;
}

// The parameter of one element of Forwarded: "for=...;proto=...".
std::string_view parameter(std::string_view element, std::string_view name) {
  for (const std::string_view each : split(element, ';')) {
    const std::size_t equals = each.find('=');
    if (equals == std::string_view::npos || !same_name(trim(each.substr(0, equals)), name))
      continue;
    std::string_view value = trim(each.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    return value;
  }
  return {};
}

std::string_view known_scheme(std::string_view text) {
  return same_name(text, "https") ? "https" : "http";
}

}  // namespace

bool TrustedProxies::read(std::string_view text, Bits& bits) {
  const std::string copy(text);
  in_addr v4{};
  if (::inet_pton(AF_INET, copy.c_str(), &v4) == 1) {
    bits = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    std::memcpy(&bits[12], &v4, 4);
    return true;
  }
  return ::inet_pton(AF_INET6, copy.c_str(), bits.data()) == 1;
}

Result<TrustedProxies> TrustedProxies::parse(std::span<const std::string> networks) {
  TrustedProxies out;
  for (const std::string& text : networks) {
    const std::size_t slash = text.find('/');
    Network network;
    const bool known = read(std::string_view(text).substr(0, slash), network.address);
    const int most = text.contains(':') ? 128 : 32;
    int prefix = most;
    if (slash != std::string::npos) {
      const auto [end, error] =
          std::from_chars(text.data() + slash + 1, text.data() + text.size(), prefix);
      if (error != std::errc{} || end != text.data() + text.size()) prefix = -1;
    }
    if (!known || prefix < 0 || prefix > most)
      return fail(Errc::invalid_argument, fmt::format("'{}' is no address and no network", text),
                  "such as 127.0.0.1, 10.0.0.0/8 or fd00::/8");
    network.prefix = prefix + 128 - most;
    out.networks_.push_back(network);
  }
  return out;
}

bool TrustedProxies::contains(std::string_view address) const {
  Bits bits{};
  if (networks_.empty() || !read(address, bits)) return false;
  return std::ranges::any_of(networks_, [&](const Network& network) {
    const auto whole = static_cast<std::size_t>(network.prefix / 8);
    const int rest = network.prefix % 8;
    if (!std::equal(bits.begin(), bits.begin() + static_cast<std::ptrdiff_t>(whole),
                    network.address.begin()))
      return false;
    return rest == 0 || ((bits[whole] ^ network.address[whole]) >> (8 - rest)) == 0;
  });
}

ClientIdentity client_of(const RequestHead& head, std::string_view peer,
                         const TrustedProxies& proxies) {
  ClientIdentity out{.address = std::string(peer)};
  if (proxies.empty() || !proxies.contains(peer)) return out;
  std::string_view forwarded;
  std::vector<std::string_view> hops;
  bool has_scheme = false;
  for (const HeadField& field : head.fields) {
    if (field.kind != FieldKind::forwarded) continue;
    if (same_name(field.name, "x-forwarded-for")) {
      for (const std::string_view each : elements(field.value)) hops.push_back(bare_address(each));
    } else if (same_name(field.name, "x-forwarded-proto")) {
      const auto schemes = elements(field.value);
      if (!schemes.empty()) out.scheme = known_scheme(schemes.front());
      has_scheme = true;
    } else if (same_name(field.name, "x-forwarded-host")) {
      const auto hosts = elements(field.value);
      if (!hosts.empty()) out.authority = hosts.front();
    } else if (same_name(field.name, "forwarded")) {
      forwarded = field.value;
    }
  }
  if (hops.empty() && !forwarded.empty()) {
    const auto each = elements(forwarded);
    for (const std::string_view one : each) hops.push_back(bare_address(parameter(one, "for")));
    if (!each.empty() && !has_scheme) out.scheme = known_scheme(parameter(each.front(), "proto"));
    if (!each.empty() && out.authority.empty()) out.authority = parameter(each.front(), "host");
  }
  // From the nearest on, past those that are trusted. What is no address is nobody's.
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    in6_addr scratch{};
    const std::string text(*hop);
    if (::inet_pton(AF_INET, text.c_str(), &scratch) != 1 &&
        ::inet_pton(AF_INET6, text.c_str(), &scratch) != 1)
      break;
    out.address = text;
    if (!proxies.contains(text)) break;
  }
  return out;
}

}  // namespace slipway
