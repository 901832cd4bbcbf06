// Tokens: whatever parses has this text and no other, and no bytes but the right ones verify.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/ids.h"
#include "identity/token.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const TokenKey key{sha256("a key that nobody guesses")};
  if (const auto token = parse_token(text)) {
    if (token->root != local_token_id) {
      const auto again = to_text(*token);
      if (!again || *again != text) std::abort();
      if (verify(*token, root_mac(key, token->root))) std::abort();
    }
    Restriction narrower{.id = "tok_aaaaaaaaaa", .label = "x"};
    if (const auto made = narrow(*token, narrower)) {
      const auto written = to_text(*made);
      if (!written || !parse_token(*written)) std::abort();
    }
  }
  if (const auto restriction = parse_restriction(text)) {
    const auto again = to_text(*restriction);
    if (!again || *again != text) std::abort();
  }
  return 0;
}
