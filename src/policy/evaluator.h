#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/facts.h"

// The port through which rules' SQL is run. db/policy_sql.h has the one that uses SQLite.
namespace slipway {

// Of one rule; reaching any is an error, which denies.
struct RuleLimits {
  std::int64_t steps = 500'000;    // of the virtual machine: the same on a slow machine
  std::size_t rows = 10'000;       // of the answer
  std::size_t bytes = 4u << 20;    // of the answer
  std::int64_t memory = 32 << 20;  // bytes
  bool operator==(const RuleLimits&) const = default;
};

struct RuleRows {
  std::vector<std::string> columns;
  std::vector<FactRow> rows;
};

// The facts of one decision, loaded. Used by one thread; borrows the facts it was opened on.
class RuleSession {
 public:
  virtual ~RuleSession() = default;
  // Runs one SELECT. Errors: invalid_argument (it does not compile, or may not do that),
  // too_large (a limit), failed_precondition (an unknown table).
  [[nodiscard]] virtual Result<RuleRows> run(std::string_view sql) = 0;
};

// Thread-safe; holds nothing between sessions.
class RuleEvaluator {
 public:
  virtual ~RuleEvaluator() = default;
  // Loads the `tables` of `facts` (those that the rules read) into a fresh, private database.
  [[nodiscard]] virtual Result<std::unique_ptr<RuleSession>> open(
      const Facts& facts, const std::set<std::string, std::less<>>& tables,
      const RuleLimits& limits) const = 0;
};

}  // namespace slipway
