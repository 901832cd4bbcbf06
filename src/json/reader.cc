#include "json/reader.h"

#include <limits>

#include "json/json.h"

namespace slipway {

JsonReader::JsonReader(const json::value& value, std::string path)
    : object_(value.if_object()), path_(std::move(path)) {
  if (object_ == nullptr)
    note(path_.empty() ? "expected a JSON object" : path_ + " must be an object");
}

const json::value* JsonReader::find(std::string_view name) const {
  return object_ == nullptr ? nullptr : object_->if_contains(name);
}

JsonReader& JsonReader::note(std::string problem) {
  if (problem_.empty()) problem_ = std::move(problem);
  return *this;
}

JsonReader& JsonReader::wrong(std::string_view name, std::string_view expected) {
  return note(fmt::format("{}{}{} must be {}", path_, path_.empty() ? "" : ".", name, expected));
}

JsonReader& JsonReader::require(std::string_view name) {
  const json::value* member = find(name);
  if (object_ != nullptr && (member == nullptr || member->is_null()))
    note(fmt::format("{}{}{} is missing", path_, path_.empty() ? "" : ".", name));
  return *this;
}

JsonReader& JsonReader::read(std::string_view name, std::string& out) {
  const json::value* member = find(name);
  if (member == nullptr || member->is_null()) return *this;
  if (!member->is_string()) return wrong(name, "a string");
  out = member->as_string();
  return *this;
}

JsonReader& JsonReader::read(std::string_view name, bool& out) {
  const json::value* member = find(name);
  if (member == nullptr || member->is_null()) return *this;
  if (!member->is_bool()) return wrong(name, "true or false");
  out = member->as_bool();
  return *this;
}

JsonReader& JsonReader::read(std::string_view name, std::int64_t& out) {
  const json::value* member = find(name);
  if (member == nullptr || member->is_null()) return *this;
  boost::system::error_code error;
  const auto number = member->is_number() ? member->to_number<std::int64_t>(error) : 0;
  if (!member->is_number() || error) return wrong(name, "a whole number");
  out = number;
  return *this;
}

JsonReader& JsonReader::read(std::string_view name, int& out) {
  std::int64_t number = out;
  read(name, number);
  if (number < std::numeric_limits<int>::min() || number > std::numeric_limits<int>::max())
    return wrong(name, "a smaller number");
  out = static_cast<int>(number);
  return *this;
}

JsonReader& JsonReader::read(std::string_view name, std::uint64_t& out) {
  const json::value* member = find(name);
  if (member == nullptr || member->is_null()) return *this;
  boost::system::error_code error;
  const auto number = member->is_number() ? member->to_number<std::uint64_t>(error) : 0;
  if (!member->is_number() || error) return wrong(name, "a whole number, not negative");
  out = number;
  return *this;
}

JsonReader& JsonReader::read(std::string_view name, double& out) {
  const json::value* member = find(name);
  if (member == nullptr || member->is_null()) return *this;
  boost::system::error_code error;
  const double number = member->is_number() ? member->to_number<double>(error) : 0;
  if (!member->is_number() || error) return wrong(name, "a number");
  out = number;
  return *this;
}

JsonReader& JsonReader::read(std::string_view name, std::vector<std::string>& out) {
  for (const json::value& element : array(name)) {
    if (!element.is_string()) return wrong(name, "a list of strings");
    out.emplace_back(element.as_string());
  }
  return *this;
}

JsonReader& JsonReader::read(std::string_view name, std::map<std::string, std::string>& out) {
  const json::value* member = find(name);
  if (member == nullptr || member->is_null()) return *this;
  if (!member->is_object()) return wrong(name, "an object of strings");
  for (const auto& [key, value] : member->as_object()) {
    if (!value.is_string()) return wrong(name, "an object of strings");
    out.insert_or_assign(std::string(key), std::string(value.as_string()));
  }
  return *this;
}

JsonReader& JsonReader::read(std::string_view name, std::map<std::string, std::int64_t>& out) {
  const json::value* member = find(name);
  if (member == nullptr || member->is_null()) return *this;
  if (!member->is_object()) return wrong(name, "an object of numbers");
  for (const auto& [key, value] : member->as_object()) {
    boost::system::error_code error;
    const auto number = value.is_number() ? value.to_number<std::int64_t>(error) : 0;
    if (!value.is_number() || error) return wrong(name, "an object of whole numbers");
    out.insert_or_assign(std::string(key), number);
  }
  return *this;
}

JsonReader& JsonReader::read(std::string_view name, Timestamp& out) {
  std::string text;
  read(name, text);
  if (text.empty()) return *this;
  const auto parsed = parse_rfc3339(text);
  if (!parsed) return wrong(name, "a time such as 2026-01-02T03:04:05Z");
  out = *parsed;
  return *this;
}

const json::array& JsonReader::array(std::string_view name) {
  static const json::array empty;
  const json::value* member = find(name);
  if (member == nullptr || member->is_null()) return empty;
  if (!member->is_array()) {
    wrong(name, "a list");
    return empty;
  }
  return member->as_array();
}

Status JsonReader::status() const {
  if (problem_.empty()) return {};
  return fail(Errc::invalid_argument, problem_);
}

}  // namespace slipway
