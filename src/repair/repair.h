#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/deployment.h"
#include "model/plan.h"

namespace slipway::repair {

// A step that failed with a known cause is run again, changed so that it may pass, within the same
// deploy. What was changed is a finding with the command that makes it permanent. Pure: a repair
// looks at the failure and says what to change; build/ does it.

// What failed. Refers to its parts.
struct Failure {
  const Service& service;  // as it was run: with the commands of earlier repairs
  const Error& error;      // phase, cause, message, ...
  std::string_view log;    // the end of what the step printed; untrusted
};

struct Change {
  // In place of the service's own; a step that it does not name stays as it is.
  std::optional<std::string> install, build;
  EnvVars install_env, build_env;
  std::string runtime_version;  // a range, in place of the service's own
  int memory_percent = 100;     // of what builds may take
  int pause_seconds = 0;        // before the step is run again
  // For people: what was done and why, and what makes it permanent.
  std::string message, file, fix;
  bool operator==(const Change&) const = default;
};

// Whether later builds of the same inputs begin with the change (they would fail alike without), or
// the failure had passed by itself.
enum class Keep { from_now_on, this_time };

// One repair a file, one row here, tried in order: the first that has a change to offer is made.
struct Repair {
  std::string_view name;    // part of the finding's code: "repaired_<name>"
  std::string_view phases;  // of what may have failed, separated by '|'
  int most;                 // how often in one build
  Keep keep;
  std::optional<Change> (*plan)(const Failure& failure);
  std::string_view summary;  // for docs/repairs.md
};
[[nodiscard]] std::span<const Repair> repairs();

struct Planned {
  const Repair* repair = nullptr;
  Change change;
};
// The next thing to try. `used` counts the repairs that this build made already, by name. Nothing
// when none applies: then the failure stands.
inline constexpr int most_repairs = 6;  // of one build
[[nodiscard]] std::optional<Planned> next_repair(const Failure& failure,
                                                 const std::map<std::string, int>& used);

// The finding that tells of it.
[[nodiscard]] Warning finding_of(std::string_view repair_name, const Change& change);

}  // namespace slipway::repair
