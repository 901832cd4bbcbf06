#pragma once

#include <expected>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "policy/decision.h"

// A policy set: rules read from TOML. docs/policy.md is the language.
namespace slipway {

// `approvals = { need = 2, roles = ["approver"], people = [], valid_for = "24h" }`: when the rule
// is violated, so many people must agree; the author never counts, nor does an agent.
struct ApprovalTerms {
  int need = 1;
  std::vector<std::string> roles = {"approver", "admin"};
  std::vector<std::string> people;
  Duration valid_for = std::chrono::hours(72);
  bool operator==(const ApprovalTerms&) const = default;
};

struct RuleTest {
  enum class Expect { deny, pass };
  std::string name;
  Expect expect = Expect::deny;
  DecisionPoint point = DecisionPoint::build;
  Facts facts;  // every table known; `request` filled in where the test says nothing
  int line = 0;
  bool operator==(const RuleTest&) const = default;
};

struct PolicyRule {
  std::string id;
  std::string why;  // optional sentence for people
  std::vector<DecisionPoint> on;
  Enforcement enforce = Enforcement::hard;
  std::string violations;  // one SELECT
  std::string message;     // with {column}
  std::optional<ApprovalTerms> approvals;
  std::vector<RuleTest> tests;
  int line = 0;

  // From the lint: the fact tables and "table.column"s that the query reads.
  std::set<std::string, std::less<>> tables, columns;
  // Reads what a scanner found.
  [[nodiscard]] bool is_scanning() const;
  // Why it finds nothing yet, whatever is asked: all that it looks at is a table without rows (see
  // why_unfilled()); "" when it works.
  [[nodiscard]] std::string inactive() const;
  bool operator==(const PolicyRule&) const = default;
};

struct PolicySet {
  std::int64_t version = 0;  // given by whoever stores it; 0 for one that is not stored
  std::string name;
  std::string text;  // the TOML as written, which `digest` is of
  Digest digest;
  std::vector<PolicyRule> rules;
  bool operator==(const PolicySet&) const = default;
};

// Something wrong with a set. Errors refuse it; warnings are told.
struct PolicyProblem {
  enum class Level { error, warning };
  Level level = Level::error;
  int line = 0;  // of the TOML, from 1; 0: the whole file
  std::string rule;
  std::string message;
  std::string hint;
  bool operator==(const PolicyProblem&) const = default;
};
[[nodiscard]] std::string to_string(const PolicyProblem& problem);  // "line 12: rule x: …"

// Reads and lints: the form, each rule's query (language, types, NULL, names), messages, and that
// each rule has a denying and a passing test. Does not run anything. Total: any bytes give a set or
// problems. Texts beyond 256 KiB and 200 rules are refused.
[[nodiscard]] std::expected<PolicySet, std::vector<PolicyProblem>> parse_policy_set(
    std::string_view text);

// The set that ships (src/policy/policies/default.toml), as text.
[[nodiscard]] std::string_view default_policy_text();

}  // namespace slipway
