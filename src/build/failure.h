#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/engine.h"
#include "model/plan.h"

namespace slipway {

// What an app's failed step means. Reads the end of its log (up to 256 KiB) for the cause class
// (missing_dependency, compile_error, type_error, wrong_port, missing_env, missing_service,
// out_of_memory, timeout, network, lockfile_mismatch, missing_script, crash, unknown), file:line in
// the user's own code, a short excerpt and a hint with the next command. Pure. The log is
// untrusted: what is quoted from it is sanitized.
struct FailureFacts {
  std::string phase;  // install | build | start | run
  std::string command;
  SandboxExit exit;
  bool timed_out = false;
  bool output_limit = false;
  bool disk_limit = false;
  std::string_view log;
};
[[nodiscard]] Error explain_failure(const FailureFacts& facts, const Service& service);

}  // namespace slipway
