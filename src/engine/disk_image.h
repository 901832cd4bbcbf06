#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "engine/engine.h"
#include "sys/disk_use.h"
#include "sys/fd.h"

namespace slipway {

// The disk of a sandbox whose files are to go with it: a file system of its own in a file without a
// name. It is as large as the limit, so the kernel says "no space left" at the write that would
// pass it, to blocks and inodes alike, and nobody has to look. The file is sparse: it takes what is
// written, and gives back what is deleted.

// What `disk_bytes` allows: those bytes, and a file for each 8 KiB of them, 16,384 at the least.
[[nodiscard]] DiskSpace disk_limit(std::uint64_t disk_bytes);

// Makes `blank`, an empty file system with that much room, which each sandbox gets a copy of (a few
// dozen KiB). Errors: failed_precondition when mkfs.ext4 is missing; io.
[[nodiscard]] Status make_blank_image(const std::filesystem::path& blank, const DiskSpace& room);

// A mount, attached nowhere yet, of a copy of `blank`, which lies in the same directory. The copy
// goes with the last that holds the mount. Milliseconds. Errors: unavailable when there are no loop
// devices; io.
[[nodiscard]] Result<Fd> mount_image(const std::filesystem::path& blank);

// Makes the directories that an overlay with this base writes to; those of that name in `parent`
// may be there already.
[[nodiscard]] Status make_upper(const Fd& parent, const std::string& upper, const std::string& work,
                                SandboxRoot::Base base);

}  // namespace slipway
