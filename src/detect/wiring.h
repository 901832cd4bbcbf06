#pragma once

#include <vector>

#include "detect/project.h"

namespace slipway::detection {

// What a service is to the others: a page people open, an interface that pages talk to, or a
// process that answers nobody.
enum class Role { page, interface, process };
[[nodiscard]] Role role_of(const Service& service);

// Finds how the services of one plan refer to each other, once their names are final: variables
// whose name or default says so, development proxies of pages, and what other files listed.
// References to services that are not in the plan are dropped; `needs` has no cycle afterwards.
void wire_services(const Project& project, std::vector<Service>& services);

// Pages that call http://localhost:… from the browser: in a deployment that is the visitor's own
// machine.
void find_fixed_addresses(const Project& project, const std::vector<Service>& services,
                          std::vector<Warning>& warnings);

}  // namespace slipway::detection
