#include "repair/kinds.h"

namespace slipway::repair {

std::optional<Change> flaky_registry(const Failure& failure) {
  if (failure.error.cause == "timeout") return std::nullopt;
  // Not ENOTFOUND and the like: a name that does not exist does not exist in five seconds either.
  if (!holds_any(failure.log,
                 {"ECONNRESET", "ETIMEDOUT", "ERR_SOCKET_TIMEOUT", "EAI_AGAIN", "socket hang up",
                  "ReadTimeoutError", "Connection reset by peer", "502 Bad Gateway",
                  "503 Service Unavailable", "504 Gateway", "429 Too Many Requests",
                  "Temporary failure in name resolution", "IncompleteRead", "EINTEGRITY",
                  "IntegrityCheckFailed", "tls handshake eof", "operation timed out"}))
    return std::nullopt;
  Change change;
  change.pause_seconds = 3;
  change.message = "the connection to a registry broke during the " + failure.error.phase +
                   ", which was run again";
  return change;
}

}  // namespace slipway::repair
