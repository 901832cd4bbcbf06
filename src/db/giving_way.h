#pragma once

#include <vector>

#include "base/result.h"
#include "db/database.h"
#include "model/audit_event.h"
#include "model/release.h"

// What waits for people gives way to what is asked for later only when whoever asks later may take
// it back: they asked for it themselves, or they are a person who may do all that the one who asked
// may. No agent takes back what a person asked for, nor another agent's.
namespace slipway {

// Of `open`, the promotions that wait and end because of `next`. Errors: conflict, when one stays
// and `next` is a promotion; a rollback goes on beside it.
[[nodiscard]] Result<std::vector<Rollout>> giving_way(Database::Session& session,
                                                      const AuditContext& by, const Rollout& next,
                                                      const std::vector<Rollout>& open);

}  // namespace slipway
