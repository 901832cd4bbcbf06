#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/deployment.h"

namespace slipway {

// Executables called `name` in the PATH of `host_env`, in its order, each real file once.
[[nodiscard]] std::vector<std::filesystem::path> find_on_path(const EnvVars& host_env,
                                                              std::string_view name);

// Runs a program of the host's (a toolchain, to ask its version; never a project's code) in "/"
// and gives what it wrote to stdout, up to 64 KiB. Errors: failed_precondition when it failed,
// deadline_exceeded when it was killed for taking longer than `time_limit`.
[[nodiscard]] Result<std::string> host_output(const std::vector<std::string>& argv,
                                              const EnvVars& host_env, Duration time_limit);

}  // namespace slipway
