#pragma once

#include <span>

#include "identity/restriction.h"

namespace slipway {

// What is left of several narrowings of one token, the first one's first: each must allow. Names
// (label, agent, session, task) are the last that were given; the id is the last one's.
[[nodiscard]] Restriction joined(std::span<const Restriction> steps);

}  // namespace slipway
