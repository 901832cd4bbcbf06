#include "identity/role.h"

namespace slipway {

std::string_view to_string(Role role) {
  switch (role) {
    case Role::viewer:
      return "viewer";
    case Role::deployer:
      return "deployer";
    case Role::approver:
      return "approver";
    case Role::admin:
      return "admin";
  }
  return "viewer";
}

std::optional<Role> parse_role(std::string_view text) {
  for (const Role role : all_roles)
    if (to_string(role) == text) return role;
  return std::nullopt;
}

}  // namespace slipway
