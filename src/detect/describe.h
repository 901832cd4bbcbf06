#pragma once

#include <string>

#include "model/plan.h"

namespace slipway {

// The account of a plan that `slipway detect` prints for people: what will run, why and from which
// line, what lost, what is asked, what to mend. Plain text that ends with a line break; everything
// that came from the project is made safe for a terminal.
[[nodiscard]] std::string describe(const Plan& plan);

}  // namespace slipway
