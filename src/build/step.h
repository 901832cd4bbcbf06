#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "build/builder.h"
#include "engine/engine.h"

namespace slipway {

// The last bytes of a stream. Not thread-safe.
class LogTail {
 public:
  explicit LogTail(std::size_t most) : most_(most) {}
  void append(std::string_view bytes);
  [[nodiscard]] std::string_view text() const;

 private:
  std::size_t most_;
  std::string bytes_;
};

// One step of a build, run in a sandbox.
struct StepJob {
  std::string name;     // install | build
  std::string command;  // as the user would type it; for messages
  SandboxSpec spec;
  const Service* service = nullptr;
  BuildLimits limits;
  LogTail* log = nullptr;  // when given: keeps the end of what it printed
};
// Runs it to its end. A failing command is Errc::build_failed, explained by its log (failure.h).
// Errors also: canceled, and what the runner says.
[[nodiscard]] Status run_step(const StepJob& job, StepRunner& runner, BuildObserver& observer,
                              std::stop_token stop);

// Leaves in an upper directory what belongs to the app alone: everything but "app" goes (mount
// points, home).
[[nodiscard]] Status keep_app_only(const std::filesystem::path& upper);

// Takes the mark "nothing below shows" off directories that a step made where `inputs` has or could
// have a directory: the step saw a part of the source only, so what it seemed to make anew may be
// there in the whole. `prefix` is where the inputs lie in the layer.
void open_directories(const std::filesystem::path& upper, const Manifest& inputs,
                      std::string_view prefix);

}  // namespace slipway
