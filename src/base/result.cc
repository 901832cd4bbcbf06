#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace slipway {

std::unexpected<Error> fail_errno(int saved_errno, std::string what) {
  Errc code = Errc::io;
  std::string hint;
  switch (saved_errno) {
    case ENOSPC:
    case EDQUOT:
      code = Errc::disk_full;
      hint = "free some disk space, then try again";
      break;
    case ENOENT:
      code = Errc::not_found;
      break;
    case EACCES:
    case EPERM:
      code = Errc::permission_denied;
      break;
    default:
      break;
  }
  return fail(code, what + ": " + std::generic_category().message(saved_errno), std::move(hint));
}

}  // namespace slipway
