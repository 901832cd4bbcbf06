#pragma once

#include <list>
#include <memory>
#include <utility>

#include "base/digest.h"
#include "base/mutex.h"
#include "model/manifest.h"

namespace slipway {

// The manifests that were used last, by digest, as long as they fit in memory: one deploy of a tree
// with thousands of files asks for the same one or two half a dozen times. Thread-safe.
class ManifestCache {
 public:
  // Null when it is not here.
  [[nodiscard]] std::shared_ptr<const Manifest> find(const Digest& digest);
  // Gives it back, kept or, when it is too large, not.
  std::shared_ptr<const Manifest> keep(const Digest& digest, Manifest manifest);

 private:
  struct Kept {
    Digest digest;
    std::shared_ptr<const Manifest> manifest;
    std::size_t bytes = 0;
  };
  Mutex mutex_;
  std::list<Kept> kept_ SLIPWAY_GUARDED_BY(mutex_);  // the one used last in front
  std::size_t bytes_ SLIPWAY_GUARDED_BY(mutex_) = 0;
};

}  // namespace slipway
