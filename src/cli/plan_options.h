#pragma once

#include <optional>
#include <string>

#include "cli/arguments.h"
#include "detect/detect.h"

namespace slipway::cli {

// The options that replace what detection would decide, for the commands that detect here.
struct PlanOptions {
  std::optional<std::string> install, build, release, start, root, service, framework, runtime;
  std::optional<std::string> output, port, health;

  void declare(Arguments& arguments);
  // Errors: invalid_argument for a port or a path that is none.
  [[nodiscard]] Result<DetectOptions> read() const;
};

}  // namespace slipway::cli
