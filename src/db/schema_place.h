#pragma once

#include <string_view>

namespace slipway {

// The newest deployment of an alias is looked up with every decision.
inline constexpr std::string_view place_schema = R"(
CREATE INDEX deployment_place ON deployment(project, alias, seq);
)";

}  // namespace slipway
