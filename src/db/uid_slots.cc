#include "db/uid_slots.h"

#include <fmt/format.h>

namespace slipway {

Status hold_uid_slots(Database& database, std::span<const std::uint32_t> in_use) {
  return database.transaction([&](Database::Transaction& session) -> Status {
    SLIPWAY_TRY(Statement forget,
                session.prepare("DELETE FROM uid_slot WHERE environment LIKE 'live:%'"));
    SLIPWAY_CHECK(forget.run());
    for (const std::uint32_t slot : in_use) {
      SLIPWAY_TRY(Statement hold,
                  session.prepare("INSERT OR IGNORE INTO uid_slot(environment,slot) VALUES(?,?)"));
      SLIPWAY_CHECK(hold.bind(1, fmt::format("live:{}", slot))
                        .bind(2, static_cast<std::int64_t>(slot))
                        .run());
    }
    return {};
  });
}

}  // namespace slipway
