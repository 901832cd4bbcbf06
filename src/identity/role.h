#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "identity/permission.h"

namespace slipway {

// What a member is in a team. docs/identity.md shows the table below; a test keeps the two equal.
enum class Role : std::uint8_t { viewer, deployer, approver, admin };
inline constexpr std::array all_roles{Role::viewer, Role::deployer, Role::approver, Role::admin};

[[nodiscard]] std::string_view to_string(Role role);
[[nodiscard]] std::optional<Role> parse_role(std::string_view text);

// Everybody may narrow and revoke their own token: they could do the first offline anyway.
inline constexpr PermissionSet viewer_permissions{Permission::none,        Permission::read,
                                                  Permission::env_read,    Permission::policy_read,
                                                  Permission::audit_read,  Permission::token_create,
                                                  Permission::token_revoke};
inline constexpr PermissionSet deployer_permissions =
    viewer_permissions | PermissionSet{Permission::deploy,    Permission::remove,
                                       Permission::promote,   Permission::rollback,
                                       Permission::env_write, Permission::secret_write};
inline constexpr PermissionSet approver_permissions =
    viewer_permissions | PermissionSet{Permission::approve, Permission::waive, Permission::rollback,
                                       Permission::kill_agent, Permission::break_glass};

[[nodiscard]] constexpr PermissionSet role_permissions(Role role) {
  switch (role) {
    case Role::viewer:
      return viewer_permissions;
    case Role::deployer:
      return deployer_permissions;
    case Role::approver:
      return approver_permissions;
    case Role::admin:
      return PermissionSet::all();
  }
  return {};
}

// Separation of duty: what no agent does, whatever its role. Managing teams is among them, because
// whoever makes people can make an approver.
inline constexpr PermissionSet never_for_agents{Permission::approve,      Permission::waive,
                                                Permission::policy_write, Permission::budget_write,
                                                Permission::break_glass,  Permission::team_manage};

}  // namespace slipway
