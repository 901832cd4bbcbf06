#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "model/deployment.h"
#include "router/static_site.h"
#include "store/blob_store.h"

namespace slipway {

// The static sites of live deployments: one object for each, whichever routes lead to it, so that
// its use is counted in one place. Keeps little of a site that nobody looks at. Thread-safe. What
// it is given must outlive it.
class Sites {
 public:
  Sites(const BlobStore& blobs, const Clock& clock) : blobs_(blobs), clock_(clock) {}

  // The site of a deployment's unit (its label; empty for the only one), made at the first call.
  // `manifest` is the blob that lists its files; where it holds names of other services, each place
  // that it is served at (each `wires`) has a site of its own.
  [[nodiscard]] std::shared_ptr<const StaticSite> get(const DeploymentId& id,
                                                      std::string_view label,
                                                      const Digest& manifest,
                                                      StaticFallback fallback,
                                                      FilledWires wires = {});
  // Of a deployment that is live no more; unknown is fine.
  void forget(const DeploymentId& id);

  // When one of the deployment's sites was last asked for, or became known (monotonic). Nothing
  // when it has none.
  [[nodiscard]] std::optional<Duration> last_used(const DeploymentId& id) const;
  // Frees the file lists of sites that nobody asked for since; returns how many.
  std::size_t drop_unused_since(Duration since);

 private:
  struct Entry {
    std::string label;
    FilledWires wires;
    std::shared_ptr<const StaticSite> site;
  };
  using ByLabel = std::vector<Entry>;

  const BlobStore& blobs_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::unordered_map<DeploymentId, ByLabel> sites_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
