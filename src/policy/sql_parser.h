#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/sql_lint.h"
#include "policy/sql_tokens.h"

// Inside of sql_lint.cc: a recursive descent over the tokens that infers types on the way.
// Statements are in sql_parser.cc, expressions in sql_expression.cc.
namespace slipway {

class SqlParser {
 public:
  explicit SqlParser(std::vector<SqlToken> tokens) : tokens_(std::move(tokens)) {}
  Result<QueryShape> parse();

 private:
  // What is known of an expression's value.
  struct Typed {
    enum class Kind { text, integer, null };
    Kind kind = Kind::integer;
    bool nullable = false;
    bool is_condition = false;          // 1 or 0 from a comparison
    std::string_view unit = {};         // of a column, untouched by arithmetic
    std::string_view values = {};       // of a column
    const SqlToken* literal = nullptr;  // a literal, when it is one
    std::string name = {};              // of a column
    bool is_aggregate = false;
  };
  struct Source {
    std::string alias;
    const FactTable* table = nullptr;  // null for a subquery or a common table
    std::vector<Typed> columns;
    bool nullable = false;  // right of a LEFT JOIN
  };
  struct Scope {
    std::vector<Source> sources;
    const Scope* outer = nullptr;
    const std::vector<Typed>* results = nullptr;  // aliases, for GROUP BY and ORDER BY
  };
  struct Answer {
    std::vector<Typed> columns;
    bool one_row_always = false;  // an aggregate without GROUP BY and HAVING
    bool limited = false;
  };

  // Tokens. After an error all are `end`.
  [[nodiscard]] const SqlToken& peek(std::size_t ahead = 0) const;
  const SqlToken& take();
  bool take(std::string_view what);
  void expect(std::string_view what);
  Typed refuse(std::string message, std::string hint = {});
  [[nodiscard]] bool failed() const { return error_.has_value(); }
  [[nodiscard]] bool too_deep();
  std::string identifier(std::string_view what);

  // Statements.
  Answer select(const Scope* outer);
  void common_tables(const Scope* outer);
  Answer core(const Scope* outer, Scope& scope);
  void skip_items();
  void from(Scope& scope);
  void source(Scope& scope);
  std::vector<Typed> items(const Scope& scope);
  void star(const Source& source, std::vector<Typed>& into);
  void order_by(const Scope& scope);

  // Expressions, loosest first.
  Typed condition(const Scope& scope);  // refuses what is not one
  Typed expression(const Scope& scope);
  Typed conjunction(const Scope& scope);
  Typed negation(const Scope& scope);
  Typed equality(const Scope& scope);
  Typed comparison(const Scope& scope);
  Typed sum(const Scope& scope);
  Typed product(const Scope& scope);
  Typed concatenation(const Scope& scope);
  Typed unary(const Scope& scope);
  Typed primary(const Scope& scope);
  Typed is_test(const Scope& scope, const Typed& left);
  Typed in_list(const Scope& scope, const Typed& left);
  Typed like(const Scope& scope, const Typed& left);
  Typed case_of(const Scope& scope);
  Typed subquery(const Scope& scope);
  Typed column(const Scope& scope, const std::string& name);
  Typed column_of(const Source& source, const std::string& name);
  Typed call(const Scope& scope, const std::string& name);
  Typed aggregate(const Scope& scope, const std::string& name);

  // Checks.
  void need_condition(const Typed& value, bool literal_stands);
  void need_not_null(const Typed& value);
  void need(Typed::Kind kind, const Typed& value, std::string_view where);
  void comparable(const Typed& left, const Typed& right);
  void check_literal(const Typed& column, const Typed& literal);
  Typed common(const Typed& a, const Typed& b, std::string_view where);

  std::vector<SqlToken> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool grouped_ = false;     // the core being read has GROUP BY
  bool aggregated_ = false;  // ... and has an aggregate
  std::optional<Error> error_;
  std::map<std::string, std::vector<Typed>, std::less<>> common_;
  QueryShape shape_;
};

}  // namespace slipway
