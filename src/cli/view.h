#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "cli/console.h"
#include "json/json.h"
#include "model/plan.h"

namespace slipway::cli {

// Text for people. Everything that a server or an app had a say in passes through sanitize_line
// here (law 9), so callers may hand over raw values. Pure.

// "12ms", "4.2s", "1m05s".
[[nodiscard]] std::string format_took(Duration took);
// "12s", "5m", "3h", "2d" before `now`.
[[nodiscard]] std::string format_age(Timestamp then, Timestamp now);
// "in 71h" or "3m ago" for an RFC 3339 time; the text itself when it is none.
[[nodiscard]] std::string format_when(std::string_view rfc3339, Timestamp now);
[[nodiscard]] std::string count_of(std::size_t number, std::string_view one);  // "2 files"

// The block for a failure: what failed, the command, where, the excerpt, the hint, what next.
// `log_tail`: the last lines of the build log, shown when the excerpt does not hold them already.
[[nodiscard]] std::string render_error(const Error& error, const Style& style,
                                       const std::vector<std::string>& log_tail = {});
[[nodiscard]] std::string render_plan(const Plan& plan, const Style& style);
// "3 changed since dpl_…: server.js, …"; "" when there is nothing to compare with.
[[nodiscard]] std::string render_changed(const json::object& changed, const Style& style);
// The state in its colour, with the reason behind it.
[[nodiscard]] std::string paint_state(std::string_view state, const Style& style);

}  // namespace slipway::cli
