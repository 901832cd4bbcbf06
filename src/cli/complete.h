#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace slipway::cli {

// `slipway __complete WORD...`: what the last of `words` (the one under the cursor, maybe empty)
// can become, one candidate a line, with a tab and a description. A line ":folders" or ":files"
// stands for paths, which the shell knows better. Ids and names come from the server, when one
// runs; a key press never starts one, and never fails.
[[nodiscard]] int complete(Context& context, const std::vector<std::string>& words);

}  // namespace slipway::cli
