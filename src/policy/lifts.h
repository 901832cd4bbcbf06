#pragma once

#include <string>
#include <vector>

#include "policy/decision.h"
#include "policy/policy_set.h"

// What lifts a violation: waivers, approvals, break-glass. Each is judged on the facts alone.
namespace slipway {

// The id of a waiver that covers a row of a soft rule, or "".
[[nodiscard]] std::string covering_waiver(const Facts& facts, std::string_view rule,
                                          std::string_view subject);

// How many distinct people of those who count have approved.
[[nodiscard]] ApprovalNeed count_approvals(const Facts& facts, const PolicyRule& rule,
                                           const ApprovalTerms& terms);
// Whether approvals by this person would count, leaving the role aside: not the author, nor who
// asks, nor whom they act for.
[[nodiscard]] bool is_independent(const Facts& facts, std::string_view person);

// The id of a break-glass that holds for this request, or "".
[[nodiscard]] std::string holding_break_glass(const Facts& facts);

inline constexpr std::int64_t longest_waiver = 30 * 86'400;  // seconds
inline constexpr std::int64_t longest_break_glass = 3'600;   // seconds

// Reads cells of a row by column name: row_text(table, row, "id").
[[nodiscard]] std::string row_text(const FactTable& table, const FactRow& row,
                                   std::string_view column);
[[nodiscard]] std::int64_t row_number(const FactTable& table, const FactRow& row,
                                      std::string_view column);

}  // namespace slipway
