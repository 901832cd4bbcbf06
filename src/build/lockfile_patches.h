#pragma once

#include <vector>

#include "model/deployment.h"
#include "store/blob_store.h"

namespace slipway {

// Lockfiles of a source that name a registry of somebody's own (repair/lockfile_hosts.h), as the
// install is to see them: their entries, with blobs of the changed text; and a finding for each.
struct LockfilePatches {
  Manifest manifest;
  std::vector<Warning> findings;
};
[[nodiscard]] Result<LockfilePatches> patch_lockfiles(const Manifest& source, BlobStore& blobs,
                                                      const EnvVars& registry_settings);

}  // namespace slipway
