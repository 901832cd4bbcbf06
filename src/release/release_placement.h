#pragma once

#include "deploy/instance_spec.h"
#include "deploy/names.h"
#include "model/release.h"

namespace slipway {

// Where what belongs to a release runs: its environment's range of uids, control group, variables
// and host names. Volumes, the unit's release layer and labels are the caller's. `names` must
// outlive it. Pure.
[[nodiscard]] Placement release_placement(const Names& names, const Release& release);

}  // namespace slipway
