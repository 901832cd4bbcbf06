// Audit records: whatever the bytes, reading ends in a record that is written again as the same
// bytes, or in an error. A member that this version does not know is the one exception.
#include <cstdint>
#include <cstdlib>

#include "audit/canonical.h"
#include "audit/record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto value = parse_canonical(text))
    if (canonical_json(*value).value() != text) std::abort();
  const auto record = parse_audit_record(text);
  if (!record) return 0;
  const auto again = canonical_record(*record);
  if (!again) std::abort();
  if (!parse_audit_record(*again)) std::abort();
  return 0;
}
