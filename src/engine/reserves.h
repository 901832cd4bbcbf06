#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/limiter.h"
#include "sys/cgroup.h"

namespace slipway {

// Which class the sandboxes of a group are of.
[[nodiscard]] WorkClass class_of_group(std::string_view group);

// The control groups of sandboxes, and what production keeps whatever builds and previews do:
//
//   slipway                   all memory but the server's and the host's share
//   slipway/production        1000 parts of CPU and disk time
//   slipway/shared            150, and all memory but production's share
//   slipway/shared/previews   100 of those
//   slipway/shared/builds     50
//
// What each control group version can do is in docs/isolation.md.

// The group of a sandbox of this kind: "production", "previews", "builds", or a test's own.
[[nodiscard]] std::string sandbox_group(std::string_view kind, std::string_view id);

// Parts of the machine's memory, in percent.
struct MemoryReserves {
  std::uint32_t production = 20;  // that builds and previews together never get
  std::uint32_t host = 10;        // that no sandbox gets: the server's, and the host's own
};

// Makes the groups. Best effort: what this host cannot do is logged, and the rest holds.
void reserve_for_production(const CgroupTree& groups, const MemoryReserves& memory);

// How likely the kernel ends a process of this group when the machine runs out of memory, from 0:
// the server is below all of them.
[[nodiscard]] int oom_score_of_group(std::string_view group);
inline constexpr int server_oom_score = -500;

}  // namespace slipway
