#pragma once

#include <functional>

#include "router/exchange.h"

namespace slipway {

// Runs `work`, which reads from the disk or computes for long, on a thread that is not the event
// loop's, and returns when it is done; the client may have gone by then. Of one `key` one runs at a
// time, so that nobody's many requests take all the threads. False: too much waits already, nothing
// ran.
[[nodiscard]] Task<bool> run_off_loop(Exchange& exchange, std::string key,
                                      std::function<void()> work);

}  // namespace slipway
