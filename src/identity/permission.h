#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

// What a caller may be allowed. Every row of the API's and of the command line's table names what
// it needs. The words are part of the JSON contract and of tokens; add, never rename.
enum class Permission : std::uint8_t {
  none,          // anybody, without a token
  read,          // deployments, projects, logs
  deploy,        // upload, plan, deploy, redeploy
  remove,        // remove deployments and bring them back
  promote,       //
  rollback,      //
  env_read,      // names of variables and secrets; never a secret's value
  env_write,     //
  secret_write,  //
  approve,       // an approval that a policy asked for
  waive,         // accept a finding or a rule for a time
  policy_read,   //
  policy_write,  //
  budget_write,  //
  audit_read,    //
  token_create,  // narrower ones than one's own; others' take team_manage besides
  token_revoke,  // one's own and what was narrowed from it; others' take team_manage besides
  team_manage,   // teams, members, their tokens
  kill_agent,    //
  break_glass,   //
};
inline constexpr std::array all_permissions{
    Permission::none,         Permission::read,         Permission::deploy,
    Permission::remove,       Permission::promote,      Permission::rollback,
    Permission::env_read,     Permission::env_write,    Permission::secret_write,
    Permission::approve,      Permission::waive,        Permission::policy_read,
    Permission::policy_write, Permission::budget_write, Permission::audit_read,
    Permission::token_create, Permission::token_revoke, Permission::team_manage,
    Permission::kill_agent,   Permission::break_glass};

[[nodiscard]] std::string_view to_string(Permission permission);
[[nodiscard]] std::optional<Permission> parse_permission(std::string_view text);

// A set of permissions. A plain value.
class PermissionSet {
 public:
  constexpr PermissionSet() = default;
  constexpr PermissionSet(std::initializer_list<Permission> permissions) {
    for (const Permission permission : permissions) insert(permission);
  }
  [[nodiscard]] static constexpr PermissionSet all() {
    PermissionSet out;
    for (const Permission permission : all_permissions) out.insert(permission);
    return out;
  }
  constexpr void insert(Permission permission) { bits_ |= bit(permission); }
  [[nodiscard]] constexpr bool contains(Permission permission) const {
    return (bits_ & bit(permission)) != 0;
  }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  [[nodiscard]] constexpr PermissionSet operator&(PermissionSet other) const {
    return PermissionSet(bits_ & other.bits_);
  }
  [[nodiscard]] constexpr PermissionSet operator|(PermissionSet other) const {
    return PermissionSet(bits_ | other.bits_);
  }
  [[nodiscard]] constexpr PermissionSet without(PermissionSet other) const {
    return PermissionSet(bits_ & ~other.bits_);
  }
  constexpr bool operator==(const PermissionSet&) const = default;

 private:
  constexpr explicit PermissionSet(std::uint32_t bits) : bits_(bits) {}
  static constexpr std::uint32_t bit(Permission permission) {
    return std::uint32_t{1} << static_cast<unsigned>(permission);
  }
  std::uint32_t bits_ = 0;
};

// "deploy,read": in the order of the enumerators. The other way round: any order; nothing when a
// word is unknown or twice there, or the text is empty.
[[nodiscard]] std::string to_string(PermissionSet permissions);
[[nodiscard]] std::optional<PermissionSet> parse_permissions(std::string_view text);

}  // namespace slipway
