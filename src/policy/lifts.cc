#include "policy/lifts.h"

#include <algorithm>

namespace slipway {

std::string row_text(const FactTable& table, const FactRow& row, std::string_view column) {
  const auto at = find_column(table, column);
  const auto* text = at ? std::get_if<std::string>(&row[*at]) : nullptr;
  return text == nullptr ? std::string() : *text;
}

std::int64_t row_number(const FactTable& table, const FactRow& row, std::string_view column) {
  const auto at = find_column(table, column);
  const auto* number = at ? std::get_if<std::int64_t>(&row[*at]) : nullptr;
  return number == nullptr ? 0 : *number;
}

std::string covering_waiver(const Facts& facts, std::string_view rule, std::string_view subject) {
  const FactTable& table = *find_fact_table("waiver");
  const std::int64_t now = facts.number("request", "now");
  for (const FactRow& row : facts.rows("waiver")) {
    const std::string of = row_text(table, row, "subject");
    const std::string approver = row_text(table, row, "approver");
    const std::int64_t from = row_number(table, row, "created_at");
    const std::int64_t until = row_number(table, row, "expires_at");
    const bool covers = row_text(table, row, "rule") == rule && (of.empty() || of == subject);
    const bool holds = from <= now && now < until && until - from <= longest_waiver;
    const bool given = row_text(table, row, "approver_kind") == "human" && !approver.empty() &&
                       approver != row_text(table, row, "author");
    if (covers && holds && given) return row_text(table, row, "id");
  }
  return {};
}

bool is_independent(const Facts& facts, std::string_view person) {
  // An agent may be called as a person is; that makes it nobody.
  const auto is = [&](std::string_view table, std::string_view kind, std::string_view name) {
    return facts.text(table, kind) != "agent" && person == facts.text(table, name);
  };
  return !is("deployment", "author_kind", "author") &&
         person != facts.text("deployment", "author_for") &&
         !is("request", "actor_kind", "actor_name") &&
         person != facts.text("request", "on_behalf_of") &&
         person != facts.text("policy_change", "author");
}

ApprovalNeed count_approvals(const Facts& facts, const PolicyRule& rule,
                             const ApprovalTerms& terms) {
  ApprovalNeed out{.rule = rule.id,
                   .need = terms.need,
                   .roles = terms.roles,
                   .people = terms.people,
                   .valid_for = terms.valid_for};
  const FactTable& table = *find_fact_table("approval");
  const std::int64_t now = facts.number("request", "now");
  const std::int64_t longest =
      std::chrono::duration_cast<std::chrono::seconds>(terms.valid_for).count();
  for (const FactRow& row : facts.rows("approval")) {
    const std::string of = row_text(table, row, "rule");
    const std::string person = row_text(table, row, "approver");
    const std::int64_t at = row_number(table, row, "at");
    const bool answers = of.empty() || of == rule.id;
    const bool holds =
        at <= now && now - at <= longest && now < row_number(table, row, "expires_at");
    const bool has_role =
        std::ranges::find(terms.roles, row_text(table, row, "role")) != terms.roles.end();
    const bool is_asked =
        terms.people.empty() || std::ranges::find(terms.people, person) != terms.people.end();
    const bool counts = row_text(table, row, "approver_kind") == "human" && !person.empty() &&
                        has_role && is_asked && is_independent(facts, person);
    if (answers && holds && counts && std::ranges::find(out.given_by, person) == out.given_by.end())
      out.given_by.push_back(person);
  }
  std::ranges::sort(out.given_by);
  out.have = static_cast<int>(out.given_by.size());
  return out;
}

std::string holding_break_glass(const Facts& facts) {
  if (facts.text("request", "actor_kind") != "human") return {};
  const FactTable& table = *find_fact_table("break_glass");
  const std::int64_t now = facts.number("request", "now");
  for (const FactRow& row : facts.rows("break_glass")) {
    const std::string first = row_text(table, row, "first");
    const std::string second = row_text(table, row, "second");
    const std::int64_t from = row_number(table, row, "started_at");
    const bool holds = from <= now && now < row_number(table, row, "expires_at") &&
                       now - from < longest_break_glass;
    const bool by_two_people = !first.empty() && !second.empty() && first != second &&
                               row_text(table, row, "first_kind") == "human" &&
                               row_text(table, row, "second_kind") == "human";
    if (holds && by_two_people) return row_text(table, row, "id");
  }
  return {};
}

}  // namespace slipway
