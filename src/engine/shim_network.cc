#include "engine/shim_network.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>

#include "sys/files.h"
#include "sys/netns.h"

namespace slipway {
namespace {

Status write_setting(const char* path, std::string_view value) {
  SLIPWAY_TRY(const Fd fd, open_file(path, O_WRONLY));
  return write_all(fd.get(), value);
}

}  // namespace

Status make_shim_network(const std::optional<NetworkJob>& network) {
  SLIPWAY_TRY(const Fd host, current_netns());
  SLIPWAY_TRY(RouteSocket outside, RouteSocket::open());
  if (::unshare(CLONE_NEWNET) != 0) return fail_errno(errno, "make a network namespace");
  SLIPWAY_TRY(RouteSocket inside, RouteSocket::open());
  SLIPWAY_CHECK(inside.set_up("lo"));
  SLIPWAY_CHECK(write_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"));
  if (!network) return {};
  SLIPWAY_CHECK(inside.add_veth("eth0", network->host_device, host));
  SLIPWAY_CHECK(outside.set_up(network->host_device));
  SLIPWAY_CHECK(inside.set_up("eth0"));
  SLIPWAY_CHECK(inside.add_address("eth0", network->address, 32));
  SLIPWAY_CHECK(inside.add_link_route("eth0", network->gateway, 32));
  SLIPWAY_CHECK(inside.add_default_route("eth0", network->gateway));
  return outside.add_link_route(network->host_device, network->address, 32);
}

}  // namespace slipway
