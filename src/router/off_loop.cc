#include "router/off_loop.h"

#include "router/api_workers.h"

namespace slipway {

Task<bool> run_off_loop(Exchange& x, std::string key, std::function<void()> work) {
  struct State {
    std::function<void()> work;
    std::atomic<bool> done{false};
  };
  auto state = std::make_shared<State>();
  state->work = std::move(work);
  const auto token = std::make_shared<Signal*>(&x.signal);
  const Status submitted = x.lane.workers.submit_disk_read(
      key, [state, post = x.lane.loop.poster(), weak = std::weak_ptr(token)] {
        state->work();
        state->done.store(true, std::memory_order_release);
        post([weak] {
          if (const auto live = weak.lock()) (*live)->set();
        });
      });
  if (!submitted) co_return false;
  x.no_deadline();
  x.client.arm();
  // Even if the client goes: the work uses what its request has.
  while (!state->done.load(std::memory_order_acquire)) co_await x.signal.wait();
  co_return true;
}

}  // namespace slipway
