#include "sys/limits.h"

#include <atomic>
#include <cerrno>

namespace slipway {
namespace {

// As the limit itself, one for the process. 0: not raised.
std::atomic<rlim_t> soft_before{0};

}  // namespace

Result<DescriptorLimit> raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return fail_errno(errno, "getrlimit");
  const rlim_t was = limit.rlim_cur;
  if (limit.rlim_cur == limit.rlim_max) return DescriptorLimit{.was = was, .now = was};
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return fail_errno(errno, "setrlimit");
  soft_before = was;
  return DescriptorLimit{.was = was, .now = limit.rlim_cur};
}

std::optional<rlimit> descriptor_limit_of_children() {
  const rlim_t was = soft_before;
  rlimit limit{};
  if (was == 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return rlimit{.rlim_cur = was, .rlim_max = limit.rlim_max};
}

}  // namespace slipway
