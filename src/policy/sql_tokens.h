#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway {

// The tokens of a rule's query. A plain value.
struct SqlToken {
  enum class Kind { word, text, number, symbol, end };
  Kind kind = Kind::end;
  std::string text;         // of a word: in lower case; of a literal: its value
  std::int64_t number = 0;  // of a number
  int line = 1;             // in the query

  [[nodiscard]] bool is(std::string_view what) const {
    return (kind == Kind::word || kind == Kind::symbol) && text == what;
  }
};

inline constexpr std::size_t longest_query = 8192;  // bytes

// Ends with a token of kind `end`. Refused: what the language has not (quoted identifiers, blobs,
// floats, parameters, several statements, comments other than `--`), and bytes that are not text.
[[nodiscard]] Result<std::vector<SqlToken>> sql_tokens(std::string_view sql);

}  // namespace slipway
