#pragma once

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace slipway {

// How a row is changed by what its caller decides: read it with its revision, let the caller edit a
// copy with nothing held, write it if the revision is still that one. `attempt` does this once and
// says nothing when somebody else was first; then it is done again from the start, so that nobody's
// change is lost. Each time somebody else got on, so this ends; bounded all the same.
// Errors: the attempt's; unavailable.
template <class T>
[[nodiscard]] Result<T> until_written(std::string_view what,
                                      const std::function<Result<std::optional<T>>()>& attempt) {
  constexpr int most = 100;
  for (int i = 0; i < most; ++i) {
    SLIPWAY_TRY(std::optional<T> written, attempt());
    if (written) return *std::move(written);
  }
  return fail(Errc::unavailable, fmt::format("{} is being changed by others all the time", what),
              "try again in a moment");
}

}  // namespace slipway
