#include "build/failure.h"

namespace slipway {
Error explain_failure(const FailureFacts& facts, const Service&) {
  return Error{.code = Errc::build_failed, .message = facts.command + " failed"};
}
}  // namespace slipway
