#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "db/database.h"

namespace slipway {

// At a start: the uid ranges that sandboxes run with now. One that the records know nothing of
// (they are a restored copy, say) is given to nobody until the next start, which looks again.
// Before anything asks for a range.
[[nodiscard]] Status hold_uid_slots(Database& database, std::span<const std::uint32_t> in_use);

}  // namespace slipway
