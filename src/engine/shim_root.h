#pragma once

#include "base/result.h"
#include "engine/shim_job.h"

namespace slipway {

// Builds the sandbox's root at "<stage>/root" in the calling process's own mount namespace, and
// leaves a directory "<stage>/bundle" for the runtime. Single-threaded callers only; what it mounts
// goes when the namespace goes.
//
//   /            a small tmpfs of Slipway's own, read-only once inside: names, users, resolver
//   /usr, ...    the host's, read-only; files only root may read stay unreadable
//   /etc/...     a fixed list of harmless host files (CA certificates, linker cache, alternatives)
//   /app         "app" of the overlay of layers and upper
//   /home/app    "home/app" of it
//
// Only those two directories of a layer are ever shown, resolved without following a link, so a
// layer that carries its own /dev, /proc or /etc has no say.
// `image`, when valid, is a mount (see mount_image) where the upper lies instead.
[[nodiscard]] Status assemble_root(const ShimJob& job, Fd image);

}  // namespace slipway
