#pragma once

#include <string_view>

namespace slipway {

// The name under which a Python module is published, when that differs from its import name.
[[nodiscard]] std::string_view python_package(std::string_view import_name);

}  // namespace slipway
