#pragma once

#include <optional>

#include "base/result.h"
#include "engine/shim_job.h"

namespace slipway {

// Moves the calling process into a network namespace of its own, for the runtime to inherit: with
// loopback, and with a pair of devices to the host when `network` is given. Low ports are open to
// everybody inside, since nobody there has capabilities. IPv6 has loopback only.
[[nodiscard]] Status make_shim_network(const std::optional<NetworkJob>& network);

}  // namespace slipway
