#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/arguments.h"
#include "identity/restriction.h"

namespace slipway::cli {

// The options of `slipway token create` that narrow. A plain value; what is absent does not
// restrict.
struct NarrowingOptions {
  std::vector<std::string> projects, environments, actions;
  std::optional<std::string> deploys, money, ttl, agent, session, task, label;

  void declare(Arguments& arguments);
  // With an id of its own. Lists may be separated by commas, too. Errors: invalid_argument, which
  // names the option.
  [[nodiscard]] Result<Restriction> restriction(Timestamp now) const;
};

// "12", "0.5": an amount of money in micro-units. Nothing for anything else.
// "30m", "7d". A bare number could be anything, so it is none.
[[nodiscard]] std::optional<Duration> parse_life(std::string_view text);
[[nodiscard]] std::optional<std::int64_t> parse_money(std::string_view text);

}  // namespace slipway::cli
