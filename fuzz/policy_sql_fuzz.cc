// Rules' queries: the lint is total; what it accepts runs in SQLite with the columns and types that
// it foretold, or stops at a limit; and what it refuses does no harm there either.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "db/policy_sql.h"
#include "policy/evaluator.h"
#include "policy/sql_lint.h"

namespace {

slipway::Facts facts() {
  slipway::Facts out;
  out.know_all();
  for (int i = 0; i < 3; ++i) {
    out.add("file", {{"path", "src/a.ts"},
                     {"subject", "src/a.ts"},
                     {"change", "added"},
                     {"kind", "source"},
                     {"bytes", i}});
    out.add("env_var",
            {{"name", "KEY"}, {"subject", "KEY"}, {"required", i}, {"is_set", 0}, {"secret", 1}});
  }
  out.add(
      "change",
      {{"base", ""}, {"added", 3}, {"modified", 0}, {"removed", 0}, {"files", 3}, {"bytes", 3}});
  return out;
}

[[noreturn]] void give_up(const char* what, const std::string& detail) {
  std::fprintf(stderr, "%s: %s\n", what, detail.c_str());
  std::abort();
}

void check(const slipway::QueryShape& shape, const slipway::RuleRows& rows) {
  if (rows.columns.size() != shape.result.size()) give_up("columns", "another number");
  for (const slipway::FactRow& row : rows.rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      const auto& column = shape.result[i];
      if (row[i].index() == 0 && !column.nullable) give_up("NULL", column.name);
      const bool is_text = row[i].index() == 2;
      if (row[i].index() != 0 && is_text != (column.type == slipway::FactType::text))
        give_up("type", column.name);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view sql(reinterpret_cast<const char*>(data), size);
  static const slipway::Facts known = facts();
  static const auto evaluator = slipway::make_sql_rule_evaluator();
  const auto shape = slipway::lint_query(sql);
  const std::set<std::string, std::less<>> tables = {"change", "env_var", "file"};
  const auto session =
      evaluator->open(known, shape ? shape->tables : tables, {.steps = 2'000, .rows = 500});
  if (!session) give_up("open", session.error().message);
  const auto rows = (*session)->run(sql);
  if (!shape) return 0;
  // Forms that SQLite refuses although the types are right (an aggregate of an aggregate, a depth)
  // are told when a set is checked.
  if (rows) check(*shape, *rows);
  return 0;
}
