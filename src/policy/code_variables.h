#pragma once

#include <string_view>

namespace slipway {

// Whether an environment variable of this name makes a runtime, a loader or a shell run code that
// is not the app's: setting it is as good as deploying something. For the column
// config_change.loads_code.
[[nodiscard]] bool loads_code(std::string_view name);

}  // namespace slipway
