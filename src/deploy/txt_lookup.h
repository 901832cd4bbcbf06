#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway {

// The texts of a name's TXT records; empty when it has none. Blocks for up to 15 s. Errors:
// unavailable when no name server answers, which says nothing about the records.
using TxtLookup = std::function<Result<std::vector<std::string>>(const std::string& name)>;

// By the C library's resolver. `server` is "ADDR" or "ADDR:PORT" (IPv4) of the name server to ask;
// "": the machine's own. Thread-safe.
[[nodiscard]] Result<TxtLookup> make_txt_lookup(std::string_view server);

}  // namespace slipway
