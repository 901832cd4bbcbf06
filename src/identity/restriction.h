#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
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

}  // namespace slipway
