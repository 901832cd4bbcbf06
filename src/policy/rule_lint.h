#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/policy_set.h"

namespace slipway {

// Checks a rule on its own: names, query (filling rule.tables and rule.columns), message, waivers,
// approvals, tests. Appends what is wrong. `query_line` is where the query starts in the TOML.
void lint_rule(PolicyRule& rule, int query_line, std::vector<PolicyProblem>& problems);

// What people should know of a set that may be used.
[[nodiscard]] std::vector<PolicyProblem> warnings_for(const PolicySet& set);

// Replaces each {column} by the row's value. Text of the row is made safe for a terminal.
[[nodiscard]] std::string fill_message(std::string_view message,
                                       const std::vector<std::pair<std::string, FactValue>>& row);

}  // namespace slipway
