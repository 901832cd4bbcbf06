#pragma once

#include <string>

#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// A block device made of a file. It goes with the last that uses it (a mount, or `device`), and the
// file with it when it has no name.
struct LoopDevice {
  Fd device;
  std::string path;  // "/dev/loop7"
};

// Reads and writes of the device pass by the page cache of `file`, where its file system can do
// that, so that nothing is cached twice. Needs root. Errors: unavailable when the kernel has no
// such devices, or they do not appear below /dev; io.
[[nodiscard]] Result<LoopDevice> make_loop_device(const Fd& file);

}  // namespace slipway
