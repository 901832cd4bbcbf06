#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <optional>

#include "base/result.h"

namespace slipway {

// How many descriptors this process may have open.
struct DescriptorLimit {
  std::uint64_t was = 0;  // before it was raised
  std::uint64_t now = 0;
};

// Raises the soft limit to the hard one, for the process. Programs that spawn() starts from then on
// get the one that was there before: some walk through all descriptors that they might have, or
// know no number above 1,023.
[[nodiscard]] Result<DescriptorLimit> raise_descriptor_limit();
// What such programs get; nothing when nothing was raised.
[[nodiscard]] std::optional<rlimit> descriptor_limit_of_children();

}  // namespace slipway
