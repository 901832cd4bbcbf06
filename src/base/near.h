#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

// Damerau-Levenshtein distance with adjacent transpositions.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The names that a mistyped `word` may have meant, the nearest first, at most `most`: one slip away
// in a short word, two in a long one; else those that begin with it.
[[nodiscard]] std::vector<std::string> near_names(std::string_view word,
                                                  const std::vector<std::string>& names,
                                                  std::size_t most = 3);

// "did you mean a, or b?", or "" for none.
[[nodiscard]] std::string did_you_mean(const std::vector<std::string>& near);

}  // namespace slipway
