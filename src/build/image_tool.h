#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "build/builder.h"
#include "build/host_settings.h"
#include "engine/engine.h"
#include "sys/files.h"

namespace slipway {

// Runs buildah in a sandbox. What it may do there: docs/dockerfiles.md. Values, save for the
// runner.
struct ImageTool {
  const HostSettings& settings;
  std::filesystem::path scratch;
  StepRunner& runner;
};

struct ImageToolRun {
  std::string name;    // of the step, for the sandbox's name
  std::string script;  // for /bin/sh; "$b" is buildah with its storage, "$out" a place for answers
  std::filesystem::path storage;             // read-write; it is this run's alone
  std::vector<BindMount> binds;              // others
  std::vector<std::filesystem::path> bases;  // further storages, to read
  std::vector<std::filesystem::path> lowers;
  std::string workdir = "/";
  // How the tool finds registries: its own defaults, or as the host is told in /etc/containers.
  enum class Registries { none, of_host } registries = Registries::none;
  std::uint32_t uid_slot = 0;
  BuildLimits limits;
};

struct ImageToolOutcome {
  StepRunner::Outcome step;
  std::string log;                // its end
  std::filesystem::path answers;  // what the script put in "$out"; goes with `keep`
  std::shared_ptr<TempDir> keep;
};

// Where programs in the sandbox see things.
inline constexpr std::string_view image_storage_inside = "/opt/slipway/images";

// Errors: failed_precondition when buildah is not installed, with what to install; canceled; what
// the runner says. A failing script is an outcome.
[[nodiscard]] Result<ImageToolOutcome> run_image_tool(const ImageTool& tool,
                                                      const ImageToolRun& run,
                                                      const StepRunner::OutputSink& output,
                                                      std::stop_token stop);

}  // namespace slipway
