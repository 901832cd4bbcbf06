#pragma once

#include <string_view>

namespace slipway {

// What a name of an environment counts as, wherever that is asked: in rules' facts, for roles, for
// what a token is narrowed to. Production and staging are
// themselves; previews, and every environment that somebody made up ("qa"), are "preview": like
// previews they serve nobody outside, and a name alone does not tell one from the other.
[[nodiscard]] std::string_view environment_class(std::string_view environment);

}  // namespace slipway
