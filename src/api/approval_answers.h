#pragma once

#include "api/context.h"

namespace slipway {

// A request for approval as the caller may see it: plain values of variables readable where the
// caller may read that environment's, null elsewhere; of secrets a fingerprint.
[[nodiscard]] json::object approval_answer(const ApiContext& context, const ApiCall& call,
                                           const ApprovalRequest& request);
// The newest requests of a project ("": of all) that were closed within a day without being
// approved.
[[nodiscard]] Result<std::vector<ApprovalRequest>> refused_lately(const ApiContext& context,
                                                                  const std::string& project);
// Whether the caller asked for it, or somebody on their behalf.
[[nodiscard]] bool asked_by_caller(const ApiCall& call, const ApprovalRequest& request);

}  // namespace slipway
