#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/head.h"

namespace slipway {

// Proxies in front of the server whose word about a client is taken: addresses and networks. A
// value; thread-safe.
class TrustedProxies {
 public:
  // "127.0.0.1", "10.0.0.0/8", "fd00::/8". Errors: invalid_argument.
  [[nodiscard]] static Result<TrustedProxies> parse(std::span<const std::string> networks);
  [[nodiscard]] bool contains(std::string_view address) const;
  [[nodiscard]] bool empty() const { return networks_.empty(); }

 private:
  using Bits = std::array<std::uint8_t, 16>;  // IPv4 as ::ffff:a.b.c.d
  struct Network {
    Bits address{};
    int prefix = 128;
  };
  [[nodiscard]] static bool read(std::string_view text, Bits& bits);
  std::vector<Network> networks_;
};

// Who the client of a request is.
struct ClientIdentity {
  std::string address;
  std::string_view scheme = "http";  // a literal
  std::string_view authority;        // lies in the head; "" when nothing else than Host was said
};
// As the connection says; or, when that is a trusted proxy's, as `X-Forwarded-For`, `-Proto` and
// `-Host` say, or else `Forwarded` (RFC 7239): the nearest address that is no trusted proxy's.
[[nodiscard]] ClientIdentity client_of(const RequestHead& head, std::string_view peer,
                                       const TrustedProxies& proxies);

}  // namespace slipway
