#pragma once

#include <string_view>

#include "api/context.h"

namespace slipway {

// Whether the caller and the policies allow going back to a snapshot of an environment's volumes,
// by whatever way: `how` is "by hand" or "with a rollback". The context with the decision in it.
[[nodiscard]] Result<AuditContext> allow_restore(const ApiContext& context, const ApiCall& call,
                                                 std::string_view project,
                                                 std::string_view environment,
                                                 std::string_view snapshot, std::string_view how);

}  // namespace slipway
