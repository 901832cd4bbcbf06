// Teams, their members and their projects.
#include <functional>

#include "api/pages.h"
#include "api/project_names.h"
#include "api/routes.h"
#include "base/text.h"
#include "json/reader.h"

namespace slipway::handlers {
namespace {

json::object member_json(const Member& member) {
  return {{"team", member.team},
          {"name", member.name},
          {"role", to_string(member.role)},
          {"created_at", to_rfc3339(member.created_at)}};
}

// A member of a team of their own sees and manages that one.
Status check_team(const ApiCall& call, std::string_view team) {
  if (call.principal.team.empty() || call.principal.team == team) return {};
  return fail({.code = Errc::permission_denied,
               .message = fmt::format("you belong to the team {}, not to {}", call.principal.team,
                                      sanitize_line(team)),
               .hint = "ask an admin of that team",
               .cause = "not_permitted"});
}

}  // namespace

Result<ApiResponse> list_teams(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(std::vector<Team> teams, context.identity.teams());
  SLIPWAY_TRY(const std::vector<Project> projects, context.service.projects());
  std::erase_if(teams, [&](const Team& each) { return !check_team(call, each.name); });
  return paged(call, "teams", std::move(teams), std::mem_fn(&Team::name), [&](const Team& team) {
    json::array members, owned;
    for (const Member& member : context.identity.members(team.name))
      members.push_back(member_json(member));
    for (const Project& project : projects)
      if (project.team == team.name && in_reach(context, call, project.name))
        owned.push_back(json::value(project.name));
    return json::object{
        {"name", team.name}, {"members", std::move(members)}, {"projects", std::move(owned)}};
  });
}

Result<ApiResponse> create_team(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string name;
  JsonReader reader(body);
  reader.require("name").read("name", name);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(context.identity.create_team(call.by, name));
  return json_response(201, json::object{{"name", name}});
}

Result<ApiResponse> set_member(const ApiContext& context, ApiCall& call) {
  const std::string &team = call.path_value("team"), &name = call.path_value("name");
  SLIPWAY_CHECK(check_team(call, team));
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string role_name;
  JsonReader reader(body);
  reader.require("role").read("role", role_name);
  const std::optional<Role> role = parse_role(role_name);
  if (!role) reader.wrong("role", "viewer, deployer, approver or admin");
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(context.identity.set_member(call.by, team, name, *role));
  return json_response(200, json::object{{"team", team}, {"name", name}, {"role", role_name}});
}

Result<ApiResponse> remove_member(const ApiContext& context, ApiCall& call) {
  const std::string &team = call.path_value("team"), &name = call.path_value("name");
  SLIPWAY_CHECK(check_team(call, team));
  SLIPWAY_CHECK(context.identity.remove_member(call.by, team, name));
  return json_response(200, json::object{{"team", team}, {"name", name}, {"removed", true}});
}

Result<ApiResponse> add_team_project(const ApiContext& context, ApiCall& call) {
  const std::string &team = call.path_value("team"), &project = call.path_value("project");
  SLIPWAY_CHECK(check_names(project, "preview"));
  SLIPWAY_TRY(const bool existed, context.repository.has_project(project));
  SLIPWAY_CHECK(context.identity.give_project(call.by, team, project));
  json::array similar;
  if (!existed) {
    SLIPWAY_TRY(const std::vector<std::string> names, similar_projects(context, call, project));
    for (const std::string& name : names) similar.push_back(json::string(name));
  }
  return json_response(200, json::object{{"team", team},
                                         {"project", project},
                                         {"existed", existed},
                                         {"similar", std::move(similar)}});
}

}  // namespace slipway::handlers
