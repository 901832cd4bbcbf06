#pragma once

#include <netinet/in.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/limiter.h"
#include "base/result.h"

namespace slipway {

// Passes DNS questions of sandboxes on to the host's own name servers, over UDP and TCP, without
// looking into them. One thread of its own; bounded in questions and connections at a time, each
// sandbox to a share of them, and production has some that no other gets: who asks for names that
// nobody answers for takes nothing from others. Beyond a share questions are dropped, and the
// client's own retry is the queue. A server that does not answer in 2 s is followed by the next.
class DnsForwarder {
 public:
  static constexpr std::uint64_t questions_per_sandbox = 48, questions_of_others = 384;
  // Who asks from this address. Called on the forwarder's thread.
  using ClassOf = std::function<WorkClass(std::uint32_t address)>;

  // Listens on port 53 of `address`, an address of this host. `upstreams` are "ADDRESS" or
  // "ADDRESS:PORT" (IPv4) or "[ADDRESS]:PORT"; at least one. `port` other than 53 is for tests.
  [[nodiscard]] static Result<std::unique_ptr<DnsForwarder>> start(
      std::uint32_t address, const std::vector<std::string>& upstreams, ClassOf class_of,
      const Clock& clock, int port = 53);
  ~DnsForwarder();
  [[nodiscard]] int port() const;  // UDP and TCP alike

 private:
  class Loop;
  explicit DnsForwarder(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

// The name servers of a resolv.conf(5), in order.
[[nodiscard]] std::vector<std::string> parse_resolv_conf(std::string_view text);

}  // namespace slipway
