#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "model/deployment.h"
#include "router/route_table.h"

namespace slipway {

// The target of a unit's host: `target`, or that together with the paths that the unit's plan gives
// to other services (Service::proxies), which are asked for at their own hosts, named by `host_of`.
[[nodiscard]] RouteTarget with_path_rules(
    const Deployment& deployment, const Unit& unit, RouteTarget target,
    const std::function<std::string(std::string_view label)>& host_of);

}  // namespace slipway
