#pragma once

#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// Asks an app whether it is ready: one GET over `socket`, whose connect() may still be under way
// (see Dialer). Blocks up to `timeout`. The status code of the answer; errors: unavailable (refused
// or closed without an answer), deadline_exceeded, corrupt (something answers, but not in HTTP).
[[nodiscard]] Result<int> probe_http(Fd socket, std::string_view host, std::string_view path,
                                     Duration timeout);

}  // namespace slipway
