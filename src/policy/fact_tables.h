#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

// The vocabulary of the rules: which tables of facts there are, and what each column means. One
// constexpr table; the schema that rules see, the type lint, the snapshot's checks and
// docs/policy.md follow from it. Add columns and tables; never rename or retype one, for stored
// snapshots are read back.
namespace slipway {

enum class FactType { text, integer };
enum class FactNull { never, possible };

struct FactColumn {
  std::string_view name;
  FactType type;
  FactNull null;
  std::string_view unit;    // "s", "bytes", "unix s", "0|1", "severity", "micro-units"; "" for text
  std::string_view values;  // "a|b|c" when these are all there are: literals are checked against it
  std::string_view doc;
};

enum class FactRows { one, many };
// Rules that read facts of `scan` are skipped when a rollback goes to a once approved release.
enum class FactSource { platform, scan };

// How a violated rule can pass through a change of the facts it read; find_remedies() tries it.
enum class FactCure {
  none,
  fix_row,       // whoever owns the project removes the cause: the row goes away
  finish,        // ... or the word in `cure_column` becomes the first of its values
  set_flag,      // ... or the flag in `cure_column` becomes 1
  wait,          // the row goes away at the time in `cure_column`
  raise_budget,  // `cure_column` is a limit in micro-units that can be raised
};

struct FactTable {
  std::string_view name;
  FactRows rows;
  FactSource source;
  std::string_view doc;
  std::span<const FactColumn> columns;
  FactCure cure = FactCure::none;
  std::string_view cure_column;   // see FactCure
  std::string_view cure_command;  // with {column} of the row, {project}, {environment}
};

[[nodiscard]] std::span<const FactTable> fact_tables();
// Why a table has no rows, ever, in this Slipway; "" when it has. A row goes when the table is
// filled.
[[nodiscard]] std::string_view why_unfilled(std::string_view table);
// Names are as in SQL: case does not matter.
[[nodiscard]] const FactTable* find_fact_table(std::string_view name);
[[nodiscard]] std::optional<std::size_t> find_column(const FactTable& table, std::string_view name);
// Whether `word` is one of "a|b|c".
[[nodiscard]] bool is_one_of(std::string_view values, std::string_view word);

// "info" 0, "low" 1, "medium" 2, "high" 3, "critical" 4; in SQL: sev('high').
[[nodiscard]] std::optional<std::int64_t> severity_from_name(std::string_view name);
// The inverse; "info" below and "critical" above the range.
[[nodiscard]] std::string_view severity_name(std::int64_t severity);

}  // namespace slipway
