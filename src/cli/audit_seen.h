#pragma once

#include "audit/export.h"
#include "cli/command.h"

namespace slipway::cli {

// That an export which does not reach what this user has seen of its log (it ends before, or begins
// behind) is of the same history: by a proof of consistency, asked of the server that is in use
// when that one runs and keeps this log. The proof is checked here, so the server need not be
// trusted. Errors: corrupt when the histories differ; unavailable when nobody could be asked, so
// that nothing is known.
[[nodiscard]] Status prove_same_history(Context& context, const ExportSummary& exported,
                                        const Checkpoint& seen);

}  // namespace slipway::cli
