#include "sys/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace slipway {

Status keep_only_file_powers() {
  constexpr std::uint32_t kept = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE |
                                 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER | 1u << CAP_FSETID;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno(errno, "give up privileges");
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability)
    if (capability > 31 || (kept >> capability & 1u) == 0)
      std::ignore = ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);  // one the kernel does not know
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> sets{};
  sets[0] = {.effective = kept, .permitted = kept, .inheritable = 0};
  if (::syscall(SYS_capset, &header, sets.data()) != 0)
    return fail_errno(errno, "give up capabilities");
  return {};
}

}  // namespace slipway
