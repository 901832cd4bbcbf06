#pragma once

#include "api/context.h"

namespace slipway {

// Names of projects that `name` may have been meant to be, the nearest first: of those that the
// caller may speak of.
[[nodiscard]] Result<std::vector<std::string>> similar_projects(const ApiContext& context,
                                                                const ApiCall& call,
                                                                std::string_view name);
// Errors: not_found, with the names that may have been meant, when there is no such project.
[[nodiscard]] Status must_exist(const ApiContext& context, const ApiCall& call,
                                std::string_view project);

}  // namespace slipway
