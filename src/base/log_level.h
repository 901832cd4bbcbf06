#pragma once

#include "base/log.h"

namespace slipway {

// For a reload of the configuration. Thread-safe.
void set_log_level(LogLevel least);

}  // namespace slipway
