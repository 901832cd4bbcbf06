#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "model/actor.h"

namespace slipway {

// A host name of somebody's own that leads to an environment, or shall. Several projects may claim
// a name; one of them can prove it. A plain value.
struct Domain {
  std::string name;  // normalized: domain_name()
  std::string project, environment;
  // What the name's owner publishes as a TXT record at challenge_name(), to prove it.
  std::string token;
  bool verified = false;  // proven, and so routed
  Actor actor;            // who claimed it
  Timestamp created_at{};
  std::optional<Timestamp> verified_at;  // when it was proven first
  std::optional<Timestamp> checked_at;   // when the proof was last looked for
  std::optional<Timestamp>
      lost_since;       // the proof is missing since then; nothing while it is there
  std::string problem;  // of the last look; "" for none

  bool operator==(const Domain&) const = default;
};

// A host name as it is compared: small letters, without the dot at its end. Errors:
// invalid_argument for what is no host name in ASCII (with its punycode form, a name in other
// letters is one), has a port, or is an address.
[[nodiscard]] Result<std::string> domain_name(std::string_view text);
// Whether `name` is `domain` or below it. Both normalized.
[[nodiscard]] bool is_at_or_below(std::string_view name, std::string_view domain);
// "_slipway-challenge.<name>"
[[nodiscard]] std::string challenge_name(std::string_view name);

}  // namespace slipway
