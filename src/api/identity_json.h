#pragma once

#include "db/identity_store.h"
#include "json/json.h"

namespace slipway {

// What narrowing says, without its id. Absent limits are null.
[[nodiscard]] json::object to_json(const Restriction& restriction);
// The members of a request that narrow. `now` is what "ttl_ms" counts from. Errors:
// invalid_argument.
[[nodiscard]] Result<Restriction> restriction_from_json(const json::value& value, Timestamp now);
// A token as lists show it; never its text, which is not known.
[[nodiscard]] json::object to_json(const TokenRecord& record);
// What a token lets its holder do once all of its narrowings are taken together: as a narrowing,
// with the actions that are left of the role.
[[nodiscard]] json::object rights_json(const Principal& holder);
// Who the caller is and what they may do.
[[nodiscard]] json::object to_json(const Principal& principal);

}  // namespace slipway
