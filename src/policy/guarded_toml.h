#pragma once

// TOML for policy texts, which come from an API: base/toml.h's library sees nothing but printable
// ASCII of bounded size and depth, because on other bytes it has undefined behaviour (fuzzing found
// it). Heavy: include it in policy_set.cc alone.
#include <string>
#include <string_view>

#include "base/toml.h"

namespace slipway {

struct GuardedToml {
  toml::table table;
  // Stands in for each character outside ASCII; see text().
  std::string mark;

  // The string as it was written.
  [[nodiscard]] std::string text(std::string_view from_table) const;
};

// Errors: invalid_argument, with the line.
[[nodiscard]] Result<GuardedToml> parse_guarded_toml(std::string_view text);

}  // namespace slipway
