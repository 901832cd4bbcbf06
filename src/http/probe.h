#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// Asks an app whether it is ready: one GET over `socket`, whose connect() may still be under way
// (see Dialer). Blocks up to `timeout`. The status code of the answer; errors: unavailable (refused
// or closed without an answer), deadline_exceeded, corrupt (something answers, but not in HTTP).
[[nodiscard]] Result<int> probe_http(Fd socket, std::string_view host, std::string_view path,
                                     Duration timeout);

// What an app shows at a path.
struct FetchedPage {
  int status = 0;
  std::string type;      // media type, without parameters, in small letters
  std::string location;  // of a redirect
  std::string body;  // as it came, at most `limit` bytes; of other encodings than identity: as sent
};
// One GET over `socket`, as a browser's. Blocks up to `timeout`. Errors as probe_http().
[[nodiscard]] Result<FetchedPage> fetch_page(Fd socket, std::string_view host,
                                             std::string_view path, Duration timeout,
                                             std::size_t limit);

}  // namespace slipway
