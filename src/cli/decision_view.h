#pragma once

#include <string>

#include "base/clock.h"
#include "cli/console.h"
#include "json/json.h"

namespace slipway::cli {

// Text for people of what governance answers. Raw values may be handed over; all are made safe for
// a terminal here. Pure.

// A decision: the verdict, each violated rule with its rows, what would make it pass and who may.
[[nodiscard]] std::string render_decision(const json::object& decision, const Style& style);
// How a command ends that this decision is the answer to: 0, 4 when it waits for people, 6.
[[nodiscard]] int exit_code_of(const json::object& decision);
// What try or set of a policy found: problems, tests that fail, rules added, decisions that flip.
[[nodiscard]] std::string render_trial(const json::object& trial, const Style& style);
// A request for approval: what is asked, by whom, what it changes, which votes are missing, how to
// answer it.
[[nodiscard]] std::string render_approval(const json::object& request, const Style& style);
// A line for each, of requests about one configuration.
[[nodiscard]] std::string render_requests(const json::array& requests);
// Lists, or "" for an empty one.
[[nodiscard]] std::string render_refused(const json::array& requests, const Style& style);
[[nodiscard]] std::string render_approvals(const json::array& approvals, Timestamp now,
                                           const Style& style);
[[nodiscard]] std::string render_waivers(const json::array& waivers, Timestamp now,
                                         const Style& style);
[[nodiscard]] std::string render_emergencies(const json::array& emergencies, Timestamp now,
                                             const Style& style);

}  // namespace slipway::cli
