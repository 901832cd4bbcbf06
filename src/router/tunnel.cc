#include "router/responders.h"

namespace slipway {
namespace {

Task<void> pump(Exchange& exchange, Stream& from, Stream& to) {
  const Duration idle = exchange.lane.settings.tunnel_idle_timeout;
  for (;;) {
    const std::string_view bytes = from.input();
    if (bytes.empty()) {
      const bool came = co_await from.more();
      if (!came) break;
      continue;
    }
    exchange.deadline(idle, Exchange::Expiry::close);
    const bool sent = co_await to.write({bytes});
    if (!sent) break;
    from.consume(bytes.size());
  }
  if (!from.input_ended() || !from.input().empty()) {  // the receiver is gone
    exchange.abort();
    co_return;
  }
  // Half closed: the other direction may finish, but not rest.
  if (to.open()) to.shut_output();
  exchange.deadline(std::min(idle, exchange.lane.settings.body_timeout), Exchange::Expiry::close);
}

}  // namespace

Task<void> tunnel(Exchange& exchange, Stream& upstream) {
  exchange.keep_alive = false;
  exchange.client.limit_input(Stream::large_buffer);
  exchange.deadline(exchange.lane.settings.tunnel_idle_timeout, Exchange::Expiry::close);
  Activity outward;
  outward.start(pump(exchange, exchange.client, upstream));
  co_await pump(exchange, upstream, exchange.client);
  co_await outward.join();
  exchange.abort();
}

}  // namespace slipway
