#include "model/domain.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace slipway {

Result<std::string> domain_name(std::string_view text) {
  const auto bad = [&](std::string_view why, std::string hint = "such as shop.example.com") {
    return fail(Errc::invalid_argument,
                fmt::format("'{}' {}", sanitize_line(text.substr(0, 300)), why), std::move(hint));
  };
  if (std::ranges::any_of(text, [](unsigned char c) { return c >= 0x80; }))
    return bad("is not written in ASCII",
               "give its punycode form, which begins with xn--: that is how DNS has it");
  std::string name = to_lower(text);
  if (name.ends_with('.')) name.pop_back();
  if (name.find("://") != std::string::npos || name.find('/') != std::string::npos)
    return bad("is a URL, not a host name");
  if (name.find(':') != std::string::npos) return bad("has a port, or is an address");
  if (name.empty() || name.size() > 253) return bad("is no host name");
  const std::vector<std::string_view> labels = split(name, '.');
  if (labels.size() < 2) return bad("has no domain");
  for (const std::string_view label : labels) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
      return bad("is no host name");
    if (!std::ranges::all_of(label, [](unsigned char c) {
          return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        }))
      return bad(label.find('*') != std::string_view::npos ? "has a wildcard: give each name"
                                                           : "is no host name");
  }
  if (std::ranges::all_of(labels.back(), [](unsigned char c) { return c >= '0' && c <= '9'; }))
    return bad("is an address");
  return name;
}

bool is_at_or_below(std::string_view name, std::string_view domain) {
  if (domain.empty() || !name.ends_with(domain)) return false;
  return name.size() == domain.size() || name[name.size() - domain.size() - 1] == '.';
}

std::string challenge_name(std::string_view name) {
  return fmt::format("_slipway-challenge.{}", name);
}

}  // namespace slipway
