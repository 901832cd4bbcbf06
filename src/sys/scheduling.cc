#include "sys/scheduling.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace slipway {
namespace {

// As sched_setattr(2) has it; neither the C library nor a header beside it declares it.
struct Attributes {
  std::uint32_t size = sizeof(Attributes), policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;  // ns
};
constexpr std::uint32_t normal_policy = 0;

}  // namespace

Status take_turns(Turns turns) {
  constexpr std::uint64_t shortest = 100'000;  // ns, the least that the kernel takes
  Attributes attributes;
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0)
    return fail_errno(errno, "sched_getattr");
  if (attributes.policy != normal_policy) return {};  // its owner chose
  attributes.runtime = turns == Turns::brief ? shortest : 0;
  if (::syscall(SYS_sched_setattr, 0, &attributes, 0) != 0)
    return fail_errno(errno, "sched_setattr");
  return {};
}

}  // namespace slipway
