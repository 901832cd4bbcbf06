#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/arguments.h"
#include "json/json.h"

namespace slipway::cli {

// How a promotion gives traffic to the new release, as `promote` and `deploy --prod` take it.
struct RolloutOptions {
  std::optional<std::string> canary, step;
  std::vector<std::string> smoke;

  void declare(Arguments& arguments);
  // The members `canary`, `canary_step` and `smoke` of a request. Errors: invalid_argument, saying
  // which option is wrong and how it is written.
  [[nodiscard]] Status add_to(json::object& body) const;
};

}  // namespace slipway::cli
