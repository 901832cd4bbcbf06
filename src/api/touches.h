#pragma once

#include "api/context.h"
#include "api/routes.h"

namespace slipway {

// Asks for what the route's row says that the request touches: looks the object up that the path
// names, and whether the caller may do to its project, in its environment, what the route is for.
// Also where a vote answers something other than an approval, and so takes another permission.
// Errors: permission_denied, and what looking up says; of what is out of the caller's reach what it
// says of what does not exist.
[[nodiscard]] Status authorize_touched(const ApiContext& context, ApiCall& call, Touches touches);

// Whether the caller may see a decision. One about no project is the server's: it takes a token
// that reaches all of it, or the one that asked.
[[nodiscard]] Status may_read(const ApiContext& context, const ApiCall& call,
                              const json::object& decision);

// Whether the caller may see the decision that `reference` names: by its id, or the newest one
// about a deployment. Errors: as authorize_touched().
[[nodiscard]] Status authorize_decision(const ApiContext& context, const ApiCall& call,
                                        std::string_view reference);

// Where it takes effect, for who may see it: in every environment when it names none.
[[nodiscard]] std::string_view environment_of(const AlertSubscription& alert);

}  // namespace slipway
