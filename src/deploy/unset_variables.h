#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/deployment.h"

namespace slipway {

// Variables that the code of the units reads without a default and nobody set: findings
// "variable_unset" with the place and what breaks. `known` are the names that something sets: the
// environment's configuration, the request, the files of variables that came with the source. Pure.
[[nodiscard]] std::vector<Warning> unset_variables(const std::vector<Unit>& units,
                                                   const std::set<std::string>& known);

// The names that a file of variables sets.
void add_names_of(std::string_view dotenv_text, std::set<std::string>& names);

}  // namespace slipway
