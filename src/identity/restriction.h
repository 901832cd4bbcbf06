#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "identity/permission.h"

namespace slipway {

// One step of narrowing: what a token may still do, and what its holder is called from here on. A
// token's restrictions are ANDed: each must allow, so adding one never widens. A plain value; what
// is absent does not restrict.
struct Restriction {
  std::string id;  // "tok_…": what this step is revoked and counted by
  std::optional<std::vector<std::string>> projects;
  std::optional<PermissionSet> actions;
  // "preview" stands for every environment that is neither production nor staging.
  std::optional<std::vector<std::string>> environments;
  std::optional<std::int64_t> deploys;       // how many, in all
  std::optional<std::int64_t> money_micros;  // how much, in all
  std::optional<Timestamp> expires_at;       // whole seconds
  std::string label;                         // for people
  std::string agent;  // from here on the holder is this agent, and never a human again
  std::string session, task;
  bool operator==(const Restriction&) const = default;

  [[nodiscard]] bool allows_project(std::string_view project) const;
  [[nodiscard]] bool allows_environment(std::string_view environment) const;
};

// The form in which a token carries it: "name=value" lines in the order of the members above, each
// once at most, lists separated by commas, times in seconds since 1970. One text for each value and
// the other way round. Errors: invalid_argument; an unknown name is one, because what cannot be
// understood cannot be kept.
[[nodiscard]] Result<std::string> to_text(const Restriction& restriction);
[[nodiscard]] Result<Restriction> parse_restriction(std::string_view text);
inline constexpr std::size_t max_restriction_bytes = 1024;

// "preview", "production" or any other slug; agents are called by 1 to 40 letters, digits, ".", "_"
// or "-".
[[nodiscard]] bool is_agent_name(std::string_view text);

}  // namespace slipway
