#pragma once

#include <expected>
#include <string>
#include <utility>

#include "base/error.h"

namespace slipway {

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

// `return fail(Errc::not_found, "...")` from a function that returns any Result.
[[nodiscard]] inline std::unexpected<Error> fail(Errc code, std::string message,
                                                 std::string hint = {}) {
  return std::unexpected(
      Error{.code = code, .message = std::move(message), .hint = std::move(hint)});
}
[[nodiscard]] inline std::unexpected<Error> fail(Error error) {
  return std::unexpected(std::move(error));
}

// The error for a failed system call: "what: strerror". ENOSPC and EDQUOT become disk_full, ENOENT
// not_found, EACCES and EPERM permission_denied, everything else io.
[[nodiscard]] std::unexpected<Error> fail_errno(int saved_errno, std::string what);

}  // namespace slipway

#define SLIPWAY_CONCAT_INNER(a, b) a##b
#define SLIPWAY_CONCAT(a, b) SLIPWAY_CONCAT_INNER(a, b)

// SLIPWAY_TRY(auto x, expr): x = *expr, or return its error. SLIPWAY_CHECK(expr): the same for
// Status.
#define SLIPWAY_TRY(declaration, ...) \
  SLIPWAY_TRY_INNER(SLIPWAY_CONCAT(slipway_result_, __COUNTER__), declaration, __VA_ARGS__)
#define SLIPWAY_TRY_INNER(result, declaration, ...)               \
  auto&& result = (__VA_ARGS__);                                  \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = *std::move(result)
#define SLIPWAY_CHECK(...)                                       \
  do {                                                           \
    if (auto slipway_status = (__VA_ARGS__); !slipway_status)    \
      return std::unexpected(std::move(slipway_status).error()); \
  } while (false)
