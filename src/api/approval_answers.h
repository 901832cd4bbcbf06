#pragma once

#include "api/context.h"

namespace slipway {

// A request for approval as the caller may see it: plain values of variables readable where the
// caller may read that environment's, null elsewhere; of secrets a fingerprint.
[[nodiscard]] json::object approval_answer(const ApiContext& context, const ApiCall& call,
                                           const ApprovalRequest& request);
// What was closed within a day without being approved, as far as the caller may see it, the newest
// first. Of the caller's own and of what was asked on their behalf the newest 200 of each, so that
// nobody's requests hide another's.
[[nodiscard]] Result<std::vector<ApprovalRequest>> refused_of_caller(const ApiContext& context,
                                                                     const ApiCall& call,
                                                                     const std::string& project);
// The same of one resource, whoever asked: the newest 200.
[[nodiscard]] Result<std::vector<ApprovalRequest>> refused_about(const ApiContext& context,
                                                                 const ApiCall& call,
                                                                 const std::string& resource);

}  // namespace slipway
