#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/evaluator.h"
#include "policy/policy_set.h"

namespace slipway {

// What can be said of a set before anybody asks anything: rules that find nothing or always, that
// another rule says already, or that are walked around by another decision point.
//
// Each rule is run on facts made for it: from the vocabulary's types and words, from the literals
// of its own query and their neighbours, from its own tests; with the tables alone that have rows
// at the point (has_facts_at()). A bounded number, and the same each time. "Never" and "always"
// mean: on all of these.
struct RuleFinding {
  enum class What {
    never_fires,    // at a point it is on
    always_denies,  // at a point it is on
    shadowed,       // whenever it fires, a rule that is no milder fires
    avoidable,      // the same effect by a point that it is not on, and nothing there stops it
  };
  What what = What::never_fires;
  std::string rule;
  std::string detail;
  bool operator==(const RuleFinding&) const = default;
};
[[nodiscard]] std::string_view to_string(RuleFinding::What what);

// In the set's order. Rules that only advise are looked at for never_fires alone. Costs thousands
// of queries: for people who check a set, not for a decision.
[[nodiscard]] std::vector<RuleFinding> analyse(const PolicySet& set,
                                               const RuleEvaluator& evaluator);

// Whether a table can have rows in a decision at the point.
[[nodiscard]] bool has_facts_at(std::string_view table, DecisionPoint point);

}  // namespace slipway
