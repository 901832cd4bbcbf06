#include "policy/sql_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace slipway {
namespace {

constexpr int deepest = 48;
constexpr std::array<std::string_view, 44> reserved = {
    "all",      "and",     "as",    "asc",    "between",   "by",     "case",  "cross", "desc",
    "distinct", "else",    "end",   "escape", "except",    "exists", "from",  "full",  "glob",
    "group",    "having",  "in",    "inner",  "intersect", "is",     "join",  "left",  "like",
    "limit",    "natural", "not",   "null",   "on",        "or",     "order", "outer", "right",
    "select",   "then",    "union", "using",  "values",    "when",   "where", "with"};
constexpr std::array<std::string_view, 9> after_items = {
    "from", "where", "group", "having", "union", "except", "intersect", "order", "limit"};

const SqlToken end_token;

bool is_reserved(std::string_view word) {
  return std::ranges::find(reserved, word) != reserved.end();
}

// Keeps a member's value over a nested query.
template <class T>
class Saved {
 public:
  Saved(T& member, T value) : member_(member), kept_(std::exchange(member, std::move(value))) {}
  ~Saved() { member_ = std::move(kept_); }
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;

 private:
  T& member_;
  T kept_;
};

}  // namespace

const SqlToken& SqlParser::peek(std::size_t ahead) const {
  return failed() || at_ + ahead >= tokens_.size() ? end_token : tokens_[at_ + ahead];
}

const SqlToken& SqlParser::take() {
  const SqlToken& token = peek();
  if (!failed() && at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool SqlParser::take(std::string_view what) {
  if (!peek().is(what)) return false;
  take();
  return true;
}

void SqlParser::expect(std::string_view what) {
  if (take(what)) return;
  const SqlToken& found = peek();
  refuse(found.kind == SqlToken::Kind::end
             ? fmt::format("{} is missing at the end", what)
             : fmt::format("{} is expected before {}", what, found.text));
}

SqlParser::Typed SqlParser::refuse(std::string message, std::string hint) {
  if (!error_) {
    const std::size_t at = std::min(at_, tokens_.size() - 1);
    error_ = Error{
        .code = Errc::invalid_argument, .message = std::move(message), .hint = std::move(hint)};
    error_->line = tokens_[at].line;
  }
  return {};
}

bool SqlParser::too_deep() {
  if (depth_ <= deepest) return failed();
  refuse("the query nests too deep");
  return true;
}

std::string SqlParser::identifier(std::string_view what) {
  const SqlToken& token = take();
  if (token.kind != SqlToken::Kind::word || is_reserved(token.text)) {
    refuse(fmt::format("{} is missing{}", what, token.text.empty() ? "" : " before " + token.text));
    return {};
  }
  return token.text;
}

Result<QueryShape> SqlParser::parse() {
  const Answer answer = select(nullptr);
  if (!failed() && peek().kind != SqlToken::Kind::end)
    refuse(fmt::format("{} does not belong here", peek().text));
  if (answer.one_row_always)
    refuse("the query always answers with a row, so the rule would always be violated",
           "add HAVING with the condition: SELECT count(*) AS n FROM … HAVING count(*) > 3");
  if (answer.limited)
    refuse("LIMIT hides violations: a waiver of the shown row would lift them all",
           "return every violating row");
  for (const Typed& column : answer.columns) {
    if (column.name.empty()) refuse("each column of the answer needs a name", "write … AS detail");
    if (std::ranges::count(answer.columns, column.name, &Typed::name) > 1)
      refuse(fmt::format("two columns of the answer are named {}", column.name));
    shape_.result.push_back({column.name,
                             column.kind == Typed::Kind::text ? FactType::text : FactType::integer,
                             column.nullable});
  }
  if (error_) return fail(*std::move(error_));
  return std::move(shape_);
}

SqlParser::Answer SqlParser::select(const Scope* outer) {
  const Saved depth(depth_, depth_ + 4);
  if (too_deep()) return {};
  const auto hidden = common_;  // common tables end with their statement
  if (take("with")) common_tables(outer);
  Scope scope;
  Answer answer = core(outer, scope);
  while (!failed() && (peek().is("union") || peek().is("except") || peek().is("intersect"))) {
    if (take().is("union")) take("all");
    Scope other;
    const Answer more = core(outer, other);
    if (more.columns.size() != answer.columns.size()) {
      refuse("the parts of a compound query have different numbers of columns");
      break;
    }
    for (std::size_t i = 0; i < answer.columns.size(); ++i) {
      std::string name = answer.columns[i].name;
      answer.columns[i] = common(answer.columns[i], more.columns[i], "a compound query");
      answer.columns[i].name = std::move(name);
    }
    answer.one_row_always = answer.one_row_always || more.one_row_always;
    scope.sources.clear();
  }
  scope.results = &answer.columns;
  if (take("order")) {
    expect("by");
    order_by(scope);
  }
  if (take("limit")) {
    answer.limited = true;
    answer.one_row_always = false;
    if (take().kind != SqlToken::Kind::number) refuse("LIMIT takes a number");
  }
  common_ = hidden;
  return answer;
}

void SqlParser::common_tables(const Scope* outer) {
  if (peek().is("recursive")) {
    refuse("recursion is not part of the rule language");
    return;
  }
  do {
    const std::string name = identifier("the name of a common table");
    if (find_fact_table(name) != nullptr)
      refuse(fmt::format("the common table {} would hide the fact table of that name", name),
             "give it another name");
    if (common_.contains(name)) refuse(fmt::format("{} is defined twice", name));
    if (peek().is("(")) refuse("name the columns inside: WITH x AS (SELECT … AS name)");
    expect("as");
    expect("(");
    Answer answer = select(outer);
    expect(")");
    common_.emplace(name, std::move(answer.columns));
  } while (!failed() && take(","));
}

void SqlParser::skip_items() {
  int depth = 0;
  for (; peek().kind != SqlToken::Kind::end; take()) {
    if (depth == 0 &&
        (peek().is(")") || std::ranges::find(after_items, peek().text) != after_items.end()) &&
        peek().kind != SqlToken::Kind::text)
      return;
    if (peek().is("(")) ++depth;
    if (peek().is(")")) --depth;
  }
}

SqlParser::Answer SqlParser::core(const Scope* outer, Scope& scope) {
  expect("select");
  const Saved grouped(grouped_, false);
  const Saved aggregated(aggregated_, false);
  scope.outer = outer;
  Answer answer;
  take("distinct");
  // The sources are read before the items that name their columns.
  const std::size_t items_at = at_;
  skip_items();
  if (take("from")) from(scope);
  const std::size_t after_from = at_;
  int depth = 0;
  for (std::size_t ahead = 0; peek(ahead).kind != SqlToken::Kind::end && depth >= 0; ++ahead) {
    if (peek(ahead).is("(")) ++depth;
    if (peek(ahead).is(")")) --depth;
    if (depth == 0 && (peek(ahead).is("union") || peek(ahead).is("except"))) break;
    if (depth == 0 && peek(ahead).is("group")) grouped_ = true;
  }
  if (failed()) return answer;
  at_ = items_at;
  answer.columns = items(scope);
  if (failed()) return answer;
  if (!peek().is("from") && at_ != after_from) {
    refuse(fmt::format("{} is unexpected in what is selected", peek().text));
    return answer;
  }
  at_ = after_from;
  if (take("where")) {
    const Saved outside(aggregated_, false);
    condition(scope);
    if (aggregated_) refuse("an aggregate stands in HAVING, not in WHERE");
  }
  scope.results = &answer.columns;
  if (take("group")) {
    expect("by");
    do expression(scope);
    while (!failed() && take(","));
  }
  const bool having = take("having");
  if (having) condition(scope);
  scope.results = nullptr;
  answer.one_row_always = aggregated_ && !grouped_ && !having;
  if (aggregated_ && !grouped_)  // an empty table still gives a row, of NULLs
    for (Typed& column : answer.columns)
      if (!column.is_aggregate && column.literal == nullptr) column.nullable = true;
  return answer;
}

void SqlParser::from(Scope& scope) {
  source(scope);
  while (!failed()) {
    if (take(",")) {
      source(scope);
      continue;
    }
    const bool left = peek().is("left");
    if (left) {
      take();
      take("outer");
    } else if (!take("inner")) {
      take("cross");
    }
    if (peek().is("natural") || peek().is("right") || peek().is("full"))
      refuse(fmt::format("{} JOIN is not part of the rule language", peek().text));
    if (!peek().is("join")) {
      if (left) expect("join");
      return;
    }
    take();
    source(scope);
    if (take("on"))
      condition(scope);
    else if (left)
      refuse("a LEFT JOIN needs ON");
    // Its own ON sees rows that are there; what comes after may see none.
    if (!scope.sources.empty()) scope.sources.back().nullable = left;
  }
}

void SqlParser::source(Scope& scope) {
  Source source;
  if (take("(")) {
    source.columns = select(scope.outer).columns;
    expect(")");
  } else {
    source.alias = identifier("a fact table");
    if (const auto found = common_.find(source.alias); found != common_.end()) {
      source.columns = found->second;
    } else {
      source.table = find_fact_table(source.alias);
      if (source.table == nullptr) {
        refuse(fmt::format("there is no fact table {}", source.alias), "docs/policy.md lists them");
        return;
      }
      shape_.tables.emplace(source.table->name);
    }
  }
  const bool named = take("as");
  if (named || (peek().kind == SqlToken::Kind::word && !is_reserved(peek().text)))
    source.alias = identifier("an alias");
  if (std::ranges::find(scope.sources, source.alias, &Source::alias) != scope.sources.end())
    refuse(fmt::format("{} stands twice in FROM", source.alias), "give each an alias of its own");
  scope.sources.push_back(std::move(source));
}

void SqlParser::star(const Source& source, std::vector<Typed>& into) {
  if (source.table != nullptr) {
    for (const FactColumn& column : source.table->columns)
      into.push_back(column_of(source, std::string(column.name)));
  } else {
    into.insert(into.end(), source.columns.begin(), source.columns.end());
  }
}

std::vector<SqlParser::Typed> SqlParser::items(const Scope& scope) {
  std::vector<Typed> out;
  do {
    if (take("*")) {
      if (scope.sources.empty()) refuse("* needs FROM");
      for (const Source& source : scope.sources) star(source, out);
      continue;
    }
    if (peek(1).is(".") && peek(2).is("*")) {
      const std::string alias = identifier("a table");
      take(), take();
      const auto found = std::ranges::find(scope.sources, alias, &Source::alias);
      if (found == scope.sources.end())
        refuse(fmt::format("{} is not in FROM", alias));
      else
        star(*found, out);
      continue;
    }
    const bool outside = std::exchange(aggregated_, false);
    Typed item = expression(scope);
    item.is_aggregate = aggregated_;
    aggregated_ = aggregated_ || outside;
    const bool named = take("as");
    if (named || (peek().kind == SqlToken::Kind::word && !is_reserved(peek().text)))
      item.name = identifier("a name");
    out.push_back(std::move(item));
  } while (!failed() && take(","));
  return out;
}

void SqlParser::order_by(const Scope& scope) {
  do {
    expression(scope);
    if (!take("asc")) take("desc");
  } while (!failed() && take(","));
}

Result<QueryShape> lint_query(std::string_view sql) {
  SLIPWAY_TRY(std::vector<SqlToken> tokens, sql_tokens(sql));
  return SqlParser(std::move(tokens)).parse();
}

}  // namespace slipway
