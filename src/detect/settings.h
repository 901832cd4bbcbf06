#pragma once

#include <string>

#include "detect/detect.h"

namespace slipway {

// The text of a slipway.toml for a tree: what `options` (over a slipway.toml that is there already)
// say and detection alone would decide otherwise, and the open questions as comments. Pure.
[[nodiscard]] std::string settings_file(const Tree& tree, const DetectOptions& options);

}  // namespace slipway
