#pragma once

namespace slipway {

// The process that stands beside each sandbox: `slipway shim`, started by the engine only, never by
// people. main() dispatches to it before anything else.
//
// It builds the root in a mount namespace of its own (so all mounts of a sandbox go with its
// processes, whoever is killed), makes the network, runs the OCI runtime, copies an instance's
// output into log files, waits for the end, records how it ended, and removes the control group and
// the runtime's state. An instance's shim outlives the server; a step's kills its sandbox when the
// server is gone. SIGTERM kills the sandbox.
inline constexpr const char* shim_command = "shim";  // argv[1]
[[nodiscard]] int shim_main(int argc, char** argv);

}  // namespace slipway
