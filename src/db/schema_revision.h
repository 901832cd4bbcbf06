#pragma once

#include <string_view>

namespace slipway {

// Counts the changes of a row, so that who read it can tell whether it is still what they read.
inline constexpr std::string_view revision_schema =
    R"(ALTER TABLE deployment ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE release_entry ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollout ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE environment_state ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domain ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE approval ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE waiver ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE break_glass ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE configuration ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert_subscription ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
)";

}  // namespace slipway
