// What-if: one --assume changes a snapshot.
#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "policy/facts.h"

namespace slipway {
namespace {

std::unexpected<Error> malformed(std::string message) {
  return fail(Errc::invalid_argument, std::move(message),
              "write TABLE.COLUMN=VALUE, TABLE[COLUMN=VALUE].COLUMN=VALUE, TABLE=none or "
              "TABLE+COLUMN=VALUE,…; docs/policy.md lists the tables");
}

Result<FactValue> value_for(const FactTable& table, const FactColumn& column,
                            std::string_view text) {
  if (text == "null") {
    if (column.null == FactNull::possible) return FactValue();
    return malformed(fmt::format("{}.{} is never null", table.name, column.name));
  }
  if (column.type == FactType::text) {
    if (!column.values.empty() && !is_one_of(column.values, text))
      return malformed(fmt::format("{}.{} is one of {}", table.name, column.name, column.values));
    return FactValue(std::string(text));
  }
  if (column.unit == "severity")
    if (const auto severity = severity_from_name(text)) return FactValue(*severity);
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size())
    return malformed(fmt::format("{}.{} is an integer, not '{}'", table.name, column.name, text));
  return FactValue(number);
}

Result<std::size_t> column_of(const FactTable& table, std::string_view name) {
  if (const auto column = find_column(table, name)) return *column;
  return malformed(fmt::format("{} has no column '{}'", table.name, name));
}

// Splits "COLUMN=VALUE".
Result<std::pair<std::size_t, FactValue>> assignment(const FactTable& table,
                                                     std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return malformed("a value is missing");
  SLIPWAY_TRY(const std::size_t column, column_of(table, trim(text.substr(0, equals))));
  SLIPWAY_TRY(FactValue value,
              value_for(table, table.columns[column], trim(text.substr(equals + 1))));
  return std::pair(column, std::move(value));
}

Status add_row(Facts& facts, const FactTable& table, std::string_view fields) {
  FactRow row(table.columns.size());
  for (std::size_t i = 0; i < row.size(); ++i)
    if (table.columns[i].null == FactNull::never)
      row[i] = table.columns[i].type == FactType::text ? FactValue(std::string())
                                                       : FactValue(std::int64_t{0});
  for (const std::string_view field : split(fields, ',')) {
    SLIPWAY_TRY(auto cell, assignment(table, field));
    row[cell.first] = std::move(cell.second);
  }
  if (table.rows == FactRows::one) facts.clear(table.name);
  std::vector<FactField> named;
  for (std::size_t i = 0; i < row.size(); ++i) named.emplace_back(table.columns[i].name, row[i]);
  facts.add(table.name, named);
  return {};
}

void set_cell(Facts& facts, const FactTable& table, std::size_t row, std::size_t column,
              const FactValue& value) {
  facts.set(table.name, row, table.columns[column].name, value);
  if (table.name != "request" || table.columns[column].name != "now") return;
  const RequestTime time = request_time(std::get<std::int64_t>(value));
  facts.set("request", row, "weekday", time.weekday);
  facts.set("request", row, "hour", time.hour);
  facts.set("request", row, "minute", time.minute);
}

}  // namespace

Status assume(Facts& facts, std::string_view assumption) {
  const std::size_t name_end = assumption.find_first_of(".[=+");
  if (name_end == std::string_view::npos) return malformed("an assumption names a fact");
  const FactTable* table = find_fact_table(trim(assumption.substr(0, name_end)));
  if (table == nullptr)
    return malformed(fmt::format("there is no fact table '{}'", assumption.substr(0, name_end)));
  std::string_view rest = assumption.substr(name_end);
  if (rest.starts_with('+')) return add_row(facts, *table, rest.substr(1));
  if (rest.starts_with('=')) {
    if (trim(rest.substr(1)) != "none") return malformed("a whole table can only be none");
    facts.clear(table->name);
    facts.know(table->name);
    return {};
  }
  std::optional<std::pair<std::size_t, FactValue>> only;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find("].");
    if (end == std::string_view::npos) return malformed("a ] is missing");
    SLIPWAY_TRY(only, assignment(*table, rest.substr(1, end - 1)));
    rest.remove_prefix(end + 1);
  }
  SLIPWAY_TRY(const auto change, assignment(*table, rest.substr(1)));
  std::size_t changed = 0;
  for (std::size_t row = 0; row < facts.rows(table->name).size(); ++row) {
    if (only && facts.rows(table->name)[row][only->first] != only->second) continue;
    set_cell(facts, *table, row, change.first, change.second);
    ++changed;
  }
  if (changed == 0)
    return malformed(fmt::format("{} has no such row here; add one with {}+COLUMN=VALUE",
                                 table->name, table->name));
  return {};
}

}  // namespace slipway
