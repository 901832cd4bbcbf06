#pragma once

#include "base/result.h"

namespace slipway {

// Leaves the calling thread, root, nothing but reading, writing and giving away files by their
// names: no mounts, no roots, no sockets, no namespaces, no programs, and nothing of other
// processes, though they are root's too. For those that look at files of strangers.
[[nodiscard]] Status keep_only_file_powers();

}  // namespace slipway
