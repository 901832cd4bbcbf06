#pragma once

#include "db/repository.h"
#include "model/deployment.h"
#include "store/blob_store.h"

namespace slipway {

// Fills `base` and `changed`: how the deployment, whose files are `source`, differs from what its
// alias showed last. An attempt that was refused, that waits, failed or was canceled has never been
// shown, so that asking twice changes no answer. What was removed is shown no more.
[[nodiscard]] Status compare_with_shown(Deployment& deployment, const Manifest& source,
                                        Repository& repository, const BlobStore& blobs);

}  // namespace slipway
