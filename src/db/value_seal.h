#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway {

// How values that must not be readable in the database are sealed for their place there. The key is
// not in the database. Thread-safe.
struct ValueSeal {
  using Convert =
      std::function<Result<std::string>(std::string_view text, std::string_view context)>;
  Convert seal, unseal;
};

}  // namespace slipway
