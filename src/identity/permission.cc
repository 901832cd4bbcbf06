#include "identity/permission.h"

#include "base/text.h"

namespace slipway {

std::string_view to_string(Permission permission) {
  switch (permission) {
    using enum Permission;
    case none:
      return "none";
    case read:
      return "read";
    case deploy:
      return "deploy";
    case remove:
      return "remove";
    case promote:
      return "promote";
    case rollback:
      return "rollback";
    case env_read:
      return "env_read";
    case env_write:
      return "env_write";
    case secret_write:
      return "secret_write";
    case approve:
      return "approve";
    case waive:
      return "waive";
    case policy_read:
      return "policy_read";
    case policy_write:
      return "policy_write";
    case budget_write:
      return "budget_write";
    case audit_read:
      return "audit_read";
    case token_create:
      return "token_create";
    case token_revoke:
      return "token_revoke";
    case team_manage:
      return "team_manage";
    case kill_agent:
      return "kill_agent";
    case break_glass:
      return "break_glass";
  }
  return "none";
}

std::optional<Permission> parse_permission(std::string_view text) {
  for (const Permission permission : all_permissions)
    if (to_string(permission) == text) return permission;
  return std::nullopt;
}

std::string to_string(PermissionSet permissions) {
  std::string out;
  for (const Permission permission : all_permissions) {
    if (!permissions.contains(permission)) continue;
    if (!out.empty()) out += ',';
    out += to_string(permission);
  }
  return out;
}

std::optional<PermissionSet> parse_permissions(std::string_view text) {
  PermissionSet out;
  for (const std::string_view word : split(text, ',')) {
    const auto permission = parse_permission(word);
    if (!permission || out.contains(*permission)) return std::nullopt;
    out.insert(*permission);
  }
  return out;
}

}  // namespace slipway
