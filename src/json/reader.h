#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace slipway {

namespace json = boost::json;

// Reads members of a JSON object into plain values and remembers the first thing that was wrong,
// named by its path ("services[0].port"). Absent and null members leave the target alone. Not
// thread-safe; the value must outlive it.
class JsonReader {
 public:
  // Anything but an object is the first error.
  explicit JsonReader(const json::value& value, std::string path = {});

  JsonReader& read(std::string_view name, std::string& out);
  JsonReader& read(std::string_view name, bool& out);
  JsonReader& read(std::string_view name, int& out);
  JsonReader& read(std::string_view name, std::int64_t& out);
  JsonReader& read(std::string_view name, std::uint64_t& out);
  JsonReader& read(std::string_view name, double& out);
  JsonReader& read(std::string_view name, std::vector<std::string>& out);
  JsonReader& read(std::string_view name, std::map<std::string, std::string>& out);
  JsonReader& read(std::string_view name, std::map<std::string, std::int64_t>& out);
  JsonReader& read(std::string_view name, Timestamp& out);

  template <class T>
  JsonReader& read(std::string_view name, std::optional<T>& out) {
    const json::value* member = find(name);
    if (member == nullptr || member->is_null()) return *this;
    T value{};
    read(name, value);
    out = std::move(value);
    return *this;
  }

  // Each element of an array through `parse(const json::value&) -> Result<T>`.
  template <class T, class Parse>
  JsonReader& read_each(std::string_view name, std::vector<T>& out, Parse&& parse) {
    for (const json::value& element : array(name)) {
      Result<T> parsed = parse(element);
      if (!parsed) return note(parsed.error().message);
      out.push_back(*std::move(parsed));
    }
    return *this;
  }

  // The member must be there and not null.
  JsonReader& require(std::string_view name);
  // An error of the caller's own about the member.
  JsonReader& wrong(std::string_view name, std::string_view expected);
  // The member, or null.
  [[nodiscard]] const json::value* find(std::string_view name) const;
  // ok, or invalid_argument with the first problem.
  [[nodiscard]] Status status() const;

 private:
  [[nodiscard]] const json::array& array(std::string_view name);
  JsonReader& note(std::string problem);

  const json::object* object_ = nullptr;
  std::string path_;
  std::string problem_;
};

}  // namespace slipway
