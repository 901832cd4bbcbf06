#pragma once

#include <string_view>
#include <vector>

#include "build/toolchain.h"

namespace slipway {

// The installations of tool `name` that this host has, the preferred one (first in PATH) first.
// Asks the tools themselves, behind the shims of version managers; may take a second. Nothing that
// cannot tell its version is named.
[[nodiscard]] std::vector<Toolchain> find_host_toolchains(std::string_view name,
                                                          const EnvVars& host_env);

}  // namespace slipway
