#pragma once

#include <optional>
#include <string>
#include <vector>

#include "build/toolchain.h"
#include "model/deployment.h"
#include "model/plan.h"

namespace slipway {

// How a service's steps are run, as values: scripts and environments. Pure.

// What the steps and the instance of one service stand on.
struct Ground {
  const Service* service = nullptr;
  std::vector<Toolchain> tools;      // of the steps, in the order of PATH
  std::vector<Toolchain> run_tools;  // of the instance
};

// "/app" or "/app/<root>".
[[nodiscard]] std::string work_directory(const Service& service);

// The script of the install step: the plan's command on prepared ground (a virtual environment for
// Python). Nothing when there is nothing to install.
[[nodiscard]] std::optional<std::string> install_script(const Ground& ground);
// The same of the build step.
[[nodiscard]] std::optional<std::string> build_script(const Ground& ground);

// Variables of a step; "install" or "build" as `step`. They are part of its layer's key.
enum class BuildStep { install, build };
[[nodiscard]] EnvVars step_environment(const Ground& ground, BuildStep step);
// Variables of the instance.
[[nodiscard]] EnvVars run_environment(const Ground& ground);

}  // namespace slipway
