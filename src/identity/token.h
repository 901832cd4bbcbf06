#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "identity/restriction.h"

namespace slipway {

// A bearer token: a root that the server knows, the narrowings since, and the end of a chain of
// HMACs (SHA-256) over them. Each link is keyed by the one before, so that a holder can add a
// narrowing without the server and nobody can take one away; what came before cannot be computed
// from what comes after. The server keeps no secret of a token: it computes the chain from its key,
// which lies in a file outside the database. A plain value, and a secret: never log it, never put
// it in an answer but the one that makes it.
//
//   slpt_<root>.<narrowing>...<narrowing>.<mac>      parts in base64url; a narrowing is to_text()
//   slp_<52 letters>                                 the server's own token: the root "tok_local"
struct Token {
  std::string root;                       // "tok_…"
  std::vector<Restriction> restrictions;  // oldest first
  Digest mac;

  // "tok_root/tok_first/tok_second"; no secret. What is revoked, counted and shown goes by it.
  [[nodiscard]] std::string path() const;
};

// The secret that roots are made with. 32 random bytes, made at the first start.
struct TokenKey {
  Digest bytes;
};

inline constexpr std::string_view local_token_id = "tok_local";
inline constexpr std::size_t max_narrowings = 12, max_token_bytes = 6144;

// The root's link of the chain, for the server: of its own tokens, and of the local token.
[[nodiscard]] Digest root_mac(const TokenKey& key, std::string_view root);
[[nodiscard]] Digest local_mac(std::string_view local_token);
[[nodiscard]] Token issue_token(const TokenKey& key, std::string_view root);

// Pure and offline. The result's text is canonical: a token has one text. Errors: invalid_argument,
// never with any of the token's text.
[[nodiscard]] Result<Token> parse_token(std::string_view text);
// Of a token with a narrowing, or of a root that the server made. The local token's own text is not
// kept in a Token: failed_precondition.
[[nodiscard]] Result<std::string> to_text(const Token& token);

// A token that may do what `token` may and `restriction` allows. Pure and offline. `restriction.id`
// must be fresh: TokenId::random(). Errors: invalid_argument, too_large.
[[nodiscard]] Result<Token> narrow(const Token& token, const Restriction& restriction);

// Whether its chain starts at this link. Takes the same time whatever differs.
[[nodiscard]] bool verify(const Token& token, const Digest& root);

// In time that depends on the lengths alone.
[[nodiscard]] bool equal_in_constant_time(std::string_view left, std::string_view right);

}  // namespace slipway
