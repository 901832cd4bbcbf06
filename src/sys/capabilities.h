#pragma once

#include "base/result.h"

namespace slipway {

// Leaves the calling thread, root, nothing but reading, writing and giving away files: no mounts,
// no roots, no network or other namespaces, no way back by a program it runs. For those that look
// at files of strangers.
[[nodiscard]] Status keep_only_file_powers();

}  // namespace slipway
