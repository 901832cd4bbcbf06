#include "policy/policy_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/guarded_toml.h"
#include "policy/rule_lint.h"

namespace slipway {
namespace {

constexpr std::size_t most_rules = 200;
constexpr std::int64_t test_now = 1'800'000'000;  // a Friday, 08:00 UTC

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

// Reads one text into a set, and collects all that is wrong on the way.
class Reader {
 public:
  Reader(const GuardedToml& toml, std::string_view text) : toml_(toml), lines_(lines(text)) {}

  void read(PolicySet& set) {
    for (const auto& [key, node] : toml_.table) {
      if (key.str() == "name") {
        set.name = text_of(node, "name");
      } else if (key.str() == "rule") {
        each_table(node, "rule", [&](const toml::table& table) { rule(table, set); });
      } else {
        problem(line_of(node), fmt::format("there is no setting '{}'", toml_.text(key.str())),
                "a set has `name` and `[[rule]]`s");
      }
    }
    if (set.rules.size() > most_rules)
      problem(0, fmt::format("a set has at most {} rules", most_rules));
  }

  std::vector<PolicyProblem> problems;

 private:
  void problem(int line, std::string message, std::string hint = {}) {
    problems.push_back(
        {.line = line, .rule = rule_, .message = std::move(message), .hint = std::move(hint)});
  }

  std::string text_of(const toml::node& node, std::string_view what) {
    if (const auto* text = node.as_string()) return toml_.text(text->get());
    problem(line_of(node), fmt::format("{} is a text", what));
    return {};
  }

  // A text of several lines begins below its opening quotes.
  [[nodiscard]] int first_line_of_text(const toml::node& node) const {
    const int line = line_of(node);
    if (line < 1 || static_cast<std::size_t>(line) > lines_.size()) return line;
    const std::string_view written = trim(lines_[static_cast<std::size_t>(line) - 1]);
    const bool opens = written.ends_with("\"\"\"") || written.ends_with("'''");
    const bool alone =
        opens && written.find(written.substr(written.size() - 3)) + 3 == written.size();
    return alone ? line + 1 : line;
  }

  std::vector<std::string> texts_of(const toml::node& node, std::string_view what) {
    std::vector<std::string> out;
    if (const auto* list = node.as_array()) {
      for (const toml::node& element : *list) out.push_back(text_of(element, what));
    } else {
      out.push_back(text_of(node, what));
    }
    return out;
  }

  template <class Use>
  void each_table(const toml::node& node, std::string_view what, Use use) {
    const auto* list = node.as_array();
    if (list == nullptr) return problem(line_of(node), fmt::format("write [[{}]]", what));
    for (const toml::node& element : *list) {
      if (const auto* table = element.as_table())
        use(*table);
      else
        problem(line_of(element), fmt::format("write [[{}]]", what));
    }
  }

  void rule(const toml::table& table, PolicySet& set) {
    PolicyRule out;
    out.line = line_of(table);
    if (const auto* id = table.get("id")) rule_ = out.id = text_of(*id, "id");
    bool has_level = false;
    const toml::node* tests = nullptr;
    for (const auto& [name, node] : table) {
      const std::string_view key = name.str();
      if (key == "id") continue;
      if (key == "why") {
        out.why = text_of(node, key);
      } else if (key == "on") {
        points(node, out);
      } else if (key == "enforce") {
        const auto level = parse_enforcement(text_of(node, key));
        if (!level) problem(line_of(node), "enforce is advisory, soft or hard");
        out.enforce = level.value_or(Enforcement::hard);
        has_level = true;
      } else if (key == "violations") {
        out.violations = text_of(node, key);
        query_line_ = first_line_of_text(node);
      } else if (key == "message") {
        out.message = text_of(node, key);
      } else if (key == "approvals") {
        approvals(node, out);
      } else if (key == "test") {
        tests = &node;
      } else {
        problem(line_of(node), fmt::format("a rule has no '{}'", toml_.text(key)),
                "a rule has id, why, on, enforce, violations, message, approvals and "
                "[[rule.test]]s");
      }
    }
    if (!has_level) problem(out.line, "enforce is missing");
    if (out.on.empty()) problem(out.line, "on is missing");
    if (out.message.empty()) problem(out.line, "message is missing");
    if (out.violations.empty()) problem(out.line, "violations is missing");
    if (tests != nullptr)
      each_table(*tests, "rule.test", [&](const toml::table& one) { test(one, out); });
    lint_rule(out, query_line_, problems);
    if (std::ranges::find(set.rules, out.id, &PolicyRule::id) != set.rules.end())
      problem(out.line, fmt::format("two rules are called {}", out.id));
    set.rules.push_back(std::move(out));
    rule_.clear();
  }

  void points(const toml::node& node, PolicyRule& into) {
    for (const std::string& name : texts_of(node, "on")) {
      const auto point = parse_decision_point(name);
      if (!point)
        problem(line_of(node), fmt::format("there is no decision point '{}'", name),
                "build preview promote canary_step rollback config secret domain policy budget "
                "token exec remove");
      else if (std::ranges::find(into.on, *point) == into.on.end())
        into.on.push_back(*point);
    }
  }

  void approvals(const toml::node& node, PolicyRule& into) {
    ApprovalTerms terms;
    const auto* table = node.as_table();
    if (table == nullptr) return problem(line_of(node), "write approvals = { need = 1 }");
    for (const auto& [name, value] : *table) {
      const std::string_view key = name.str();
      if (key == "need") {
        const auto count = value.value_exact<std::int64_t>().value_or(0);
        if (count < 1 || count > 20) problem(line_of(value), "need is 1 to 20");
        terms.need = static_cast<int>(std::clamp<std::int64_t>(count, 1, 20));
      } else if (key == "roles") {
        terms.roles = texts_of(value, key);
        for (const std::string& role : terms.roles)
          if (role != "admin" && role != "approver" && role != "deployer")
            problem(line_of(value), fmt::format("the role '{}' cannot approve", role));
      } else if (key == "people") {
        terms.people = texts_of(value, key);
        // Those of the server's own team are told apart by their name alone.
        for (std::string& person : terms.people)
          if (person.starts_with("default/")) person.erase(0, 8);
      } else if (key == "valid_for") {
        const auto span = parse_duration(text_of(value, key));
        if (!span || *span <= Duration::zero() || *span > std::chrono::days(30))
          problem(line_of(value), "valid_for is a time such as 24h, 30 days at the most");
        else
          terms.valid_for = *span;
      } else {
        problem(line_of(value), fmt::format("approvals have no '{}'", toml_.text(key)),
                "need, roles, people, valid_for");
      }
    }
    if (terms.roles.empty()) problem(line_of(node), "nobody has a role that could approve");
    if (!terms.people.empty() && terms.people.size() < static_cast<std::size_t>(terms.need))
      problem(line_of(node), "more approvals are needed than there are people");
    into.approvals = std::move(terms);
  }

  void test(const toml::table& table, PolicyRule& into) {
    RuleTest out;
    out.line = line_of(table);
    out.facts.know_all();
    out.point = into.on.empty() ? DecisionPoint::build : into.on.front();
    bool has_expectation = false;
    const toml::node* request = nullptr;
    for (const auto& [name, node] : table) {
      const std::string_view key = name.str();
      if (key == "name") {
        out.name = text_of(node, key);
      } else if (key == "expect") {
        const std::string word = text_of(node, key);
        if (word != "deny" && word != "pass") problem(line_of(node), "expect is deny or pass");
        out.expect = word == "pass" ? RuleTest::Expect::pass : RuleTest::Expect::deny;
        has_expectation = true;
      } else if (key == "at") {
        const auto point = parse_decision_point(text_of(node, key));
        if (!point || std::ranges::find(into.on, *point) == into.on.end())
          problem(line_of(node), "at is one of the rule's points");
        out.point = point.value_or(out.point);
      } else if (key == "request") {
        request = &node;
      } else {
        facts(key, node, out.facts);
      }
    }
    if (!has_expectation) problem(out.line, "expect is missing");
    add_request(request, out);
    if (!out.facts.problem().empty()) problem(out.line, out.facts.problem());
    into.tests.push_back(std::move(out));
  }

  void facts(std::string_view key, const toml::node& node, Facts& into) {
    const FactTable* table = find_fact_table(key);
    if (table == nullptr)
      return problem(line_of(node), fmt::format("there is no fact table '{}'", toml_.text(key)),
                     "a test has name, expect, at, and fact tables");
    if (const auto* one = node.as_table()) return add_row(*table, *one, into);
    const auto* list = node.as_array();
    if (list == nullptr)
      return problem(line_of(node), fmt::format("write {} = {{ … }} or [{{ … }}]", table->name));
    for (const toml::node& element : *list) {
      if (const auto* row = element.as_table())
        add_row(*table, *row, into);
      else
        problem(line_of(element), fmt::format("a row of {} is {{ column = value }}", table->name));
    }
  }

  void add_row(const FactTable& table, const toml::table& values, Facts& into) {
    std::vector<FactField> fields;
    for (const FactColumn& column : table.columns)
      if (column.null == FactNull::never)
        fields.emplace_back(column.name, column.type == FactType::text
                                             ? FactValue(std::string())
                                             : FactValue(std::int64_t{0}));
    for (const auto& [name, node] : values) {
      const auto at = find_column(table, name.str());
      if (!at) {
        problem(line_of(node),
                fmt::format("{} has no column '{}'", table.name, toml_.text(name.str())));
        continue;
      }
      fields.emplace_back(table.columns[*at].name, value_of(table, table.columns[*at], node));
    }
    into.add(table.name, fields);
  }

  FactValue value_of(const FactTable& table, const FactColumn& column, const toml::node& node) {
    if (const auto* text = node.as_string()) {
      std::string word = toml_.text(text->get());
      if (const auto severity = severity_from_name(word); severity && column.unit == "severity")
        return *severity;
      if (!column.values.empty() && !is_one_of(column.values, word))
        problem(line_of(node), fmt::format("{}.{} is never '{}'", table.name, column.name, word),
                fmt::format("it is one of {}", column.values));
      if (column.type == FactType::text) return word;
    } else if (const auto number = node.value_exact<std::int64_t>()) {
      if (column.type == FactType::integer) return *number;
    } else if (const auto flag = node.value_exact<bool>()) {
      if (column.unit == "0|1") return std::int64_t{*flag ? 1 : 0};
    }
    problem(line_of(node), fmt::format("{}.{} is {}", table.name, column.name,
                                       column.type == FactType::text ? "text" : "an integer"));
    return column.type == FactType::text ? FactValue(std::string()) : FactValue(std::int64_t{0});
  }

  // A request that a test can rely on; what it says itself wins.
  void add_request(const toml::node* given, RuleTest& test) {
    Facts scratch;
    if (given != nullptr) facts("request", *given, scratch);
    const auto* said = given == nullptr ? nullptr : given->as_table();
    const auto says = [&](std::string_view column) {
      return said != nullptr && said->contains(column);
    };
    const std::int64_t now = says("now") ? scratch.number("request", "now") : test_now;
    const RequestTime time = request_time(std::clamp<std::int64_t>(now, 0, 1LL << 40));
    if (scratch.rows("request").empty()) assume_row(scratch);
    const std::pair<std::string_view, FactValue> defaults[] = {
        {"point", std::string(to_string(test.point))},
        {"team", "default"},
        {"project", "shop"},
        {"environment", "production"},
        {"actor_kind", "human"},
        {"actor_name", "alice"},
        {"role", "deployer"},
        {"approvers", std::int64_t{1}},
        {"now", now},
        {"weekday", time.weekday},
        {"hour", time.hour},
        {"minute", time.minute}};
    for (const auto& [column, value] : defaults)
      if (!says(column)) scratch.set("request", 0, column, value);
    std::vector<FactField> fields;
    const FactTable& table = *find_fact_table("request");
    for (std::size_t i = 0; i < table.columns.size(); ++i)
      fields.emplace_back(table.columns[i].name, scratch.rows("request").front()[i]);
    if (scratch.problem().empty())
      test.facts.add("request", fields);
    else
      problem(test.line, scratch.problem());
  }

  static void assume_row(Facts& facts) {
    std::vector<FactField> fields;
    for (const FactColumn& column : find_fact_table("request")->columns)
      fields.emplace_back(column.name, column.type == FactType::text ? FactValue(std::string())
                                                                     : FactValue(std::int64_t{0}));
    facts.add("request", fields);
  }

  const GuardedToml& toml_;
  std::vector<std::string_view> lines_;
  std::string rule_;
  int query_line_ = 0;
};

}  // namespace

std::string to_string(const PolicyProblem& problem) {
  std::string out;
  if (problem.line > 0) out += fmt::format("line {}: ", problem.line);
  if (!problem.rule.empty()) out += fmt::format("rule {}: ", problem.rule);
  out += problem.message;
  if (!problem.hint.empty()) out += fmt::format(" ({})", problem.hint);
  return sanitize_line(out);
}

bool PolicyRule::is_scanning() const {
  return std::ranges::any_of(tables, [](const std::string& name) {
    const FactTable* table = find_fact_table(name);
    return table != nullptr && table->source == FactSource::scan;
  });
}

std::string PolicyRule::inactive() const {
  std::string reasons;
  // What finds the absence of rows, or counts them, works without rows.
  const std::string query = to_lower(violations);
  for (const std::string_view word : {"not exists", "left join", "not in", "except", "count("})
    if (query.contains(word)) return {};
  for (const std::string& name : tables) {
    if (name == "request") continue;
    const std::string_view reason = why_unfilled(name);
    if (reason.empty()) return {};
    reasons = reason;
  }
  return reasons;
}

std::expected<PolicySet, std::vector<PolicyProblem>> parse_policy_set(std::string_view text) {
  const auto toml = parse_guarded_toml(text);
  if (!toml)
    return std::unexpected(std::vector<PolicyProblem>{
        {.line = toml.error().line.value_or(0), .message = toml.error().message}});
  PolicySet set;
  Reader reader(*toml, text);
  reader.read(set);
  const bool refused = std::ranges::any_of(reader.problems, [](const PolicyProblem& one) {
    return one.level == PolicyProblem::Level::error;
  });
  if (refused) return std::unexpected(std::move(reader.problems));
  set.text = text;
  set.digest = sha256(text);
  return set;
}

}  // namespace slipway
