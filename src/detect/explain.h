#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/plan.h"

namespace slipway {

// The fields of a service that can be asked about: "start", "runtime", "env", ...
[[nodiscard]] std::span<const std::string_view> explainable_fields();

// Why one field of each service is what it is: its value, the files and lines that decided, what
// else was possible and how to say otherwise. Plain text, safe for a terminal. Errors:
// invalid_argument for a field that there is not.
[[nodiscard]] Result<std::string> explain(const Plan& plan, std::string_view field);

// Gives each piece of evidence the field that it decides.
void name_fields(Service& service);

}  // namespace slipway
