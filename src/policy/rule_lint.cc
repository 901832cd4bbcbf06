#include "policy/rule_lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/sql_lint.h"

namespace slipway {
namespace {

constexpr std::size_t longest_message = 1000;

bool is_rule_id(std::string_view id) {
  if (id.empty() || id.size() > 64 || id.front() == '-') return false;
  return std::ranges::all_of(
      id, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

// Calls use(literal, "") and use("", name) along a message. False when a brace does not close.
template <class Use>
bool walk_message(std::string_view message, Use use) {
  while (!message.empty()) {
    const std::size_t open = std::min(message.find('{'), message.size());
    use(message.substr(0, open), std::string_view());
    message.remove_prefix(open);
    if (message.empty()) return true;
    const std::size_t close = message.find('}');
    if (close == std::string_view::npos) return false;
    use(std::string_view(), message.substr(1, close - 1));
    message.remove_prefix(close + 1);
  }
  return true;
}

class Lint {
 public:
  Lint(PolicyRule& rule, int query_line, std::vector<PolicyProblem>& problems)
      : rule_(rule), query_line_(query_line), problems_(problems) {}

  void run() {
    if (!is_rule_id(rule_.id) || rule_.id == no_matching_rule || rule_.id == facts_are_unknown ||
        rule_.id == second_opinion_rule)
      problem(rule_.line,
              "an id is 1 to 64 lower-case letters, digits and dashes, and not one of "
              "Slipway's own");
    query();
    tests();
    if (rule_.enforce == Enforcement::advisory && rule_.approvals)
      problem(rule_.line, "an advisory rule blocks nothing that could be approved");
    if (rule_.enforce == Enforcement::hard)
      for (const std::string& column : rule_.columns)
        if (column.starts_with("waiver.") || column.ends_with(".waived"))
          problem(query_line_,
                  fmt::format("a hard rule cannot be waived, and yet reads {}", column),
                  "make it soft, or leave the column out");
  }

 private:
  void problem(int line, std::string message, std::string hint = {}) {
    problems_.push_back(
        {.line = line, .rule = rule_.id, .message = std::move(message), .hint = std::move(hint)});
  }

  void query() {
    if (rule_.violations.empty()) return;
    auto shape = lint_query(rule_.violations);
    if (!shape) {
      const Error& error = shape.error();
      return problem(query_line_ + std::max(0, error.line.value_or(1) - 1), error.message,
                     error.hint);
    }
    rule_.tables = std::move(shape->tables);
    rule_.columns = std::move(shape->columns);
    if (rule_.message.size() > longest_message)
      problem(rule_.line, fmt::format("a message is at most {} bytes", longest_message));
    const bool closed = walk_message(rule_.message, [&](std::string_view, std::string_view name) {
      if (!name.empty() &&
          std::ranges::find(shape->result, name, &QueryShape::Column::name) == shape->result.end())
        problem(rule_.line,
                fmt::format("the message names {{{}}}, which the query does not answer", name));
    });
    if (!closed) problem(rule_.line, "a { in the message does not close");
    const auto subject =
        std::ranges::find(shape->result, std::string_view("subject"), &QueryShape::Column::name);
    if (subject != shape->result.end() && subject->type != FactType::text)
      problem(query_line_, "the column subject is text: waivers name it");
  }

  void tests() {
    const auto has = [&](RuleTest::Expect expect) {
      return std::ranges::find(rule_.tests, expect, &RuleTest::expect) != rule_.tests.end();
    };
    if (!has(RuleTest::Expect::deny) || !has(RuleTest::Expect::pass))
      problem(rule_.line, "a rule has one test that denies and one that passes, at least",
              "SQL fails open in silence: [[rule.test]] with expect = \"deny\", and another with "
              "\"pass\"");
  }

  PolicyRule& rule_;
  int query_line_;
  std::vector<PolicyProblem>& problems_;
};

}  // namespace

void lint_rule(PolicyRule& rule, int query_line, std::vector<PolicyProblem>& problems) {
  Lint(rule, query_line, problems).run();
}

std::vector<PolicyProblem> warnings_for(const PolicySet& set) {
  std::vector<PolicyProblem> out;
  for (const DecisionPoint point :
       {DecisionPoint::promote, DecisionPoint::canary_step, DecisionPoint::rollback,
        DecisionPoint::config, DecisionPoint::secret, DecisionPoint::domain}) {
    const bool covered = std::ranges::any_of(set.rules, [&](const PolicyRule& rule) {
      return std::ranges::find(rule.on, point) != rule.on.end();
    });
    if (!covered)
      out.push_back({.level = PolicyProblem::Level::warning,
                     .message = fmt::format("no rule is on {}, so it is denied for production",
                                            to_string(point)),
                     .hint = "for production no matching rule means deny"});
  }
  for (const PolicyRule& rule : set.rules) {
    const auto shape = lint_query(rule.violations);
    if (rule.enforce == Enforcement::soft && shape &&
        std::ranges::find(shape->result, std::string_view("subject"), &QueryShape::Column::name) ==
            shape->result.end())
      out.push_back({.level = PolicyProblem::Level::warning,
                     .line = rule.line,
                     .rule = rule.id,
                     .message = "no column `subject`: a waiver covers all of its rows at once"});
  }
  return out;
}

std::string fill_message(std::string_view message,
                         const std::vector<std::pair<std::string, FactValue>>& row) {
  std::string out;
  walk_message(message, [&](std::string_view literal, std::string_view name) {
    out += literal;
    const auto cell = std::ranges::find(row, name, &std::pair<std::string, FactValue>::first);
    if (!name.empty() && cell != row.end()) out += to_text(cell->second);
  });
  return sanitize_line(out);
}

}  // namespace slipway
