#include "sys/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "sys/files.h"

namespace slipway {

Result<LoopDevice> make_loop_device(const Fd& file) {
  const auto control = open_file("/dev/loop-control", O_RDWR);
  if (!control)
    return fail(Errc::unavailable, "no loop devices are here: " + control.error().message);
  // Others may take the free one first.
  constexpr int attempts = 64;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    const int number = ::ioctl(control->get(), LOOP_CTL_GET_FREE);
    if (number < 0) return fail_errno(errno, "find a free loop device");
    LoopDevice out{.device = {}, .path = fmt::format("/dev/loop{}", number)};
    auto device = open_file(out.path, O_RDWR);
    if (!device) return fail(Errc::unavailable, device.error().message);
    out.device = std::move(*device);
    loop_config config{};
    config.fd = static_cast<__u32>(file.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    if (::ioctl(out.device.get(), LOOP_CONFIGURE, &config) == 0) return out;
    if (errno != EBUSY) return fail_errno(errno, "set up " + out.path);
  }
  return fail(Errc::unavailable, "others take every free loop device");
}

}  // namespace slipway
