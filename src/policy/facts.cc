#include "policy/facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "policy/utf8.h"

namespace slipway {
namespace {

constexpr std::int64_t largest_exact = std::int64_t{1} << 53;  // of RFC 8785's numbers

const FactValue null_value;

// Most texts are, and those are kept as they are. Not so one with a NUL.
bool is_ascii(std::string_view text) {
  bool other = false;
  for (const char c : text) other |= (static_cast<unsigned char>(c) - 1U) >= 0x7fU;
  return !other;
}

bool fits(const FactColumn& column, const FactValue& value) {
  switch (value.index()) {
    case 0:
      return column.null == FactNull::possible;
    case 1:
      return column.type == FactType::integer &&
             std::abs(std::get<std::int64_t>(value)) <= largest_exact;
    default:
      return column.type == FactType::text;
  }
}

}  // namespace

void Facts::poison(std::string what) {
  if (problem_.empty()) problem_ = std::move(what);
}

Facts& Facts::add(std::string_view table, std::initializer_list<FactField> fields) {
  return add(table, std::span(fields.begin(), fields.size()));
}

Facts& Facts::add(std::string_view table, std::span<const FactField> fields) {
  const FactTable* spec = find_fact_table(table);
  if (spec == nullptr) {
    poison(fmt::format("there is no fact table '{}'", table));
    return *this;
  }
  FactRow row(spec->columns.size());
  for (const FactField& field : fields) {
    const auto column = find_column(*spec, field.column);
    if (!column) {
      poison(fmt::format("fact table {} has no column '{}'", spec->name, field.column));
      return *this;
    }
    row[*column] = field.value;
    if (auto* text = std::get_if<std::string>(&row[*column]); text != nullptr && !is_ascii(*text))
      *text = to_utf8(*text);
  }
  for (std::size_t i = 0; i < row.size(); ++i)
    if (!fits(spec->columns[i], row[i]))
      poison(fmt::format("fact {}.{} cannot be {}", spec->name, spec->columns[i].name,
                         to_text(row[i])));
  Table& into = tables_.try_emplace(std::string(spec->name)).first->second;
  if (spec->rows == FactRows::one && !into.rows.empty())
    poison(fmt::format("fact table {} has more than one row", spec->name));
  into.known = true;
  into.rows.push_back(std::move(row));
  return *this;
}

Facts& Facts::know(std::string_view table) {
  const FactTable* spec = find_fact_table(table);
  if (spec == nullptr)
    poison(fmt::format("there is no fact table '{}'", table));
  else
    tables_[std::string(spec->name)].known = true;
  return *this;
}

Facts& Facts::know_all() {
  for (const FactTable& table : fact_tables()) know(table.name);
  return *this;
}

Facts& Facts::unknown(std::string_view table, std::string why) {
  const FactTable* spec = find_fact_table(table);
  if (spec == nullptr)
    poison(fmt::format("there is no fact table '{}'", table));
  else
    tables_[std::string(spec->name)] = {.why_unknown = to_utf8(why)};
  return *this;
}

bool Facts::is_known(std::string_view table) const {
  const auto found = tables_.find(table);
  return found != tables_.end() && found->second.known;
}

std::string Facts::why_unknown(std::string_view table) const {
  const auto found = tables_.find(table);
  return found == tables_.end() ? std::string() : found->second.why_unknown;
}

const std::vector<FactRow>& Facts::rows(std::string_view table) const {
  static const std::vector<FactRow> none;
  const auto found = tables_.find(table);
  return found == tables_.end() ? none : found->second.rows;
}

const FactValue& Facts::first(std::string_view table, std::string_view column) const {
  const FactTable* spec = find_fact_table(table);
  const auto& all = rows(table);
  if (spec == nullptr || all.empty()) return null_value;
  const auto at = find_column(*spec, column);
  return at ? all.front()[*at] : null_value;
}

std::string Facts::text(std::string_view table, std::string_view column) const {
  const auto* text = std::get_if<std::string>(&first(table, column));
  return text == nullptr ? std::string() : *text;
}

std::int64_t Facts::number(std::string_view table, std::string_view column) const {
  const auto* number = std::get_if<std::int64_t>(&first(table, column));
  return number == nullptr ? 0 : *number;
}

void Facts::set(std::string_view table, std::size_t row, std::string_view column, FactValue value) {
  const FactTable* spec = find_fact_table(table);
  const auto found = tables_.find(table);
  if (spec == nullptr || found == tables_.end() || row >= found->second.rows.size()) return;
  const auto at = find_column(*spec, column);
  if (!at) return;
  if (!fits(spec->columns[*at], value))
    poison(fmt::format("fact {}.{} cannot be {}", spec->name, column, to_text(value)));
  found->second.rows[row][*at] = std::move(value);
}

void Facts::erase(std::string_view table, std::size_t row) {
  const auto found = tables_.find(table);
  if (found == tables_.end() || row >= found->second.rows.size()) return;
  found->second.rows.erase(found->second.rows.begin() + static_cast<std::ptrdiff_t>(row));
}

void Facts::clear(std::string_view table) {
  if (const auto found = tables_.find(table); found != tables_.end()) found->second.rows.clear();
}

std::string to_text(const FactValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return "NULL";
}

RequestTime request_time(std::int64_t unix_seconds) {
  using namespace std::chrono;
  const sys_seconds at{seconds(unix_seconds)};
  const auto day = floor<days>(at);
  const hh_mm_ss time(at - day);
  return {unix_seconds, static_cast<std::int64_t>(weekday(day).iso_encoding()),
          time.hours().count(), time.minutes().count()};
}

}  // namespace slipway
