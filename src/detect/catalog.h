#pragma once

#include <string>

namespace slipway {

// Everything that is detected, as the Markdown of docs/detection.md: made from the detectors' own
// tables, so that it cannot lag behind them.
[[nodiscard]] std::string detection_catalog();

}  // namespace slipway
