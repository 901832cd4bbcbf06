#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sys/cgroup.h"

namespace slipway {

// The control groups of sandboxes, and what production keeps whatever builds and previews do:
//
//   slipway/production        1000 parts of CPU and disk time
//   slipway/shared            150, and all memory but production's share
//   slipway/shared/previews   100 of those
//   slipway/shared/builds     50
//
// What each control group version can do is in docs/isolation.md.

// The group of a sandbox of this kind: "production", "previews", "builds", or a test's own.
[[nodiscard]] std::string sandbox_group(std::string_view kind, std::string_view id);

// Makes the groups. `memory_percent` of the machine's memory is production's. Best effort: what
// this host cannot do is logged, and the rest holds.
void reserve_for_production(const CgroupTree& groups, std::uint32_t memory_percent);

}  // namespace slipway
