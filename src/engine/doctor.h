#pragma once

#include <string>
#include <vector>

#include "engine/sandbox.h"

namespace slipway {

// One thing that sandboxes need of the host.
struct HostCheck {
  enum class State { ok, warn, fail };  // warn: works, but less well or less safely
  std::string name;
  State state = State::ok;
  std::string detail;  // what was found
  std::string fix;     // a command or setting; "" when ok
};

// Looks at the host without changing it (a process that tries a namespace or a mount does so in a
// namespace of its own and ends). Takes tens of milliseconds. Works without root too, and then says
// that it could not look.
[[nodiscard]] std::vector<HostCheck> check_host(const SandboxSettings& settings);

}  // namespace slipway
