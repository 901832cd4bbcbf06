#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "deploy/names.h"
#include "model/deployment.h"
#include "model/wires.h"

namespace slipway {

// What a unit's build is told of the other services: names that stand for their addresses, the same
// in every deployment, so that equal inputs are built once and one artifact serves everywhere.
[[nodiscard]] EnvVars build_wires(const Deployment& deployment, const Unit& unit);

// What those names stand for where the unit runs; `host_of` names the host of a unit by its label.
// Empty when the artifact holds none.
[[nodiscard]] FilledWires run_wires(
    const Deployment& deployment, const Unit& unit, const Names& names,
    const std::function<std::string(std::string_view label)>& host_of);

// Shell commands that fill them in, to run before the unit's start command; "" when there is
// nothing to fill in.
[[nodiscard]] std::string wire_script(const FilledWires& wires);

}  // namespace slipway
