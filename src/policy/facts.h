#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "policy/fact_tables.h"

namespace slipway {

// NULL, an integer (booleans are 0 and 1, times are Unix seconds, money is micro-units), or text.
using FactValue = std::variant<std::monostate, std::int64_t, std::string>;
// One value a column, in the order of its table's columns.
using FactRow = std::vector<FactValue>;

// One column of a row being added: {"severity", 4}, {"path", "a.js"}, {"lines", std::nullopt}.
struct FactField {
  std::string_view column;
  FactValue value;

  FactField(std::string_view name, std::string_view text)
      : column(name), value(std::string(text)) {}
  FactField(std::string_view name, const std::string& text) : column(name), value(text) {}
  FactField(std::string_view name, const char* text) : column(name), value(std::string(text)) {}
  FactField(std::string_view name, std::nullopt_t) : column(name) {}
  FactField(std::string_view name, FactValue any) : column(name), value(std::move(any)) {}
  template <std::integral T>
  FactField(std::string_view name, T number)
      : column(name), value(static_cast<std::int64_t>(number)) {}
  template <class T>
  FactField(std::string_view name, const std::optional<T>& maybe) : column(name) {
    if (maybe) value = FactField(name, *maybe).value;
  }
};

// What a decision is made on: rows of the tables of fact_tables.h. A plain value.
//
// A table is *unknown* until a row is added or know() says that there is none; a rule that reads an
// unknown table denies. A mistake of the gatherer (no such table or column, the wrong type, a
// missing column that may not be NULL, a second row where there is one, an integer beyond 2^53)
// poisons the snapshot: problem() tells the first, and every decision on it denies.
class Facts {
 public:
  // Adds a row, and so makes the table known. Columns that are not named are NULL, which their
  // table must allow. Text that is not UTF-8 keeps its form with U+FFFD in place of bad bytes.
  Facts& add(std::string_view table, std::initializer_list<FactField> fields);
  Facts& add(std::string_view table, std::span<const FactField> fields);
  // The table was looked at: what it has now is all there is.
  Facts& know(std::string_view table);
  Facts& know_all();
  // The table could not be filled: drops its rows. `why` is told by each rule that reads it.
  Facts& unknown(std::string_view table, std::string why);

  [[nodiscard]] bool is_known(std::string_view table) const;
  // Why unknown() was called; empty when nobody said.
  [[nodiscard]] std::string why_unknown(std::string_view table) const;
  // Empty for an unknown table.
  [[nodiscard]] const std::vector<FactRow>& rows(std::string_view table) const;
  // Empty when all is well.
  [[nodiscard]] const std::string& problem() const { return problem_; }

  // The value of the first row of a table; NULL when there is none.
  [[nodiscard]] const FactValue& first(std::string_view table, std::string_view column) const;
  // As first(), with "" or 0 for NULL or another type.
  [[nodiscard]] std::string text(std::string_view table, std::string_view column) const;
  [[nodiscard]] std::int64_t number(std::string_view table, std::string_view column) const;

  // Changes for what-if questions. Each is a no-op when there is no such row or column.
  void set(std::string_view table, std::size_t row, std::string_view column, FactValue value);
  void erase(std::string_view table, std::size_t row);
  void clear(std::string_view table);

  // RFC 8785: the same facts in whatever order give the same text, and so the same digest.
  [[nodiscard]] std::string canonical_json() const;
  [[nodiscard]] Digest digest() const;
  // The inverse, for replay. A snapshot of an older Slipway may lack columns (they become their
  // default: NULL, 0 or "") and tables (unknown), and may have more (ignored). Errors:
  // invalid_argument.
  [[nodiscard]] static Result<Facts> parse(std::string_view json);

  bool operator==(const Facts&) const = default;

 private:
  struct Table {
    bool known = false;
    std::string why_unknown;
    std::vector<FactRow> rows;
    bool operator==(const Table&) const = default;
  };
  void poison(std::string what);

  std::map<std::string, Table, std::less<>> tables_;
  std::string problem_;
};

[[nodiscard]] std::string to_text(const FactValue& value);  // "NULL" for NULL

// What a path of a project is, for the column file.kind: "migration", "ci", "auth", "dependency",
// "lockfile", "container", "config", "test", "docs" or "source".
[[nodiscard]] std::string_view classify_path(std::string_view path);

// Adds what follows from a point in time to request's fields: now, weekday, hour, minute.
struct RequestTime {
  std::int64_t now, weekday, hour, minute;
};
[[nodiscard]] RequestTime request_time(std::int64_t unix_seconds);

// One --assume: `TABLE.COLUMN=VALUE` (every row), `TABLE[COLUMN=VALUE].COLUMN=VALUE` (some rows),
// `TABLE=none` (no rows), `TABLE+COLUMN=VALUE,…` (one more row). Severities may be words. Changing
// request.now changes weekday, hour and minute too. Errors: invalid_argument.
[[nodiscard]] Status assume(Facts& facts, std::string_view assumption);

}  // namespace slipway
