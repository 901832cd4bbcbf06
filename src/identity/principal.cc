#include "identity/principal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"

namespace slipway {
namespace {

std::unexpected<Error> refuse(std::string message, std::string hint) {
  Error error{.code = Errc::permission_denied,
              .message = std::move(message),
              .hint = std::move(hint),
              .cause = "not_permitted"};
  error.next.push_back({"slipway whoami", "to see what this token may do"});
  return fail(std::move(error));
}

std::string who(const Principal& principal) {
  return fmt::format("{} {}", principal.actor.kind, sanitize_line(principal.actor.name));
}

std::string roles_with(Permission permission) {
  std::string out;
  for (const Role role : all_roles)
    if (role_permissions(role).contains(permission))
      out += fmt::format("{}{}", out.empty() ? "" : ", ", to_string(role));
  return out;
}

// In what it may do. One that only ends sooner makes tokens that end with it.
bool is_narrowed(const Principal& principal) {
  return principal.path.contains('/') ||
         std::ranges::any_of(principal.restrictions, [](const Restriction& restriction) {
           return restriction.projects || restriction.actions || restriction.environments ||
                  restriction.deploys || restriction.money_micros;
         });
}

}  // namespace

std::string person_name(std::string_view team, std::string_view member) {
  return team == server_team ? std::string(member) : fmt::format("{}/{}", team, member);
}

std::string_view team_of_name(std::string_view name) {
  const auto slash = name.find('/');
  return slash == std::string_view::npos ? server_team : name.substr(0, slash);
}

PermissionSet Principal::permissions() const {
  PermissionSet out = role_permissions(role);
  for (const Restriction& restriction : restrictions)
    if (restriction.actions) out = out & *restriction.actions;
  if (actor.kind != "human") out = out.without(never_for_agents);
  if (is_narrowed(*this)) out = out.without({Permission::team_manage});
  out.insert(Permission::none);
  return out;
}

bool Principal::reaches_all() const {
  if (!team.empty()) return false;
  for (const Restriction& restriction : restrictions)
    if (restriction.projects || restriction.environments) return false;
  return true;
}

void apply_narrowing(Principal& principal, const Restriction& restriction) {
  Actor& actor = principal.actor;
  if (!restriction.agent.empty()) {
    if (actor.kind == "human") actor.on_behalf_of = actor.name;
    actor.kind = "agent";
    actor.name =
        person_name(principal.team.empty() ? server_team : principal.team, restriction.agent);
    actor.chain.push_back("agent:" + actor.name);
  }
  if (!restriction.session.empty()) actor.session = restriction.session;
  if (!restriction.task.empty()) actor.task = restriction.task;
  actor.token = restriction.id;
  principal.path += "/" + restriction.id;
  principal.restrictions.push_back(restriction);
}

Status reach_server(const Principal& principal) {
  if (principal.reaches_all()) return {};
  return refuse("this is about the whole server, and the token reaches a part of it",
                "use a token that is narrowed to no project and no environment, of a member of the "
                "team `default`");
}

Status reach_team(const Principal& principal, std::string_view team) {
  if (principal.team.empty()) return reach_server(principal);
  if (principal.team != team)
    return refuse(fmt::format("this is about the team {}, and {} belongs to {}",
                              sanitize_line(team), who(principal), principal.team),
                  "ask somebody of that team, or of the team `default`");
  for (const Restriction& restriction : principal.restrictions)
    if (restriction.projects || restriction.environments)
      return refuse("this is about the whole team, and the token reaches a part of it",
                    "use a token that is narrowed to no project and no environment");
  return {};
}

Status permits(const Principal& principal, Permission permission, std::string_view project,
               std::string_view environment) {
  if (permission == Permission::none) return {};
  const std::string_view name = to_string(permission);
  if (principal.actor.kind != "human" && never_for_agents.contains(permission))
    return refuse(fmt::format("{} may not {}: this takes a human", who(principal), name),
                  "separation of duty: no agent approves, waives, manages teams, changes policies "
                  "or budgets, or breaks glass, whatever its token");
  if (!role_permissions(principal.role).contains(permission))
    return refuse(
        fmt::format("{} is {} and may not {}", who(principal), to_string(principal.role), name),
        fmt::format("ask somebody whose role has it: {}", roles_with(permission)));
  // Whoever manages members makes their tokens, and those would be wider than this one.
  if (permission == Permission::team_manage && is_narrowed(principal))
    return refuse(fmt::format("the token {} is narrowed, and so manages no teams and members",
                              principal.actor.token),
                  "a narrow token could make itself a wide one; use the one that it came from");
  for (const Restriction& restriction : principal.restrictions) {
    if (restriction.actions && !restriction.actions->contains(permission))
      return refuse(fmt::format("the token {} is narrowed to {}, which leaves out {}",
                                restriction.id, to_string(*restriction.actions), name),
                    "ask whoever narrowed it for one with this action");
    if (!project.empty() && !restriction.allows_project(project))
      return refuse(
          fmt::format("the token {} is narrowed to the project {}, which {} is not", restriction.id,
                      fmt::join(*restriction.projects, ", "), sanitize_line(project)),
          "ask whoever narrowed it for one with this project");
    if (environment == every_environment && restriction.environments)
      return refuse(fmt::format("the token {} is narrowed to the environment {}, and this concerns "
                                "every environment of {}",
                                restriction.id, fmt::join(*restriction.environments, ", "),
                                sanitize_line(project)),
                    "ask whoever narrowed it for one with every environment");
    if (!environment.empty() && environment != every_environment &&
        !restriction.allows_environment(environment))
      return refuse(fmt::format("the token {} is narrowed to the environment {}, which {} is not",
                                restriction.id, fmt::join(*restriction.environments, ", "),
                                sanitize_line(environment)),
                    "ask whoever narrowed it for one with this environment");
  }
  return {};
}

}  // namespace slipway
