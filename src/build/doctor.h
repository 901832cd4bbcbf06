#pragma once

#include <vector>

#include "engine/doctor.h"
#include "model/deployment.h"

namespace slipway {

// What builds need of the host, for `slipway doctor`. Both ask the tools themselves, so that the
// host's own settings (mirror, proxy, CA bundle) are what is tested. `host_env` is the environment
// the server is started with.

// Which toolchains there are. A missing one is a warning at most: others are fetched, and most apps
// need one of them only. Takes up to some seconds.
[[nodiscard]] std::vector<HostCheck> check_toolchains(const EnvVars& host_env);
// Whether the package registries answer, for the tools that are there; all at once, each for up to
// `time_limit`.
[[nodiscard]] std::vector<HostCheck> check_registries(const EnvVars& host_env, Duration time_limit);

}  // namespace slipway
