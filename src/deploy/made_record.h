#pragma once

#include "base/result.h"
#include "model/deployment.h"

namespace slipway {

// Brings into a deployment's record what its pipeline has made of it since it read the record,
// minutes ago. All else belongs to others, who may have changed it meanwhile, and stays. So does
// their verdict on an app that they gave up before it was settled. Errors: conflict when it was
// removed.
[[nodiscard]] Status take_made(Deployment& record, const Deployment& made);

}  // namespace slipway
