#pragma once

#include <string>

#include "db/repository.h"
#include "deploy/fleet.h"
#include "deploy/pipeline.h"
#include "router/router.h"

namespace slipway {

// The server's figures in the Prometheus text format. Names start with slipway_, units are in the
// names.
[[nodiscard]] std::string metrics_text(const Router::Counters& router, const Fleet::Counts& fleet,
                                       const Pipeline::Counts& pipeline, std::size_t routes);

}  // namespace slipway
