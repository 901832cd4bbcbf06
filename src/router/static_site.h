#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "model/deployment.h"
#include "model/manifest.h"
#include "store/blob_store.h"

namespace slipway {

// A static site served from the store: published files by path, fallback page, clean URLs.
// Immutable and shared; compressed variants are made once, in the background, and kept beside the
// blobs.
class StaticSite {
 public:
  // `manifest`'s files become the site's, below "/". Keeps what it needs of it.
  [[nodiscard]] static std::shared_ptr<const StaticSite> create(DeploymentId deployment,
                                                                const Manifest& manifest,
                                                                StaticFallback fallback,
                                                                const BlobStore& blobs);
  virtual ~StaticSite() = default;
  [[nodiscard]] virtual const DeploymentId& deployment() const = 0;
};

}  // namespace slipway
