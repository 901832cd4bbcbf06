#include "sys/capabilities.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace slipway {
namespace {

// What needs no capability, or one that is kept, and leads to other processes, other programs or
// files without a name. They fail with EPERM.
constexpr std::array forbidden_calls{
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_pidfd_getfd,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_prlimit64,
    SYS_setpriority,
    SYS_socket,
    SYS_socketpair,
    SYS_execve,
    SYS_execveat,
    SYS_clone,
    SYS_clone3,
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
    SYS_unshare,
    SYS_setns,
    SYS_open_by_handle_at,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_shmget,
    SYS_shmat,
    SYS_msgget,
    SYS_semget,
};

#if defined(__x86_64__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_X86_64;
constexpr std::uint32_t first_foreign_call = 0x4000'0000;  // of the x32 interface
#else
constexpr std::uint32_t own_architecture = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t first_foreign_call = 0xffff'ffff;
#endif

Status forbid_calls() {
  constexpr std::uint32_t refused = SECCOMP_RET_ERRNO | EPERM;
  const auto load = [](std::size_t offset) -> sock_filter {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  };
  const auto answer = [](std::uint32_t with) -> sock_filter {
    return BPF_STMT(BPF_RET | BPF_K, with);
  };
  std::vector<sock_filter> program{load(offsetof(seccomp_data, arch)),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, own_architecture, 1, 0),
                                   answer(SECCOMP_RET_KILL_PROCESS),
                                   load(offsetof(seccomp_data, nr)),
                                   BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first_foreign_call, 0, 1),
                                   answer(refused)};
  for (const long call : forbidden_calls) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
    program.push_back(answer(refused));
  }
  program.push_back(answer(SECCOMP_RET_ALLOW));
  const sock_fprog filter{.len = static_cast<unsigned short>(program.size()),
                          .filter = program.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    return fail_errno(errno, "forbid system calls");
  return {};
}

}  // namespace

Status keep_only_file_powers() {
  // Not CAP_DAC_READ_SEARCH: with it a handle opens any file of the host.
  constexpr std::uint32_t kept =
      1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_FSETID;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno(errno, "give up privileges");
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability)
    if (capability > 31 || (kept >> capability & 1u) == 0)
      std::ignore = ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);  // one the kernel does not know
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> sets{};
  sets[0] = {.effective = kept, .permitted = kept, .inheritable = 0};
  if (::syscall(SYS_capset, &header, sets.data()) != 0)
    return fail_errno(errno, "give up capabilities");
  return forbid_calls();
}

}  // namespace slipway
