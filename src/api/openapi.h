#pragma once

#include <span>

#include "api/routes.h"

namespace slipway {

// The OpenAPI 3.1 description of the table that dispatches.
[[nodiscard]] json::object openapi_document(std::span<const ApiRoute> routes);

}  // namespace slipway
