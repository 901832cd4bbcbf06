#include "router/connections.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace slipway {

std::uint32_t connections_for(std::uint64_t descriptors) {
  constexpr std::uint64_t most = 20'000;
  const std::uint64_t own = std::clamp<std::uint64_t>(descriptors / 4, 128, 4096);
  const std::uint64_t left = descriptors > own ? descriptors - own : 0;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(left / 2, 16, most));
}

Connections::Verdict Connections::enter(const std::string& address) {
  auto state = state_.lock();
  if (!address.empty()) {
    std::uint32_t& mine = state->by_address[address];
    if (per_address_ != 0 && mine >= per_address_) return Verdict::too_many_of_address;
    ++mine;
  }
  ++state->open;
  return Verdict::welcome;
}

void Connections::leave(const std::string& address) {
  auto state = state_.lock();
  --state->open;
  const auto mine = state->by_address.find(address);
  if (mine != state->by_address.end() && --mine->second == 0) state->by_address.erase(mine);
}

std::string connection_key(std::string_view address) {
  if (address.starts_with("127.") || address == "::1") return "";
  in6_addr parsed{};
  const std::string text(address);
  if (::inet_pton(AF_INET6, text.c_str(), &parsed) != 1) return text;
  std::memset(&parsed.s6_addr[8], 0, 8);
  char network[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET6, &parsed, network, sizeof network);
  return std::string(network) + "/64";
}

}  // namespace slipway
