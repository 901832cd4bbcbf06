#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "engine/engine.h"

namespace slipway {

// The hardened OCI runtime configuration of every sandbox (GOVERNANCE "Isolation").
//
// The process is user 0 of a user namespace of its own, mapped to a host range nobody else has,
// with every capability set empty: to the host it is an ordinary stranger, and inside it owns its
// own files without any chown. Programs that refuse to be root must be told otherwise by their own
// switch. SandboxSpec::powers widens this inside, SandboxSpec::user narrows it.
struct OciSettings {
  std::string rootfs;  // absolute path of the assembled root, read-only where it has to be
  std::string cgroup;  // absolute path within the hierarchies
  std::uint32_t id_base = 0;
  std::string seccomp;          // see make_seccomp(); "" for none
  std::string seccomp_program;  // what compile_seccomp() made of it; "" leaves that to the runtime
  int oom_score = 500;
  bool swap_accounting = false;
  bool cgroup_v2 = false;
  std::string init;                      // a minimal init inside the sandbox, "" for none
  std::uint64_t open_files_ceiling = 0;  // our own hard limit, which we may not exceed
};
[[nodiscard]] std::string make_oci_config(const SandboxSpec& spec, const OciSettings& settings);

// The OCI seccomp object made of a list in the format of containers/common (as Debian ships it in
// golang-github-containers-common): for a process without capabilities on this architecture, minus
// what none of ours needs. A step's reserves no space without writing (fallocate), which would take
// a disk in an instant; programs write instead. One that builds images keeps what mounting and
// changing roots needs. Errors: corrupt.
enum class SeccompFor { instance, step, image_build };
[[nodiscard]] Result<std::string> make_seccomp(std::string_view containers_common_list,
                                               SeccompFor whom);

// The filter program for it (struct sock_filter[]), so that crun need not compile the same rules at
// every start. Errors: corrupt, internal.
[[nodiscard]] Result<std::string> compile_seccomp(std::string_view oci_seccomp);

}  // namespace slipway
