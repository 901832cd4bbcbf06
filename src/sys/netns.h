#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// IPv4 addresses are host-order integers here.
[[nodiscard]] std::string format_ipv4(std::uint32_t address);
[[nodiscard]] Result<std::uint32_t> parse_ipv4(std::string_view text);

// The calling thread's network namespace.
[[nodiscard]] Result<Fd> current_netns();
// Runs `work` with the calling thread inside `netns` and comes back to `home`. The thread must not
// stay in the wrong namespace, so a failed return ends the process.
[[nodiscard]] Status in_netns(const Fd& netns, const Fd& home, const std::function<Status()>& work);

// A few requests of rtnetlink(7) in the namespace where it was opened. Not thread-safe.
class RouteSocket {
 public:
  [[nodiscard]] static Result<RouteSocket> open();
  // A pair of virtual Ethernet devices: `name` here, `peer` in `peer_netns`. Errors: conflict.
  [[nodiscard]] Status add_veth(const std::string& name, const std::string& peer,
                                const Fd& peer_netns);
  [[nodiscard]] Status set_up(const std::string& name);
  [[nodiscard]] bool has_link(const std::string& name);
  // Absent is fine.
  [[nodiscard]] Status remove_link(const std::string& name);
  // Existing already is fine for these.
  [[nodiscard]] Status add_address(const std::string& name, std::uint32_t address, int prefix);
  [[nodiscard]] Status add_link_route(const std::string& name, std::uint32_t address, int prefix);
  [[nodiscard]] Status add_default_route(const std::string& name, std::uint32_t gateway);

 private:
  explicit RouteSocket(Fd fd) : fd_(std::move(fd)) {}
  [[nodiscard]] Status request(std::string& message, std::string_view what);
  [[nodiscard]] Result<int> index_of(const std::string& name);
  Fd fd_;
  std::uint32_t sequence_ = 0;
};

}  // namespace slipway
