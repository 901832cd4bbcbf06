#include <fmt/format.h>

#include "router/responders.h"

namespace slipway {

Task<void> answer_with_page(Exchange& exchange, Page page) {
  exchange.drop_head();
  std::string headers =
      "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nVary: Accept\r\n"
      "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n";
  if (page.retry_after > 0) headers += fmt::format("Retry-After: {}\r\n", page.retry_after);
  co_await exchange.reply(page.status, page.content_type, headers, page.body);
}

}  // namespace slipway
