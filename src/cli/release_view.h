#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "cli/console.h"
#include "json/json.h"

namespace slipway::cli {

// Text for people about releases, rollouts and environments, from the API's JSON. Raw values may be
// handed over; all are made safe for a terminal here. Pure.

// "12 us", "3.4 ms".
[[nodiscard]] std::string format_micros(std::int64_t micros);
// "production of shop".
[[nodiscard]] std::string place_text(const json::object& rollout);
// One line, with the errors, the latency and whatever is worse: "5 %: goes on (errors 0 of 120,
// before 3 of 2400)".
[[nodiscard]] std::string render_verdict(const json::object& verdict);
// One digest where the deployment's and the release's are the same, both where they are not; ""
// when neither is known.
[[nodiscard]] std::string render_proof(const json::object& proof, const Style& style);
// Where a deployment serves: "production (release 4), staging (release 2)"; "" for nowhere.
[[nodiscard]] std::string serves_text(const json::object& deployment);
// Everything about one rollout.
[[nodiscard]] std::string render_rollout(const json::object& rollout, Timestamp now,
                                         const Style& style);
// Lists, or "" for an empty one. `history` is what GET …/releases answers.
[[nodiscard]] std::string render_releases(const json::object& history, Timestamp now,
                                          const Style& style);
[[nodiscard]] std::string render_rollouts(const json::array& rollouts, Timestamp now,
                                          const Style& style);
// Each environment in a line, its instances below it; "" when none has a release.
[[nodiscard]] std::string render_environments(const json::array& environments, const Style& style);
// What a promotion would decide and change.
[[nodiscard]] std::string render_promotion_preview(const json::object& preview, const Style& style);

}  // namespace slipway::cli
