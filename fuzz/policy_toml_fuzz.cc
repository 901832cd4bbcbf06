// Policy texts: any bytes give a set or problems, and a set that is accepted can be checked.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "db/policy_sql.h"
#include "policy/engine.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const auto evaluator = slipway::make_sql_rule_evaluator();
  const slipway::PolicyCheck check = slipway::check_policy_set(text, *evaluator);
  for (const slipway::PolicyProblem& problem : check.problems)
    if (slipway::to_string(problem).empty()) std::abort();
  // The lint and SQLite agree on what a query is: what the lint accepts compiles.
  if (!check.set && check.problems.empty()) std::abort();
  return 0;
}
