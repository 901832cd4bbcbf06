#include "policy/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "policy/lifts.h"
#include "policy/rule_lint.h"

namespace slipway {
namespace {

using Tables = std::set<std::string, std::less<>>;

class Evaluation {
 public:
  Evaluation(const PolicySet& set, const Facts& facts, const RuleEvaluator& evaluator,
             const RuleLimits& limits)
      : set_(set), facts_(facts), evaluator_(evaluator), limits_(limits) {
    out_.policy_version = set.version;
    out_.policy_digest = set.digest;
  }

  Decision decide() {
    const auto point = parse_decision_point(facts_.text("request", "point"));
    if (point) out_.point = *point;
    if (!facts_.problem().empty()) {
      error(facts_are_unknown, facts_.problem());
    } else if (facts_.rows("request").size() != 1 || !point) {
      error(facts_are_unknown, "the request is not described");
    } else {
      run_rules(matching(*point));
      if (const std::string id = holding_break_glass(facts_); !id.empty()) break_glass(id);
    }
    settle();
    return std::move(out_);
  }

 private:
  // The rules to run; scanning rules are left out when an earlier approval stands for them.
  std::vector<const PolicyRule*> matching(DecisionPoint point) {
    std::vector<const PolicyRule*> rules;
    const bool is_proven =
        point == DecisionPoint::rollback && facts_.number("release", "once_approved") == 1;
    bool any = false;
    for (const PolicyRule& rule : set_.rules) {
      if (std::ranges::find(rule.on, point) == rule.on.end()) continue;
      any = true;
      if (is_proven && rule.is_scanning())
        out_.skipped.push_back(rule.id);
      else
        rules.push_back(&rule);
    }
    if (!any && facts_.text("request", "environment") == "production")
      block(no_matching_rule,
            fmt::format("no rule is on {}, and production needs one", to_string(point)));
    return rules;
  }

  void run_rules(const std::vector<const PolicyRule*>& rules) {
    Tables tables;
    for (const PolicyRule* rule : rules) tables.insert(rule->tables.begin(), rule->tables.end());
    auto session = evaluator_.open(facts_, tables, limits_);
    if (!session) return error(facts_are_unknown, session.error().message);
    for (const PolicyRule* rule : rules) {
      out_.rules.push_back(rule->id);
      run(*rule, **session);
    }
  }

  void run(const PolicyRule& rule, RuleSession& session) {
    // A set that was not read by parse_policy_set() has no word on what its queries read.
    auto rows = session.run(rule.violations);
    if (!rows) return error(rule.id, rows.error().message, rule.enforce);
    if (rows->rows.empty()) return;
    auto state =
        rule.enforce == Enforcement::advisory ? ViolationState::advises : ViolationState::blocks;
    if (rule.approvals && rule.enforce != Enforcement::advisory) {
      out_.approvals.push_back(count_approvals(facts_, rule, *rule.approvals));
      const ApprovalNeed& need = out_.approvals.back();
      state = need.have >= need.need ? ViolationState::approved : ViolationState::pending;
    }
    for (FactRow& row : rows->rows) add(rule, rows->columns, std::move(row), state);
  }

  void add(const PolicyRule& rule, const std::vector<std::string>& columns, FactRow row,
           ViolationState state) {
    Violation& one = out_.violations.emplace_back(
        Violation{.rule = rule.id, .enforcement = rule.enforce, .state = state});
    for (std::size_t i = 0; i < columns.size() && i < row.size(); ++i)
      one.row.emplace_back(columns[i], std::move(row[i]));
    one.message = fill_message(rule.message, one.row);
    for (const auto& [name, value] : one.row)
      if (name == "subject" && std::holds_alternative<std::string>(value))
        one.subject = std::get<std::string>(value);
    const bool stands = state == ViolationState::blocks || state == ViolationState::pending;
    if (rule.enforce != Enforcement::soft || !stands) return;
    one.lifted_by = covering_waiver(facts_, rule.id, one.subject);
    if (!one.lifted_by.empty()) one.state = ViolationState::waived;
  }

  void block(std::string_view rule, std::string message) {
    out_.violations.push_back({.rule = std::string(rule), .message = sanitize_line(message)});
  }

  void error(std::string_view rule, std::string_view message,
             Enforcement enforcement = Enforcement::hard) {
    block(rule, fmt::format("could not be evaluated, so it denies: {}", message));
    out_.violations.back().is_error = true;
    out_.violations.back().enforcement = enforcement;
  }

  void break_glass(const std::string& id) {
    for (Violation& one : out_.violations) {
      if (one.state != ViolationState::blocks && one.state != ViolationState::pending) continue;
      if (one.rule == facts_are_unknown) continue;
      one.state = ViolationState::broken;
      one.lifted_by = id;
      out_.break_glass = id;
    }
  }

  void settle() {
    const auto any = [&](ViolationState state) {
      return std::ranges::find(out_.violations, state, &Violation::state) != out_.violations.end();
    };
    out_.verdict = any(ViolationState::blocks)    ? Verdict::deny
                   : any(ViolationState::pending) ? Verdict::pending
                                                  : Verdict::allow;
  }

  const PolicySet& set_;
  const Facts& facts_;
  const RuleEvaluator& evaluator_;
  const RuleLimits& limits_;
  Decision out_;
};

}  // namespace

Decision evaluate(const PolicySet& set, const Facts& facts, const RuleEvaluator& evaluator,
                  const Clock& clock, const RuleLimits& limits) {
  return evaluate(set, facts, facts.digest(), evaluator, clock, limits);
}

Decision evaluate(const PolicySet& set, const Facts& facts, const Digest& facts_digest,
                  const RuleEvaluator& evaluator, const Clock& clock, const RuleLimits& limits) {
  const Duration start = clock.monotonic();
  Decision decision = Evaluation(set, facts, evaluator, limits).decide();
  decision.facts_digest = facts_digest;
  decision.took = clock.monotonic() - start;
  return decision;
}

Verdict verdict_on(const PolicySet& set, const Facts& facts, const RuleEvaluator& evaluator,
                   const RuleLimits& limits) {
  return Evaluation(set, facts, evaluator, limits).decide().verdict;
}

}  // namespace slipway
