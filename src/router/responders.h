#pragma once

#include <memory>

#include "router/exchange.h"
#include "router/pages.h"
#include "router/reach.h"

namespace slipway {

// The ways to answer the request on an exchange. Each is awaited by the session, consumes the
// request's head, and leaves keep_alive false when the connection cannot go on. Whether a client
// got its answer is not their caller's concern.

[[nodiscard]] Task<void> answer_with_page(Exchange& exchange, Page page);
[[nodiscard]] Task<void> answer_from_backend(Exchange& exchange, Destination to);
[[nodiscard]] Task<void> answer_from_site(Exchange& exchange,
                                          std::shared_ptr<const StaticSite> site);
[[nodiscard]] Task<void> answer_from_api(Exchange& exchange);

// Both ways between the client and `upstream`, until both have ended or nothing moved for the
// limit. Starts with what both have buffered.
[[nodiscard]] Task<void> tunnel(Exchange& exchange, Stream& upstream);

[[nodiscard]] inline PageForm form_of(const Exchange& exchange) {
  return exchange.wants_json ? PageForm::json : PageForm::html;
}

}  // namespace slipway
