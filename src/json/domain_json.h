#pragma once

#include "base/result.h"
#include "json/json.h"
#include "model/domain.h"

namespace slipway {

// With "challenge": {"name", "type", "value"}: the record that proves it.
[[nodiscard]] json::object to_json(const Domain& domain);
[[nodiscard]] Result<Domain> domain_from_json(const json::value& value);

}  // namespace slipway
