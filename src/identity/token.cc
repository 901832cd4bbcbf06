#include "identity/token.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "identity/base64url.h"

namespace slipway {
namespace {

constexpr std::string_view prefix = "slpt_", local_prefix = "slp_", id_prefix = "tok_";

Digest hmac(std::span<const std::uint8_t> key, std::string_view text) {
  Digest out;
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.bytes.data(),
           &size) == nullptr ||
      size != out.bytes.size())
    std::abort();  // only without memory
  return out;
}

// The next link of the chain.
Digest link(const Digest& mac, std::string_view narrowing) {
  return hmac(mac.bytes, fmt::format("slipway narrowing v1\n{}", narrowing));
}

bool is_root_tail(std::string_view text) {
  return !text.empty() && text.size() <= 16 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
  });
}

// Each link has an id of its own: what is revoked goes by it.
bool has_link(const Token& token, std::string_view id) {
  const auto is = [&](const Restriction& restriction) { return restriction.id == id; };
  return token.root == id || std::ranges::any_of(token.restrictions, is);
}

std::unexpected<Error> malformed() {
  return fail(Errc::invalid_argument, "that is not a token of Slipway",
              "it starts with slpt_ or slp_ and has no spaces; copy the whole of it");
}

std::string_view bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

}  // namespace

std::string Token::path() const {
  std::string out = root;
  for (const Restriction& restriction : restrictions) out += "/" + restriction.id;
  return out;
}

Digest root_mac(const TokenKey& key, std::string_view root) {
  return hmac(key.bytes.bytes, fmt::format("slipway token v1\n{}", root));
}

Digest local_mac(std::string_view local_token) {
  return hmac({reinterpret_cast<const std::uint8_t*>(local_token.data()), local_token.size()},
              "slipway local token v1");
}

Token issue_token(const TokenKey& key, std::string_view root) {
  return {.root = std::string(root), .mac = root_mac(key, root)};
}

Result<Token> parse_token(std::string_view text) {
  if (text.size() > max_token_bytes) return malformed();
  if (text.starts_with(local_prefix)) {
    const std::string_view secret = text.substr(local_prefix.size());
    if (text.size() < 32 || text.size() > 256 ||
        !std::ranges::all_of(secret, [](char c) { return c > ' ' && c < 0x7f && c != '.'; }))
      return malformed();
    return Token{.root = std::string(local_token_id), .mac = local_mac(text)};
  }
  if (!text.starts_with(prefix)) return malformed();
  const std::vector<std::string_view> parts = split(text.substr(prefix.size()), '.');
  if (parts.size() < 2 || parts.size() > max_narrowings + 2 || !is_root_tail(parts.front()))
    return malformed();
  Token out{.root = std::string(id_prefix) + std::string(parts.front())};
  for (std::size_t i = 1; i + 1 < parts.size(); ++i) {
    const auto block = base64url_decode(parts[i]);
    if (!block) return malformed();
    SLIPWAY_TRY(Restriction restriction, parse_restriction(*block));
    if (has_link(out, restriction.id)) return malformed();
    out.restrictions.push_back(std::move(restriction));
  }
  const auto mac = base64url_decode(parts.back());
  if (!mac || mac->size() != out.mac.bytes.size()) return malformed();
  std::ranges::copy(*mac, out.mac.bytes.begin());
  return out;
}

Result<std::string> to_text(const Token& token) {
  if (token.root == local_token_id && token.restrictions.empty())
    return fail(Errc::failed_precondition, "the server's own token has its text only in its file");
  std::string out = fmt::format("{}{}", prefix, token.root.substr(id_prefix.size()));
  for (const Restriction& restriction : token.restrictions) {
    SLIPWAY_TRY(const std::string block, to_text(restriction));
    out += "." + base64url_encode(block);
  }
  out += "." + base64url_encode(bytes_of(token.mac));
  if (out.size() > max_token_bytes)
    return fail(Errc::too_large,
                fmt::format("the token would be longer than {} bytes", max_token_bytes),
                "narrow a token that is nearer to its root, or name less");
  return out;
}

Result<Token> narrow(const Token& token, const Restriction& restriction) {
  if (token.restrictions.size() >= max_narrowings)
    return fail(Errc::too_large, fmt::format("it was narrowed {} times already", max_narrowings),
                "narrow a token that is nearer to its root");
  SLIPWAY_TRY(const std::string text, to_text(restriction));
  Token out = token;
  // As it will be read, so that two holders of the text see the same.
  SLIPWAY_TRY(Restriction read, parse_restriction(text));
  if (has_link(token, read.id))
    return fail(Errc::conflict, fmt::format("\"{}\" is in the token already", read.id),
                "give what is narrowed an id of its own");
  out.restrictions.push_back(std::move(read));
  out.mac = link(token.mac, text);
  SLIPWAY_TRY([[maybe_unused]] const std::string whole, to_text(out));
  return out;
}

bool verify(const Token& token, const Digest& root) {
  Digest mac = root;
  for (const Restriction& restriction : token.restrictions) {
    const auto text = to_text(restriction);
    if (!text) return false;
    mac = link(mac, *text);
  }
  return equal_in_constant_time(bytes_of(mac), bytes_of(token.mac));
}

bool equal_in_constant_time(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace slipway
