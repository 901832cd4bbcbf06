#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "policy/sql_parser.h"

namespace slipway {

using Kind = SqlToken::Kind;

void SqlParser::need_not_null(const Typed& value) {
  if (value.kind == Typed::Kind::null) {
    refuse("a comparison with NULL is never true", "write IS NULL or IS NOT NULL");
  } else if (value.nullable) {
    refuse(fmt::format("{} may be NULL, and the condition would vanish",
                       value.name.empty() ? "a value here" : value.name),
           fmt::format("write COALESCE({}, …) with what NULL should count as",
                       value.name.empty() ? "…" : value.name));
  }
}

void SqlParser::need(Typed::Kind kind, const Typed& value, std::string_view where) {
  need_not_null(value);
  if (value.kind != kind)
    refuse(fmt::format("{} takes {}, not {}", where,
                       kind == Typed::Kind::text ? "text" : "an integer",
                       kind == Typed::Kind::text ? "an integer" : "text"));
}

void SqlParser::need_condition(const Typed& value, bool literal_stands) {
  need_not_null(value);
  if (value.is_condition || value.unit == "0|1") return;
  const bool is_bit = value.literal != nullptr && value.literal->kind == Kind::number &&
                      value.literal->number >= 0 && value.literal->number <= 1;
  if (is_bit && literal_stands) return;
  refuse(value.literal != nullptr
             ? fmt::format("'{}' is not a condition", value.literal->text)
             : fmt::format("{} is not a condition", value.name.empty() ? "this" : value.name),
         "compare it: x = 1 OR x = 2, or x IN (1, 2)");
}

void SqlParser::check_literal(const Typed& column, const Typed& literal) {
  if (literal.literal == nullptr) return;
  if (literal.literal->kind == Kind::text && !column.values.empty() &&
      !is_one_of(column.values, literal.literal->text))
    refuse(fmt::format("{} is never '{}'", column.name, literal.literal->text),
           fmt::format("it is one of {}", column.values));
  if (literal.literal->kind == Kind::number && column.unit == "severity")
    refuse(fmt::format("{} is a severity, compared with a bare number", column.name),
           "write sev('high')");
  if (literal.literal->kind == Kind::number && column.unit == "0|1" &&
      literal.literal->number != 0 && literal.literal->number != 1)
    refuse(fmt::format("{} is 0 or 1", column.name));
}

void SqlParser::comparable(const Typed& left, const Typed& right) {
  need_not_null(left);
  need_not_null(right);
  if (failed()) return;
  if (left.kind != right.kind) {
    const Typed& text = left.kind == Typed::Kind::text ? left : right;
    const Typed& number = left.kind == Typed::Kind::text ? right : left;
    refuse(fmt::format("{} is an integer and {} is text: SQL would compare them without complaint",
                       number.name.empty() ? "one side" : number.name,
                       text.literal != nullptr ? "'" + text.literal->text + "'"
                       : text.name.empty()     ? "the other"
                                               : text.name),
           number.unit == "severity" ? "write sev('high')" : "compare values of one type");
  }
  check_literal(left, right);
  check_literal(right, left);
  if (!left.unit.empty() && !right.unit.empty() && left.unit != right.unit)
    refuse(fmt::format("{} is in {} and {} in {}", left.name.empty() ? "one side" : left.name,
                       left.unit, right.name.empty() ? "the other" : right.name, right.unit));
}

SqlParser::Typed SqlParser::common(const Typed& a, const Typed& b, std::string_view where) {
  if (a.kind == Typed::Kind::null || b.kind == Typed::Kind::null) {
    Typed out = a.kind == Typed::Kind::null ? b : a;
    out.nullable = true;
    out.literal = nullptr;
    return out;
  }
  if (a.kind != b.kind) refuse(fmt::format("{} mixes text and integers", where));
  Typed out{.kind = a.kind,
            .nullable = a.nullable || b.nullable,
            .is_condition = a.is_condition && b.is_condition};
  if (a.unit == b.unit || b.literal != nullptr) out.unit = a.unit;
  if (a.values == b.values) out.values = a.values;
  return out;
}

SqlParser::Typed SqlParser::condition(const Scope& scope) {
  const Typed value = expression(scope);
  need_condition(value, true);
  return value;
}

SqlParser::Typed SqlParser::expression(const Scope& scope) {
  ++depth_;
  Typed left = too_deep() ? Typed{} : conjunction(scope);
  while (!failed() && take("or")) {
    need_condition(left, false);
    need_condition(conjunction(scope), false);
    left = Typed{.is_condition = true};
  }
  --depth_;
  return left;
}

SqlParser::Typed SqlParser::conjunction(const Scope& scope) {
  Typed left = negation(scope);
  while (!failed() && take("and")) {
    need_condition(left, false);
    need_condition(negation(scope), false);
    left = Typed{.is_condition = true};
  }
  return left;
}

SqlParser::Typed SqlParser::negation(const Scope& scope) {
  int times = 0;
  while (!failed() && peek().is("not") && !peek(1).is("exists")) {
    take();
    ++times;
  }
  Typed value = equality(scope);
  if (times == 0) return value;
  need_condition(value, false);
  return Typed{.is_condition = true};
}

SqlParser::Typed SqlParser::equality(const Scope& scope) {
  Typed left = comparison(scope);
  bool compared = false;
  while (!failed()) {
    const bool negated = peek().is("not");
    const SqlToken& op = peek(negated ? 1 : 0);
    const bool known = (!negated && (op.is("=") || op.is("!=") || op.is("is"))) || op.is("in") ||
                       op.is("like") || op.is("glob") || op.is("between");
    if (!known) return left;
    if (compared || (left.is_condition && !op.is("is"))) {
      refuse("a comparison of a comparison: SQL reads a = b = c as (a = b) = c",
             "join conditions with AND");
      return left;
    }
    if (negated) take();
    if (op.is("=") || op.is("!=")) {
      take();
      const Typed right = comparison(scope);
      if (right.is_condition) refuse("a comparison of a comparison", "join conditions with AND");
      comparable(left, right);
    } else if (op.is("is")) {
      left = is_test(scope, left);
    } else if (op.is("in")) {
      left = in_list(scope, left);
    } else if (op.is("between")) {
      take();
      comparable(left, comparison(scope));
      expect("and");
      comparable(left, comparison(scope));
    } else {
      left = like(scope, left);
    }
    left = Typed{.is_condition = true};
    compared = true;
  }
  return left;
}

SqlParser::Typed SqlParser::comparison(const Scope& scope) {
  Typed left = sum(scope);
  bool compared = false;
  while (!failed() && (peek().is("<") || peek().is("<=") || peek().is(">") || peek().is(">="))) {
    take();
    if (compared || left.is_condition)
      refuse("a comparison of a comparison: SQL reads 1 < x < 9 as (1 < x) < 9",
             "join conditions with AND");
    const Typed right = sum(scope);
    if (left.kind == Typed::Kind::text && right.kind == Typed::Kind::text &&
        (!left.values.empty() || !right.values.empty()))
      refuse("words are compared by their letters, not by their meaning", "use IN ('…', '…')");
    comparable(left, right);
    left = Typed{.is_condition = true};
    compared = true;
  }
  return left;
}

SqlParser::Typed SqlParser::sum(const Scope& scope) {
  Typed left = product(scope);
  while (!failed() && (peek().is("+") || peek().is("-"))) {
    const std::string op = take().text;
    const Typed right = product(scope);
    need(Typed::Kind::integer, left, op);
    need(Typed::Kind::integer, right, op);
    left = Typed{};
  }
  return left;
}

SqlParser::Typed SqlParser::product(const Scope& scope) {
  Typed left = concatenation(scope);
  while (!failed() && (peek().is("*") || peek().is("/") || peek().is("%"))) {
    const std::string op = take().text;
    const Typed right = concatenation(scope);
    need(Typed::Kind::integer, left, op);
    need(Typed::Kind::integer, right, op);
    // A division by zero is NULL.
    const bool safe = op == "*" || (right.literal != nullptr && right.literal->number != 0);
    left = Typed{.nullable = !safe};
  }
  return left;
}

SqlParser::Typed SqlParser::concatenation(const Scope& scope) {
  Typed left = unary(scope);
  while (!failed() && take("||")) {
    const Typed right = unary(scope);
    need_not_null(left);
    need_not_null(right);
    left = Typed{.kind = Typed::Kind::text};
  }
  return left;
}

SqlParser::Typed SqlParser::unary(const Scope& scope) {
  bool is_signed = false;
  while (!failed() && (peek().is("-") || peek().is("+"))) {
    take();
    is_signed = true;
  }
  Typed value = primary(scope);
  if (!is_signed) return value;
  need(Typed::Kind::integer, value, "a sign");
  return Typed{};
}

SqlParser::Typed SqlParser::primary(const Scope& scope) {
  const SqlToken& token = peek();
  if (token.kind == Kind::number || token.kind == Kind::text) {
    take();
    return Typed{.kind = token.kind == Kind::text ? Typed::Kind::text : Typed::Kind::integer,
                 .literal = &token};
  }
  if (take("null")) return Typed{.kind = Typed::Kind::null, .nullable = true};
  if (token.is("case")) return case_of(scope);
  if (token.is("exists") || (token.is("not") && peek(1).is("exists"))) {
    take("not");
    take();
    expect("(");
    std::ignore = select(&scope);
    expect(")");
    return Typed{.is_condition = true};
  }
  if (take("(")) {
    if (peek().is("select") || peek().is("with")) return subquery(scope);
    Typed inner = expression(scope);
    if (peek().is(",")) refuse("row values are not part of the rule language");
    expect(")");
    return inner;
  }
  if (token.kind != Kind::word) {
    return refuse(token.kind == Kind::end ? "the query ends too early"
                                          : fmt::format("{} does not belong here", token.text));
  }
  const std::string name = identifier("a name");
  return peek().is("(") ? call(scope, name) : column(scope, name);
}

SqlParser::Typed SqlParser::subquery(const Scope& scope) {
  const Answer answer = select(&scope);
  expect(")");
  if (answer.columns.size() != 1)
    return refuse("a query inside an expression answers with one column");
  Typed out = answer.columns.front();
  out.nullable = out.nullable || !answer.one_row_always;
  out.literal = nullptr;
  return out;
}

SqlParser::Typed SqlParser::column(const Scope& scope, const std::string& name) {
  std::string qualifier, column_name = name;
  if (take(".")) {
    qualifier = name;
    column_name = identifier("a column");
  }
  for (const Scope* at = &scope; at != nullptr; at = at->outer) {
    std::optional<Typed> found;
    for (const Source& source : at->sources) {
      if (!qualifier.empty() && source.alias != qualifier) continue;
      const bool has = source.table != nullptr
                           ? find_column(*source.table, column_name).has_value()
                           : std::ranges::find(source.columns, column_name, &Typed::name) !=
                                 source.columns.end();
      if (!has) continue;
      if (found)
        return refuse(fmt::format("{} stands in more than one table", column_name),
                      "write TABLE." + column_name);
      found = column_of(source, column_name);
    }
    if (found) return *found;
    if (at->results != nullptr && qualifier.empty()) {
      const auto alias = std::ranges::find(*at->results, column_name, &Typed::name);
      if (alias != at->results->end()) return *alias;
    }
  }
  return refuse(fmt::format("there is no column {}{}{}", qualifier, qualifier.empty() ? "" : ".",
                            column_name),
                "text goes in single quotes; docs/policy.md lists the columns");
}

SqlParser::Typed SqlParser::column_of(const Source& source, const std::string& name) {
  Typed out;
  if (source.table != nullptr) {
    const FactColumn& column = source.table->columns[*find_column(*source.table, name)];
    shape_.columns.emplace(fmt::format("{}.{}", source.table->name, column.name));
    out = {.kind = column.type == FactType::text ? Typed::Kind::text : Typed::Kind::integer,
           .nullable = column.null == FactNull::possible,
           .unit = column.unit,
           .values = column.values,
           .name = std::string(column.name)};
  } else {
    out = *std::ranges::find(source.columns, name, &Typed::name);
    out.literal = nullptr;
    out.is_aggregate = false;
  }
  out.nullable = out.nullable || source.nullable;
  return out;
}

SqlParser::Typed SqlParser::is_test(const Scope& scope, const Typed& left) {
  expect("is");
  take("not");
  const Typed right = comparison(scope);
  if (right.kind == Typed::Kind::null || left.kind == Typed::Kind::null) return {};
  if (right.kind != left.kind) refuse("IS compares values of one type");
  check_literal(left, right);
  return {};
}

SqlParser::Typed SqlParser::in_list(const Scope& scope, const Typed& left) {
  expect("in");
  if (!peek().is("(")) return refuse("IN is followed by a list or a query in parentheses");
  take();
  if (peek().is("select") || peek().is("with")) {
    const Answer answer = select(&scope);
    if (answer.columns.size() != 1) return refuse("a query after IN answers with one column");
    comparable(left, answer.columns.front());
  } else {
    do comparable(left, expression(scope));
    while (!failed() && take(","));
  }
  expect(")");
  return {};
}

SqlParser::Typed SqlParser::like(const Scope& scope, const Typed& left) {
  const std::string op = take().text;
  need(Typed::Kind::text, left, op);
  need(Typed::Kind::text, comparison(scope), op);
  if (take("escape")) need(Typed::Kind::text, comparison(scope), "ESCAPE");
  return {};
}

SqlParser::Typed SqlParser::case_of(const Scope& scope) {
  expect("case");
  ++depth_;
  std::optional<Typed> operand, out;
  if (!peek().is("when")) operand = expression(scope);
  while (!failed() && take("when")) {
    const Typed when = expression(scope);
    if (operand)
      comparable(*operand, when);
    else
      need_condition(when, false);
    expect("then");
    const Typed then = expression(scope);
    out = out ? common(*out, then, "CASE") : then;
  }
  if (!out) return refuse("CASE needs WHEN");
  if (take("else"))
    out = common(*out, expression(scope), "CASE");
  else
    out->nullable = true;
  expect("end");
  --depth_;
  out->name.clear();
  out->literal = nullptr;
  return *out;
}

namespace {

struct Function {
  std::string_view name;
  std::string_view arguments;  // t text, i integer, c condition, a any, one letter each
  std::size_t least;           // how many are needed; the last letter repeats up to 16
  char result;                 // t, i, or '=': as the arguments
};
constexpr std::array<Function, 12> functions = {{
    {"abs", "i", 1, 'i'},
    {"coalesce", "a", 2, '='},
    {"glob", "tt", 2, 'c'},
    {"ifnull", "aa", 2, '='},
    {"iif", "caa", 3, '='},
    {"instr", "tt", 2, 'i'},
    {"length", "t", 1, 'i'},
    {"lower", "t", 1, 't'},
    {"max", "a", 2, '='},
    {"min", "a", 2, '='},
    {"substr", "tii", 2, 't'},
    {"upper", "t", 1, 't'},
}};
constexpr std::array<std::string_view, 3> repeating = {"coalesce", "max", "min"};

}  // namespace

SqlParser::Typed SqlParser::call(const Scope& scope, const std::string& name) {
  if (name == "sev") {
    take();
    const SqlToken& word = take();
    const auto level = word.kind == Kind::text ? severity_from_name(word.text) : std::nullopt;
    if (!level) return refuse("sev() takes 'info', 'low', 'medium', 'high' or 'critical'");
    expect(")");
    return Typed{.unit = "severity"};
  }
  // min(x) and max(x) with one argument, count, sum and group_concat go over rows.
  if (name == "count" || name == "sum" || name == "group_concat") return aggregate(scope, name);
  const auto* function = std::ranges::find(functions, name, &Function::name);
  if (function == functions.end())
    return refuse(fmt::format("{}() is not part of the rule language", name),
                  "time is the fact request.now; docs/policy.md lists the functions");
  take();
  std::vector<Typed> arguments;
  do arguments.push_back(expression(scope));
  while (!failed() && take(",") && arguments.size() < 16);
  expect(")");
  const bool repeats = std::ranges::find(repeating, name) != repeating.end();
  if ((name == "min" || name == "max") && arguments.size() == 1) {
    aggregated_ = true;
    need_not_null(arguments.front());
    arguments.front().nullable = !grouped_;  // over no rows: NULL
    arguments.front().literal = nullptr;
    return arguments.front();
  }
  if (arguments.size() < function->least ||
      (!repeats && arguments.size() > function->arguments.size()))
    return refuse(fmt::format("{}() takes {} arguments", name, function->arguments.size()));
  Typed out{.kind = function->result == 't' ? Typed::Kind::text : Typed::Kind::integer,
            .is_condition = function->result == 'c'};
  const bool keeps_null = name == "coalesce" || name == "ifnull";
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const char kind = function->arguments[std::min(i, function->arguments.size() - 1)];
    if (kind == 't') need(Typed::Kind::text, arguments[i], name + "()");
    if (kind == 'i') need(Typed::Kind::integer, arguments[i], name + "()");
    if (kind == 'c') need_condition(arguments[i], false);
    if (kind == 'a' && !keeps_null && name != "iif") need_not_null(arguments[i]);
  }
  if (function->result != '=' || failed()) return out;
  const std::size_t first = name == "iif" ? 1 : 0;
  out = arguments[first];
  for (std::size_t i = first + 1; i < arguments.size(); ++i) {
    if (keeps_null) check_literal(arguments[first], arguments[i]);
    out = common(out, arguments[i], name + "()");
  }
  if (keeps_null)
    out.nullable = std::ranges::all_of(arguments, [](const Typed& one) { return one.nullable; });
  out.name = arguments[first].name;
  out.literal = nullptr;
  return out;
}

SqlParser::Typed SqlParser::aggregate(const Scope& scope, const std::string& name) {
  expect("(");
  if (name == "count" && take("*")) {
    expect(")");
    aggregated_ = true;
    return {};
  }
  take("distinct");
  Typed argument = expression(scope);
  if (name == "group_concat" && take(","))
    need(Typed::Kind::text, expression(scope), "group_concat()");
  expect(")");
  aggregated_ = true;
  if (name == "count") return {};
  // Over no rows: NULL.
  if (name == "sum") {
    need(Typed::Kind::integer, argument, "sum()");
    return Typed{.nullable = !grouped_, .unit = argument.unit};
  }
  need(Typed::Kind::text, argument, "group_concat()");
  return Typed{.kind = Typed::Kind::text, .nullable = !grouped_};
}

}  // namespace slipway
