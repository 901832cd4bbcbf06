// The smallest set of changes after which a decision would pass, found by trying: each kind of fact
// says what may change (FactTable::cure), rules say whether waivers and approvals help.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/text.h"
#include "policy/engine.h"
#include "policy/lifts.h"
#include "policy/rule_lint.h"

namespace slipway {
namespace {

constexpr std::size_t most_commands = 8;       // of one way out; beyond, it is no advice
constexpr std::size_t most_combinations = 64;  // re-evaluated on the whole set
constexpr std::int64_t hour = 3'600;
constexpr std::int64_t longest_wait_hours = 24 * 8;

template <class List, class T>
bool list_has(const List& list, const T& value) {
  return std::ranges::find(list, value) != list.end();
}

// One way for one rule to pass: what people do, and what the facts would then be.
struct WayOut {
  std::vector<Remedy> remedies;
  int cost = 0;
  std::function<void(Facts&)> apply;
};

std::string format_money(std::int64_t micros) {
  const std::int64_t cents = (micros + 9'999) / 10'000;  // rounded up
  return fmt::format("{}.{:02}", cents / 100, cents % 100);
}

// Each {column} of a command replaced by the row's value, as one word of a shell; {project} and
// {environment} by the request's.
std::string fill_command(std::string_view command, const FactTable& table, const FactRow& row,
                         const Facts& facts) {
  std::vector<std::pair<std::string, FactValue>> cells;
  const auto add = [&](std::string_view name, const std::string& text) {
    cells.emplace_back(std::string(name), command.contains('#') ? text : shell_quote(text));
  };
  for (std::size_t i = 0; i < row.size(); ++i) add(table.columns[i].name, to_text(row[i]));
  for (const std::string_view name : {"project", "environment"})
    if (!find_column(table, name)) add(name, facts.text("request", name));
  return fill_message(command, cells);
}

void set_time(Facts& facts, std::int64_t at) {
  const RequestTime time = request_time(at);
  facts.set("request", 0, "now", time.now);
  facts.set("request", 0, "weekday", time.weekday);
  facts.set("request", 0, "hour", time.hour);
  facts.set("request", 0, "minute", time.minute);
}

// Goes over the ways out of one violated rule.
class Ways {
 public:
  Ways(const PolicyRule& rule, const Decision& decision, const Facts& facts)
      : rule_(rule), facts_(facts), now_(facts.number("request", "now")) {
    for (const Violation& one : decision.violations)
      if (one.rule == rule.id &&
          (one.state == ViolationState::blocks || one.state == ViolationState::pending) &&
          std::ranges::find(subjects_, one.subject) == subjects_.end())
        subjects_.push_back(one.subject);
  }

  std::vector<WayOut> find() {
    for (const std::string& name : rule_.tables) cure(*find_fact_table(name));
    if (rule_.columns.contains("request.hour") || rule_.columns.contains("request.weekday") ||
        rule_.columns.contains("request.now") || rule_.columns.contains("request.minute"))
      for (std::int64_t i = 1; i <= longest_wait_hours; ++i)
        wait_until((now_ / hour + i) * hour, nullptr);
    if (rule_.approvals) approve(*rule_.approvals);
    if (rule_.enforce == Enforcement::soft) waive();
    return std::move(ways_);
  }

 private:
  // Rows that the violations are about: by subject when both sides have one.
  std::vector<std::size_t> rows_of(const FactTable& table) {
    const bool by_subject = find_column(table, "subject").has_value() &&
                            !(subjects_.size() == 1 && subjects_.front().empty());
    std::vector<std::size_t> named, all;
    const auto& rows = facts_.rows(table.name);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      all.push_back(i);
      if (by_subject &&
          std::ranges::find(subjects_, row_text(table, rows[i], "subject")) != subjects_.end())
        named.push_back(i);
    }
    return named.empty() ? all : named;
  }

  void cure(const FactTable& table) {
    if (table.cure == FactCure::none) return;
    const std::vector<std::size_t> rows = rows_of(table);
    if (rows.empty()) return;
    if (table.cure == FactCure::wait) return wait(table);
    if (table.cure == FactCure::raise_budget) return raise_budget(table, rows);
    WayOut way{.cost = static_cast<int>(rows.size())};
    for (const std::size_t i : rows) {
      const FactRow& row = facts_.rows(table.name)[i];
      Remedy one = remedy(RemedyKind::fix, row_text(table, row, "subject"));
      one.description = fmt::format("remove the cause: {} {}", table.name, one.subject);
      one.command = fill_command(table.cure_command, table, row, facts_);
      if (const std::string fix = row_text(table, row, "fix"); !fix.empty())
        one.description = sanitize_line(fix);
      const auto same = [&](const Remedy& other) { return other.command == one.command; };
      if (std::ranges::none_of(way.remedies, same)) way.remedies.push_back(std::move(one));
    }
    way.apply = [&table, rows](Facts& facts) {
      for (auto row = rows.rbegin(); row != rows.rend(); ++row) change(facts, table, *row);
    };
    add(std::move(way));
  }

  static void change(Facts& facts, const FactTable& table, std::size_t row) {
    if (table.cure == FactCure::fix_row) return facts.erase(table.name, row);
    if (table.cure == FactCure::set_flag)
      return facts.set(table.name, row, table.cure_column, std::int64_t{1});
    const std::string_view words = table.columns[*find_column(table, table.cure_column)].values;
    facts.set(table.name, row, table.cure_column, std::string(words.substr(0, words.find('|'))));
  }

  void wait(const FactTable& table) {
    if (table.cure_column.empty()) return wait_until(now_ + hour, &table);
    std::vector<std::int64_t> ends;
    for (const FactRow& row : facts_.rows(table.name))
      ends.push_back(row_number(table, row, table.cure_column));
    std::ranges::sort(ends);
    for (const std::int64_t end : ends)
      if (end > now_) wait_until(end, &table);
  }

  void wait_until(std::int64_t at, const FactTable* table) {
    WayOut way{.cost = 2};
    Remedy one = remedy(RemedyKind::wait, {});
    one.until = at;
    one.description = fmt::format("wait until {}", to_rfc3339(Timestamp(std::chrono::seconds(at))));
    way.remedies.push_back(std::move(one));
    way.apply = [table, at](Facts& facts) {
      set_time(facts, at);
      if (table == nullptr) return;
      for (std::size_t i = facts.rows(table->name).size(); i-- > 0;)
        if (table->cure_column.empty() ||
            row_number(*table, facts.rows(table->name)[i], table->cure_column) <= at)
          facts.erase(table->name, i);
    };
    add(std::move(way));
  }

  void raise_budget(const FactTable& table, const std::vector<std::size_t>& rows) {
    WayOut way;
    std::vector<std::pair<std::size_t, std::int64_t>> limits;
    for (const std::size_t i : rows) {
      const FactRow& row = facts_.rows(table.name)[i];
      const std::int64_t enough = row_number(table, row, "spent") +
                                  row_number(table, row, "reserved") +
                                  row_number(table, row, "needed");
      if (row_number(table, row, "limit_amount") >= enough) continue;
      Remedy one = remedy(RemedyKind::raise_budget, row_text(table, row, "subject"));
      one.command = fill_command(table.cure_command, table, row, facts_);
      if (const auto place = one.command.find("AMOUNT"); place != std::string::npos)
        one.command.replace(place, 6, format_money(enough));
      one.description = fmt::format("raise the budget {} to {}", one.subject, format_money(enough));
      way.remedies.push_back(std::move(one));
      limits.emplace_back(i, enough);
    }
    way.cost = 3 * static_cast<int>(way.remedies.size());
    way.apply = [limits](Facts& facts) {
      for (const auto& [row, enough] : limits) {
        facts.set("budget", row, "limit_amount", enough);
        facts.set("budget", row, "available",
                  facts.rows("budget")[row][*find_column(*find_fact_table("budget"), "needed")]);
      }
    };
    add(std::move(way));
  }

  void approve(const ApprovalTerms& terms) {
    const ApprovalNeed have = count_approvals(facts_, rule_, terms);
    const int missing = terms.need - have.have;
    if (missing <= 0) return;
    std::vector<std::string> people;
    for (const std::string& person : terms.people)
      if (std::ranges::find(have.given_by, person) == have.given_by.end() &&
          is_independent(facts_, person))
        people.push_back(person);
    // With no list, anybody else: names that nobody has.
    if (terms.people.empty())
      for (int i = 0; i < missing; ++i) people.push_back(fmt::format("\x1fsomebody-{}", i));
    if (people.size() < static_cast<std::size_t>(missing)) return;
    Remedy one = remedy(RemedyKind::approve, {});
    one.command = "slipway approve APPROVAL";
    one.description = fmt::format("{} more approval{} by {}", missing, missing == 1 ? "" : "s",
                                  join(terms.roles, " or "));
    WayOut way{.remedies = {std::move(one)}, .cost = 3 * missing};
    way.apply = [rule = rule_.id, people, missing, role = terms.roles.front(),
                 at = now_](Facts& facts) {
      const std::int64_t now = facts.number("request", "now");
      for (int i = 0; i < missing; ++i)
        facts.add("approval", {{"id", "assumed"},
                               {"rule", rule},
                               {"approver", people[static_cast<std::size_t>(i)]},
                               {"approver_kind", "human"},
                               {"role", role},
                               {"at", std::max(at, now)},
                               {"expires_at", std::max(at, now) + hour}});
    };
    add(std::move(way));
  }

  void waive() {
    WayOut way{.cost = 4 * static_cast<int>(subjects_.size())};
    for (const std::string& subject : subjects_) {
      Remedy one = remedy(RemedyKind::waive, subject);
      // Of what a scanner or a tree says, so not safe for a terminal as it is.
      one.command =
          sanitize_line(fmt::format("slipway waive {} --project {}{} --for 7d --reason WHY",
                                    rule_.id, shell_quote(facts_.text("request", "project")),
                                    subject.empty() ? "" : " --subject " + shell_quote(subject)));
      one.description = subject.empty()
                            ? fmt::format("accept {} for a time", rule_.id)
                            : fmt::format("accept {} for {} for a time", rule_.id, one.subject);
      way.remedies.push_back(std::move(one));
    }
    way.apply = [rule = rule_.id, subjects = subjects_](Facts& facts) {
      const std::int64_t now = facts.number("request", "now");
      for (const std::string& subject : subjects)
        facts.add("waiver", {{"id", "assumed"},
                             {"rule", rule},
                             {"subject", subject},
                             {"author", "\x1fone"},
                             {"approver", "\x1fother"},
                             {"approver_kind", "human"},
                             {"created_at", now},
                             {"expires_at", now + hour},
                             {"reason", ""}});
    };
    add(std::move(way));
  }

  void add(WayOut way) {
    if (!way.remedies.empty() && way.remedies.size() <= most_commands)
      ways_.push_back(std::move(way));
  }

  [[nodiscard]] Remedy remedy(RemedyKind kind, std::string subject) const {
    Remedy out{.kind = kind, .rule = rule_.id, .subject = sanitize_line(subject)};
    const bool is_human = facts_.text("request", "actor_kind") == "human";
    const std::string role = facts_.text("request", "role");
    switch (kind) {
      case RemedyKind::wait:
        out.who = "anybody";
        out.actor_may = true;
        break;
      case RemedyKind::fix:
        out.who = "a deployer or admin";
        out.actor_may = role == "deployer" || role == "admin";
        break;
      case RemedyKind::approve: {
        const bool has_role =
            std::ranges::find(rule_.approvals->roles, role) != rule_.approvals->roles.end();
        out.who = fmt::format("a human with the role {}, neither the author nor who asks",
                              join(rule_.approvals->roles, " or "));
        out.actor_may =
            is_human && has_role && is_independent(facts_, facts_.text("request", "actor_name"));
        break;
      }
      case RemedyKind::waive:
        out.who = "a human proposes it, another with the role approver or admin confirms it";
        out.actor_may = is_human && role != "viewer" && role != "none";
        break;
      case RemedyKind::raise_budget:
      case RemedyKind::change_policy:
        out.who = "a human with the role admin";
        out.actor_may = is_human && role == "admin";
        break;
    }
    return out;
  }

  const PolicyRule& rule_;
  const Facts& facts_;
  std::int64_t now_;
  std::vector<std::string> subjects_;
  std::vector<WayOut> ways_;
};

Remedy policy_change(const PolicyRule& rule, const Facts& facts) {
  return {.kind = RemedyKind::change_policy,
          .rule = rule.id,
          .description = "nothing else lifts this rule",
          .command = "slipway policy set FILE",
          .actor_may = facts.text("request", "actor_kind") == "human" &&
                       facts.text("request", "role") == "admin",
          .who = "a human with the role admin"};
}

// For asking it again: its tests have facts of their own, and copying those costs more than asking.
PolicyRule without_tests(const PolicyRule& rule) {
  return {.id = rule.id,
          .why = rule.why,
          .on = rule.on,
          .enforce = rule.enforce,
          .violations = rule.violations,
          .message = rule.message,
          .approvals = rule.approvals,
          .tests = {},
          .line = rule.line,
          .tables = rule.tables,
          .columns = rule.columns};
}

class Search {
 public:
  Search(Decision& decision, const PolicySet& set, const Facts& facts,
         const RuleEvaluator& evaluator, const RuleLimits& limits)
      : decision_(decision), set_(set), facts_(facts), evaluator_(evaluator), limits_(limits) {}

  void run() {
    bool all_have_a_way = true;
    for (const Violation& violation : decision_.violations) {
      if (violation.state != ViolationState::blocks && violation.state != ViolationState::pending)
        continue;
      const auto rule = std::ranges::find(set_.rules, violation.rule, &PolicyRule::id);
      if (rule == set_.rules.end() || violation.is_error) {
        all_have_a_way = false;
      } else if (!list_has(seen_, rule->id)) {
        seen_.push_back(rule->id);
        all_have_a_way = ways_of(*rule) && all_have_a_way;
      }
    }
    if (all_have_a_way) combine_ways();
    tell_alternatives();
  }

 private:
  [[nodiscard]] bool passes(const PolicySet& set, const Facts& facts) const {
    return verdict_on(set, facts, evaluator_, limits_) == Verdict::allow;
  }

  // Keeps the ways that let this rule, alone, pass. The first of several waits is enough.
  bool ways_of(const PolicyRule& rule) {
    PolicySet alone;
    alone.rules.push_back(without_tests(rule));
    std::vector<WayOut>& kept = ways_.emplace_back();
    bool has_wait = false;
    for (WayOut& way : Ways(rule, decision_, facts_).find()) {
      const bool waits = way.remedies.front().kind == RemedyKind::wait;
      if (waits && has_wait) continue;
      Facts changed = facts_;
      way.apply(changed);
      if (!passes(alone, changed)) continue;
      has_wait = has_wait || waits;
      kept.push_back(std::move(way));
    }
    if (!kept.empty()) return true;
    decision_.alternatives.push_back(policy_change(rule, facts_));
    return false;
  }

  using Combination = std::vector<const WayOut*>;

  // Single ways (one may help several rules), then one way for each rule.
  [[nodiscard]] std::vector<Combination> combinations() const {
    std::vector<Combination> out;
    for (const auto& ways : ways_)
      for (const WayOut& way : ways) out.push_back({&way});
    if (ways_.size() > 1) {
      std::vector<Combination> products = {{}};
      for (const auto& ways : ways_) {
        std::vector<Combination> longer;
        for (const Combination& start : products)
          for (const WayOut& way : ways)
            if (longer.size() < 4 * most_combinations) {
              longer.push_back(start);
              longer.back().push_back(&way);
            }
        products = std::move(longer);
      }
      out.insert(out.end(), products.begin(), products.end());
    }
    std::ranges::sort(out, {}, [](const Combination& ways) {
      std::pair<std::size_t, int> weight;
      for (const WayOut* way : ways) {
        weight.first += way->remedies.size();
        weight.second += way->cost;
      }
      return weight;
    });
    if (out.size() > most_combinations) out.resize(most_combinations);
    return out;
  }

  // The set without the rules that found nothing and would read the same again: they find nothing
  // again. What a rule reads is what its query names; which rules are asked at all depends on the
  // request and the release.
  [[nodiscard]] PolicySet still_open(const Facts& changed) const {
    std::set<std::string_view> other;
    for (const FactTable& table : fact_tables())
      if (changed.rows(table.name) != facts_.rows(table.name) ||
          changed.is_known(table.name) != facts_.is_known(table.name))
        other.insert(table.name);
    const bool asks_others = other.contains("request") || other.contains("release");
    PolicySet out;
    for (const PolicyRule& rule : set_.rules) {
      const bool reads_other = std::ranges::any_of(
          rule.tables, [&](const std::string& name) { return other.contains(name); });
      const bool found_nothing =
          std::ranges::find(decision_.rules, rule.id) != decision_.rules.end() &&
          std::ranges::find(decision_.violations, rule.id, &Violation::rule) ==
              decision_.violations.end();
      if (asks_others || reads_other || rule.tables.empty() || !found_nothing)
        out.rules.push_back(without_tests(rule));
    }
    return out;
  }

  void combine_ways() {
    for (const Combination& ways : combinations()) {
      Facts changed = facts_;
      for (const WayOut* way : ways)
        if (way->remedies.front().kind == RemedyKind::wait) way->apply(changed);
      for (const WayOut* way : ways)
        if (way->remedies.front().kind != RemedyKind::wait) way->apply(changed);
      if (!passes(still_open(changed), changed)) continue;
      for (const WayOut* way : ways)
        for (const Remedy& remedy : way->remedies) add_once(decision_.remedies, remedy);
      return;
    }
  }

  void tell_alternatives() {
    for (const auto& ways : ways_)
      for (const WayOut& way : ways)
        for (const Remedy& remedy : way.remedies)
          if (!list_has(decision_.remedies, remedy)) add_once(decision_.alternatives, remedy);
  }

  static void add_once(std::vector<Remedy>& list, const Remedy& remedy) {
    if (!list_has(list, remedy)) list.push_back(remedy);
  }

  Decision& decision_;
  const PolicySet& set_;
  const Facts& facts_;
  const RuleEvaluator& evaluator_;
  const RuleLimits& limits_;
  std::vector<std::string> seen_;
  std::vector<std::vector<WayOut>> ways_;  // for each violated rule
};

}  // namespace

void find_remedies(Decision& decision, const PolicySet& set, const Facts& facts,
                   const RuleEvaluator& evaluator, const RuleLimits& limits) {
  decision.remedies.clear();
  decision.alternatives.clear();
  if (decision.verdict == Verdict::allow || !facts.problem().empty()) return;
  Search(decision, set, facts, evaluator, limits).run();
}

}  // namespace slipway
