#include "repair/kinds.h"

namespace slipway::repair {

std::optional<Change> more_memory(const Failure& failure) {
  if (failure.error.cause != "out_of_memory") return std::nullopt;
  Change change;
  change.memory_percent = 150;
  // Node takes half of what it sees at most, and less on its own account.
  if (holds_any(failure.log, {"JavaScript heap out of memory"})) {
    change.install_env["NODE_OPTIONS"] = "--max-old-space-size=4096";
    change.build_env = change.install_env;
  }
  change.message =
      "the " + failure.error.phase + " ran out of memory; it was given half as much again";
  change.fix = "raise builds.memory of the server, or let the " + failure.error.phase + " use less";
  return change;
}

}  // namespace slipway::repair
