#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"

namespace slipway {

// Asked of an address (numeric, "203.0.113.7" or "2001:db8::7") before a connection is made to it,
// and to no other: a name that resolves to something else the next time gains nothing.
using AddressCheck = std::function<Status(std::string_view address)>;

// Whether an address belongs to somebody on the internet: not loopback, private (RFC 1918, RFC
// 4193), shared (RFC 6598), link-local (and so no metadata service), multicast, documentation,
// benchmarking or reserved; nor an IPv6 form of such an IPv4 address (mapped, NAT64, 6to4).
[[nodiscard]] bool is_public_address(std::string_view address);

// Lets requests that others choose the URL of leave the machine only for the internet: public
// addresses that are none of this machine's own. Errors: permission_denied.
[[nodiscard]] Status check_public_address(std::string_view address);

}  // namespace slipway
