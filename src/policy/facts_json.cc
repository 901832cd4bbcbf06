// The canonical text of a snapshot (RFC 8785) and its inverse.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <utility>
#include <vector>

#include "policy/facts.h"

namespace slipway {
namespace {

namespace json = boost::json;

void write_string(std::string& out, std::string_view text) {
  // Without a branch for each byte, so that many are looked at together.
  bool special = false;
  for (const char c : text)
    special |= (static_cast<unsigned char>(c) < 0x20) | (c == '"') | (c == '\\');
  out += '"';
  if (!special) {
    out += text;
    out += '"';
    return;
  }
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
          out += c;
    }
  }
  out += '"';
}

void write_value(std::string& out, const FactValue& value) {
  if (const auto* text = std::get_if<std::string>(&value))
    write_string(out, *text);
  else if (const auto* number = std::get_if<std::int64_t>(&value))
    out += fmt::format_int(*number).c_str();
  else
    out += "null";
}

// A column's place in its rows, and how its member starts: `"name":`.
struct Member {
  std::size_t at;
  std::string start;
};

// In the order of their names.
std::vector<Member> members_of(const FactTable& table) {
  std::vector<Member> out;
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    out.push_back({i, fmt::format("\"{}\":", table.columns[i].name)});
  std::ranges::sort(out, {}, [&](const Member& one) { return table.columns[one.at].name; });
  return out;
}

void write_row(std::string& out, const std::vector<Member>& members, const FactRow& row) {
  char before = '{';
  for (const Member& member : members) {
    out += std::exchange(before, ',');
    out += member.start;
    write_value(out, row[member.at]);
  }
  out += '}';
}

// Sorted, so that their order says nothing. Appended at once: a thousand findings are a third of a
// megabyte, and each copy of that costs more than writing it.
void write_rows(std::string& out, const FactTable& table, const std::vector<FactRow>& rows) {
  out += '[';
  const std::vector<Member> members = members_of(table);
  if (rows.size() == 1) write_row(out, members, rows.front());
  if (rows.size() > 1) {
    std::string all;
    std::vector<std::size_t> starts;
    starts.reserve(rows.size() + 1);
    for (const FactRow& row : rows) {
      starts.push_back(all.size());
      write_row(all, members, row);
      if (all.capacity() < all.size() * 2 && starts.size() == 8)
        all.reserve(all.size() / 8 * (rows.size() + 8));
    }
    starts.push_back(all.size());
    std::vector<std::string_view> texts;
    texts.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
      texts.push_back(std::string_view(all).substr(starts[i], starts[i + 1] - starts[i]));
    if (!std::ranges::is_sorted(texts)) std::ranges::sort(texts);
    out.reserve(out.size() + all.size() + texts.size() + 2);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (i > 0) out += ',';
      out += texts[i];
    }
  }
  out += ']';
}

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

Result<FactValue> read_value(const FactTable& table, const FactColumn& column,
                             const json::value* value) {
  const bool is_null = value == nullptr || value->is_null();
  if (is_null && column.null == FactNull::possible) return FactValue();
  if (value == nullptr)
    return column.type == FactType::text ? FactValue(std::string()) : FactValue(std::int64_t{0});
  if (const auto* number = value->if_int64(); number != nullptr && column.type == FactType::integer)
    return FactValue(*number);
  if (const auto* text = value->if_string(); text != nullptr && column.type == FactType::text)
    return FactValue(std::string(view(*text)));
  return fail(Errc::invalid_argument,
              fmt::format("snapshot: {}.{} is of another type", table.name, column.name));
}

Status read_rows(const FactTable& table, const json::value& value, Facts& into) {
  const json::array* list = value.if_array();
  if (list == nullptr)
    return fail(Errc::invalid_argument, fmt::format("snapshot: {} is not a list", table.name));
  into.know(table.name);
  for (const json::value& element : *list) {
    const json::object* object = element.if_object();
    if (object == nullptr)
      return fail(Errc::invalid_argument, fmt::format("snapshot: a row of {}", table.name));
    std::vector<FactField> fields;
    for (const FactColumn& column : table.columns) {
      SLIPWAY_TRY(FactValue field, read_value(table, column, object->if_contains(column.name)));
      fields.emplace_back(column.name, std::move(field));
    }
    into.add(table.name, fields);
  }
  return {};
}

}  // namespace

std::string Facts::canonical_json() const {
  std::string out = "{";
  if (!problem_.empty()) {
    out += "\"problem\":";
    write_string(out, problem_);
    out += ',';
  }
  out += "\"tables\":{";
  std::size_t count = 0;
  for (const auto& [name, table] : tables_) {
    if (!table.known) continue;
    if (count++ > 0) out += ',';
    write_string(out, name);
    out += ':';
    write_rows(out, *find_fact_table(name), table.rows);
  }
  out += "},\"unknown\":{";
  count = 0;
  for (const auto& [name, table] : tables_) {
    if (table.known || table.why_unknown.empty()) continue;
    if (count++ > 0) out += ',';
    write_string(out, name);
    out += ':';
    write_string(out, table.why_unknown);
  }
  out += "}}";
  return out;
}

Digest Facts::digest() const { return sha256(canonical_json()); }

Result<Facts> Facts::parse(std::string_view text) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 8;
  const json::value value = json::parse(text, error, {}, options);
  const json::object* root = error ? nullptr : value.if_object();
  const json::value* tables = root == nullptr ? nullptr : root->if_contains("tables");
  if (tables == nullptr || !tables->is_object())
    return fail(Errc::invalid_argument, "a snapshot is an object with the member tables");
  Facts facts;
  for (const auto& [name, rows] : tables->get_object())
    if (const FactTable* table = find_fact_table(name))
      SLIPWAY_CHECK(read_rows(*table, rows, facts));
  if (const json::value* unknown = root->if_contains("unknown"); unknown && unknown->is_object())
    for (const auto& [name, why] : unknown->get_object())
      if (find_fact_table(name) != nullptr && why.is_string())
        facts.unknown(name, std::string(view(why.get_string())));
  if (const json::value* problem = root->if_contains("problem"); problem && problem->is_string())
    facts.poison(std::string(view(problem->get_string())));
  return facts;
}

}  // namespace slipway
