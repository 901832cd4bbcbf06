#include "policy/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/text.h"
#include "policy/engine.h"
#include "policy/sql_tokens.h"

namespace slipway {
namespace {

using enum DecisionPoint;

constexpr std::int64_t now = 1'800'000'000;  // Friday 15 January 2027, 08:00 UTC, as in tests
constexpr int samples = 60, pair_samples = 400, enough = 5;
constexpr std::size_t most_rows = 2;

bool among(std::initializer_list<DecisionPoint> points, DecisionPoint point) {
  return std::ranges::find(points, point) != points.end();
}

std::vector<std::string_view> environments_at(DecisionPoint point) {
  if (among({build, preview}, point)) return {"preview"};
  if (among({policy, budget, token}, point)) return {"none"};
  return {"production", "staging", "preview"};
}

// What the queries of some rules compare with.
struct Literals {
  std::vector<std::string> texts{"", "x"};
  std::vector<std::int64_t> numbers{0, 1, 1'000'000'000'000};
  std::set<std::string, std::less<>> columns;  // "table.column" that are read

  void add(const PolicyRule& rule) {
    columns.insert(rule.columns.begin(), rule.columns.end());
    const auto tokens = sql_tokens(rule.violations);
    if (!tokens) return;
    for (const SqlToken& token : *tokens) {
      if (token.kind == SqlToken::Kind::number)
        for (const std::int64_t near : {token.number - 1, token.number, token.number + 1})
          if (near >= 0) numbers.push_back(near);
      if (token.kind != SqlToken::Kind::text) continue;
      std::string text = token.text;  // of LIKE and GLOB: something that matches
      for (char& c : text)
        if (c == '%' || c == '_' || c == '*' || c == '?') c = 'x';
      texts.push_back(std::move(text));
      texts.push_back(token.text);
    }
  }
};

// Makes facts for a point, the same ones for the same seed.
class FactMaker {
 public:
  FactMaker(const Literals& literals, DecisionPoint point, unsigned seed)
      : literals_(literals), point_(point), random_(seed) {}

  Facts make() {
    Facts facts;
    facts.know_all();
    add_request(facts);
    for (const FactTable& table : fact_tables()) {
      if (table.name == "request" || !has_facts_at(table.name, point_) || !is_read(table)) continue;
      const std::size_t most = table.rows == FactRows::one ? 1 : most_rows;
      const std::size_t count = pick(most + 1);
      for (std::size_t i = 0; i < count; ++i) add_row(facts, table);
    }
    return facts;
  }

 private:
  std::size_t pick(std::size_t count) { return random_() % count; }
  template <class Range>
  const auto& one_of(const Range& range) {
    return range[pick(std::size(range))];
  }
  bool reads(const FactTable& table, const FactColumn& column) const {
    return literals_.columns.contains(fmt::format("{}.{}", table.name, column.name));
  }
  bool is_read(const FactTable& table) const {
    return std::ranges::any_of(table.columns,
                               [&](const FactColumn& column) { return reads(table, column); });
  }

  void add_request(Facts& facts) {
    const FactTable& table = *find_fact_table("request");
    std::vector<FactField> fields;
    for (const FactColumn& column : table.columns)
      fields.emplace_back(column.name, request_value(table, column));
    facts.add("request", fields);
  }

  FactValue request_value(const FactTable& table, const FactColumn& column) {
    const RequestTime time = request_time(now);
    if (column.name == "point") return std::string(to_string(point_));
    if (column.name == "environment") return std::string(one_of(environments_at(point_)));
    if (column.name == "now") return now;
    if (reads(table, column)) {
      if (column.name == "weekday") return static_cast<std::int64_t>(1 + pick(7));
      if (column.name == "hour") return static_cast<std::int64_t>(pick(24));
      if (column.name == "minute") return static_cast<std::int64_t>(pick(60));
      return any_value(column);
    }
    if (column.name == "weekday") return time.weekday;
    if (column.name == "hour") return time.hour;
    if (column.name == "actor_kind") return std::string("human");
    if (column.name == "role") return std::string("deployer");
    if (column.name == "actor_name") return std::string("alice");
    if (column.name == "project") return std::string("shop");
    if (column.name == "approvers") return std::int64_t{1};
    return plain_value(column);
  }

  void add_row(Facts& facts, const FactTable& table) {
    std::vector<FactField> fields;
    for (const FactColumn& column : table.columns)
      fields.emplace_back(column.name,
                          reads(table, column) ? any_value(column) : plain_value(column));
    facts.add(table.name, fields);
  }

  static FactValue plain_value(const FactColumn& column) {
    if (column.null == FactNull::possible) return {};
    if (column.type == FactType::integer) return std::int64_t{0};
    return std::string(column.values.substr(0, column.values.find('|')));
  }

  FactValue any_value(const FactColumn& column) {
    if (column.null == FactNull::possible && pick(4) == 0) return {};
    if (!column.values.empty()) return std::string(one_of(split(column.values, '|')));
    if (column.type == FactType::text) return one_of(literals_.texts);
    if (column.unit == "0|1") return static_cast<std::int64_t>(pick(2));
    if (column.unit == "severity") return static_cast<std::int64_t>(pick(5));
    if (column.unit == "unix s") {
      const std::int64_t times[] = {0, now - 1, now, now + 1, now + 1'000'000};
      return one_of(times);
    }
    return one_of(literals_.numbers);
  }

  const Literals& literals_;
  DecisionPoint point_;
  std::mt19937 random_;
};

bool blocks(const PolicyRule& rule) { return rule.enforce != Enforcement::advisory; }

class Analysis {
 public:
  Analysis(const PolicySet& set, const RuleEvaluator& evaluator)
      : set_(set), evaluator_(evaluator) {}

  std::vector<RuleFinding> run() {
    for (const PolicyRule& rule : set_.rules) look_at(rule);
    return std::move(out_);
  }

 private:
  bool fires(const PolicyRule& rule, const Facts& facts) const {
    const auto session = evaluator_.open(facts, rule.tables, {});
    const auto rows = session ? (*session)->run(rule.violations)
                              : Result<RuleRows>(std::unexpected(session.error()));
    return rows && !rows->rows.empty();
  }

  // Its tests' facts as they can be at the point, and made ones.
  std::vector<Facts> facts_for(const PolicyRule& rule, DecisionPoint point,
                               const PolicyRule* other = nullptr) const {
    std::vector<Facts> out;
    for (const RuleTest& test : rule.tests) {
      Facts facts = test.facts;
      for (const FactTable& table : fact_tables())
        if (!has_facts_at(table.name, point)) facts.clear(table.name);
      facts.set("request", 0, "point", std::string(to_string(point)));
      const auto places = environments_at(point);
      if (std::ranges::find(places, facts.text("request", "environment")) == places.end())
        facts.set("request", 0, "environment", std::string(places.front()));
      if (other == nullptr) out.push_back(std::move(facts));
    }
    Literals literals;
    literals.add(rule);
    if (other != nullptr) literals.add(*other);
    FactMaker maker(literals, point, static_cast<unsigned>(point) + 1);
    const int count = other == nullptr ? samples : pair_samples;
    for (int i = 0; i < count; ++i) out.push_back(maker.make());
    return out;
  }

  void tell(RuleFinding::What what, const PolicyRule& rule, std::string detail) {
    out_.push_back({.what = what, .rule = rule.id, .detail = std::move(detail)});
  }

  void look_at(const PolicyRule& rule) {
    std::vector<std::string_view> never, always;
    std::vector<std::pair<DecisionPoint, std::vector<Facts>>> firing;
    for (const DecisionPoint point : rule.on) {
      const std::vector<Facts> all = facts_for(rule, point);
      std::vector<Facts> found;
      for (const Facts& facts : all)
        if (fires(rule, facts)) found.push_back(facts);
      if (found.empty())
        never.push_back(to_string(point));
      else if (found.size() == all.size())
        always.push_back(to_string(point));
      firing.emplace_back(point, std::move(found));
    }
    if (!never.empty()) tell_never(rule, never);
    if (!blocks(rule)) return;
    if (!always.empty())
      tell(RuleFinding::What::always_denies, rule,
           fmt::format("at {}, whatever is asked", fmt::join(always, ", ")));
    if (never.size() == rule.on.size()) return;
    find_shadow(rule, firing);
    find_ways_around(rule, firing);
  }

  void tell_never(const PolicyRule& rule, const std::vector<std::string_view>& points) {
    std::string why = rule.inactive();
    if (why.empty())
      for (const std::string& table : rule.tables) {
        const bool there = std::ranges::any_of(points, [&](std::string_view word) {
          return has_facts_at(table, *parse_decision_point(word));
        });
        if (!there) why = fmt::format("{} has no rows there", table);
      }
    tell(RuleFinding::What::never_fires, rule,
         fmt::format("at {}{}", fmt::join(points, ", "),
                     why.empty() ? "" : fmt::format(": {}", why)));
  }

  using Firing = std::vector<std::pair<DecisionPoint, std::vector<Facts>>>;

  void find_shadow(const PolicyRule& rule, const Firing& firing) {
    for (const PolicyRule& other : set_.rules) {
      if (&other == &rule || !blocks(other)) continue;
      const bool milder = other.enforce < rule.enforce || (other.approvals && !rule.approvals);
      if (milder) continue;
      const bool covers = std::ranges::all_of(firing, [&](const auto& at) {
        return at.second.empty() ||
               (std::ranges::find(other.on, at.first) != other.on.end() &&
                std::ranges::all_of(at.second,
                                    [&](const Facts& facts) { return fires(other, facts); }) &&
                covers_all(rule, other, at.first));
      });
      if (!covers) continue;
      tell(RuleFinding::What::shadowed, rule, fmt::format("whenever it fires, {} does", other.id));
      return;
    }
  }

  // On facts in which all that either reads varies.
  bool covers_all(const PolicyRule& rule, const PolicyRule& other, DecisionPoint point) const {
    int found = 0;
    for (const Facts& facts : facts_for(rule, point, &other)) {
      if (!fires(rule, facts)) continue;
      if (!fires(other, facts)) return false;
      ++found;
    }
    return found >= enough;
  }

  // A variable does what a release does, and a secret what a plain variable does.
  static std::vector<DecisionPoint> other_ways(const PolicyRule& rule) {
    const bool of_config = rule.tables.contains("config_change");
    const bool of_anything = std::ranges::all_of(rule.tables, [](const std::string& table) {
      return table == "request" || table == "freeze";
    });
    std::vector<DecisionPoint> out;
    const auto on = [&](DecisionPoint point) {
      return std::ranges::find(rule.on, point) != rule.on.end();
    };
    const bool concerned = of_config ? on(config) || on(secret)
                                     : of_anything && (on(promote) || on(config) || on(secret));
    if (concerned)
      for (const DecisionPoint point : {config, secret})
        if (!on(point)) out.push_back(point);
    return out;
  }

  void find_ways_around(const PolicyRule& rule, const Firing& firing) {
    for (const DecisionPoint way : other_ways(rule)) {
      const bool open = std::ranges::any_of(firing, [&](const auto& at) {
        return among({promote, config, secret}, at.first) &&
               std::ranges::any_of(at.second,
                                   [&](const Facts& facts) { return passes(rule, facts, way); });
      });
      if (open)
        tell(RuleFinding::What::avoidable, rule,
             fmt::format("by {}, which it is not on", to_string(way)));
    }
  }

  // Whether the rule would object to the same by the other way, and no rule there does.
  bool passes(const PolicyRule& rule, Facts facts, DecisionPoint way) const {
    const std::string_view kind = way == secret ? "secret" : "env";
    facts.set("request", 0, "point", std::string(to_string(way)));
    for (std::size_t i = 0; i < facts.rows("config_change").size(); ++i)
      facts.set("config_change", i, "kind", std::string(kind));
    if (facts.rows("config_change").empty())
      facts.add("config_change", {{"kind", kind},
                                  {"name", "A"},
                                  {"subject", fmt::format("{}:A", kind)},
                                  {"change", "added"},
                                  {"live", 1},
                                  {"undo_for", 0},
                                  {"used_by", "none"},
                                  {"loads_code", 0}});
    for (const FactTable& table : fact_tables())
      if (!has_facts_at(table.name, way)) facts.clear(table.name);
    // What people agreed to is no way around.
    for (const std::string_view lift : {"approval", "waiver", "break_glass"}) facts.clear(lift);
    if (!fires(rule, facts)) return false;
    return verdict_on(set_, facts, evaluator_) == Verdict::allow;
  }

  const PolicySet& set_;
  const RuleEvaluator& evaluator_;
  std::vector<RuleFinding> out_;
};

}  // namespace

std::string_view to_string(RuleFinding::What what) {
  switch (what) {
    case RuleFinding::What::never_fires:
      return "never_fires";
    case RuleFinding::What::always_denies:
      return "always_denies";
    case RuleFinding::What::shadowed:
      return "shadowed";
    case RuleFinding::What::avoidable:
      return "avoidable";
  }
  return "never_fires";
}

bool has_facts_at(std::string_view table, DecisionPoint point) {
  if (!why_unfilled(table).empty()) return false;
  struct Places {
    std::string_view table;
    std::vector<DecisionPoint> points;
  };
  static const std::vector<DecisionPoint> of_a_deployment = {build,       preview,  promote,
                                                             canary_step, rollback, remove};
  static const std::vector<Places> places = {
      {"deployment", of_a_deployment},
      {"change", of_a_deployment},
      {"file", of_a_deployment},
      {"sensitive_file", {build, preview, promote, canary_step, rollback}},
      {"service", of_a_deployment},
      {"env_var", of_a_deployment},
      {"resource", of_a_deployment},
      {"domain", {build, preview, promote, canary_step, rollback, remove, domain}},
      {"release", {promote, canary_step, rollback}},
      {"health", {promote, canary_step, rollback}},
      {"canary", {canary_step}},
      {"config_change", {config, secret, domain, remove}},
      {"policy_change", {policy}},
      {"token_request", {token}}};
  const auto at = std::ranges::find(places, table, &Places::table);
  return at == places.end() || std::ranges::find(at->points, point) != at->points.end();
}

std::vector<RuleFinding> analyse(const PolicySet& set, const RuleEvaluator& evaluator) {
  return Analysis(set, evaluator).run();
}

}  // namespace slipway
