#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "identity/restriction.h"
#include "identity/role.h"
#include "model/actor.h"

namespace slipway {

// The team that owns the server: its members reach the projects of every team.
inline constexpr std::string_view server_team = "default";

// What a member, or an agent of members, is called wherever they are told apart (actors and their
// chains, facts of policies, votes, speed limits, the kill switch, the audit log): "ann" for one of
// the server's own team, "makers/ann" for one of another. Their own names have no "/", so no two
// share one.
[[nodiscard]] std::string person_name(std::string_view team, std::string_view member);
// The team in such a name.
[[nodiscard]] std::string_view team_of_name(std::string_view name);

// Whom a request comes from and what they may do: made from the token by authentication, never from
// what a request says of itself. A plain value.
struct Principal {
  Actor actor;
  Role role = Role::viewer;
  std::string team;                       // whose projects it reaches; "" is every team's
  std::vector<Restriction> restrictions;  // root's first; every one must allow
  std::string path;                       // ids of the token and its narrowings: "tok_a/tok_b"
  // The least that is left over the whole chain; nothing when there is no limit.
  std::optional<std::int64_t> deploys_left, money_left_micros;
  bool operator==(const Principal&) const = default;

  [[nodiscard]] bool is_agent() const { return actor.kind == "agent"; }
  // What role, restrictions and separation of duty leave.
  [[nodiscard]] PermissionSet permissions() const;
  // Reaches every project and environment: no team, no restriction by project or environment.
  [[nodiscard]] bool reaches_all() const;
};

// Follows the narrowings of a token: an "agent" makes the holder that agent on behalf of the human
// at the root, and never a human again (its name is in that human's team); sessions, tasks and
// labels name what it does.
void apply_narrowing(Principal& principal, const Restriction& restriction);

// For an environment: each there is and will be, as with a waiver.
inline constexpr std::string_view every_environment = "*";

// Whether it may do this to that project and environment; "" for either means: to none in
// particular, so that only the permission itself is asked for. Does not know which team a project
// belongs to: IdentityStore::authorize() asks that too. Errors: permission_denied (exit 77), cause
// "not_permitted", with what is missing and who has it.
[[nodiscard]] Status permits(const Principal& principal, Permission permission,
                             std::string_view project = {}, std::string_view environment = {});

// What is about no one project is about the whole server: it takes a member of the server's own
// team and a token that is narrowed to no project and no environment. Errors: as permits().
[[nodiscard]] Status reach_server(const Principal& principal);
// The same for one team; whoever reaches the server reaches every team.
[[nodiscard]] Status reach_team(const Principal& principal, std::string_view team);

}  // namespace slipway
