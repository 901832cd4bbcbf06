#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

struct sqlite3;

namespace slipway {

// What one rule may still spend. Our own functions charge it for work that the virtual machine
// counts as a single step.
struct RuleMeter {
  std::int64_t steps_left = 0;
  bool exhausted = false;
  // False when nothing is left.
  bool charge(std::int64_t steps) {
    steps_left -= steps;
    exhausted = exhausted || steps_left < 0;
    return !exhausted;
  }
};

// sev(), like(), glob() and instr(). The last three replace SQLite's, whose time is exponential in
// the wildcards, or a product of lengths, within one step. `meter` must outlive the connection.
[[nodiscard]] Status add_rule_functions(sqlite3* connection, RuleMeter& meter);

// The matchers, for tests. `escape` is 0 for none.
[[nodiscard]] bool sql_like(std::string_view pattern, std::string_view text, char escape);
[[nodiscard]] bool sql_glob(std::string_view pattern, std::string_view text);

}  // namespace slipway
