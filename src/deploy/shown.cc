#include "deploy/shown.h"

namespace slipway {

Status compare_with_shown(Deployment& deployment, const Manifest& source, Repository& repository,
                          const BlobStore& blobs) {
  SLIPWAY_TRY(const std::optional<Deployment> shown,
              repository.last_shown(deployment.project, deployment.alias, deployment.id));
  auto before = std::make_shared<const Manifest>();
  deployment.base = {};
  if (shown) {
    deployment.base = shown->id;
    // Without the old files everything counts as new, which is the careful way.
    if (auto read = blobs.read_manifest(shown->source)) before = *std::move(read);
  }
  deployment.changed = diff(*before, source);
  return {};
}

}  // namespace slipway
