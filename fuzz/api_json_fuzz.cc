// Bodies and records in JSON: whatever the bytes, reading ends in a value or in a clear error, and
// what was read is written and read again the same.
#include <boost/json/serialize.hpp>
#include <cstdint>
#include <cstdlib>

#include "json/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  const auto value = parse_json(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!value) return 0;
  // A number too large for a double has no JSON form; both forms agree on that.
  if (parse_json(json::serialize(*value)).has_value() != parse_json(pretty(*value)).has_value())
    std::abort();
  std::ignore = error_from_json(*value);
  if (const auto plan = plan_from_json(*value))
    if (plan_from_json(to_json(*plan)) != *plan) std::abort();
  if (const auto deployment = deployment_from_record(*value))
    if (!deployment_from_record(to_record(*deployment))) std::abort();
  return 0;
}
