#pragma once

#include "api/context.h"
#include "api/routes.h"

namespace slipway {

// Asks for what the route's row says that the request touches: looks the object up that the path
// names, and whether the caller may do to its project, in its environment, what the route is for.
// Also where a vote answers something other than an approval, and so takes another permission.
// Errors: permission_denied, and what looking up says.
[[nodiscard]] Status authorize_touched(const ApiContext& context, ApiCall& call, Touches touches);

// Whether the caller may see a decision. One about no project is the server's: it takes a token
// that reaches all of it, or the one that asked.
[[nodiscard]] Status may_read(const ApiContext& context, const ApiCall& call,
                              const json::object& decision);

// Where an approval takes effect, for who may see it and vote: in every environment when it names
// none; on the whole server when it names no project.
[[nodiscard]] std::string_view environment_of(const ApprovalRequest& request);
[[nodiscard]] std::string_view environment_of(const AlertSubscription& alert);

}  // namespace slipway
