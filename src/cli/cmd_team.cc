// slipway team: teams, their members and projects.
#include <fmt/format.h>

#include <memory>

#include "base/near.h"
#include "base/text.h"
#include "cli/all_pages.h"
#include "cli/server.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

struct TeamArguments {
  std::optional<std::string> action, team, name, role;
};

Result<int> list(Context& context) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object answer, get_all(*api, "/v1/teams", "teams"));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(answer, "teams")) {
    if (!value.is_object()) continue;
    const json::object& team = value.as_object();
    std::vector<std::string> members, projects;
    for (const json::value& member : array_at(team, "members"))
      if (member.is_object())
        members.push_back(fmt::format("{} ({})", text_at(member.as_object(), "name"),
                                      text_at(member.as_object(), "role")));
    for (const json::value& project : array_at(team, "projects"))
      if (project.is_string()) projects.emplace_back(project.as_string());
    rows.push_back({sanitize_line(text_at(team, "name")), sanitize_line(join(members, ", ")),
                    sanitize_line(join(projects, ", "))});
  }
  context.console.out(table({"TEAM", "MEMBERS", "PROJECTS"}, rows, context.console.out_style()));
  return 0;
}

Result<int> team(Context& context, const TeamArguments& arguments) {
  const std::string action = arguments.action.value_or("");
  if (action == "ls") return list(context);
  if (action != "create" && action != "add" && action != "remove" && action != "add-project")
    return fail(Errc::invalid_argument,
                fmt::format("slipway team does not know '{}'", sanitize_line(action)),
                "it knows: ls, create, add, remove, add-project");
  if (!arguments.team || (action != "create" && !arguments.name))
    return fail(Errc::invalid_argument,
                action == "create" ? "which team?" : "which team, and who or what?",
                fmt::format("slipway team {} TEAM{}", action, action == "create" ? "" : " NAME"));
  if (action == "add" && !arguments.role)
    return fail(Errc::invalid_argument, "which role?",
                "--role viewer, deployer, approver or admin");
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  const std::string target = "/v1/teams/" + url_encode(*arguments.team);
  const std::string name = url_encode(arguments.name.value_or(""));
  Result<json::object> answer =
      action == "create" ? api->post("/v1/teams", {{"name", *arguments.team}})
      : action == "add"  ? api->post(target + "/members/" + name, {{"role", *arguments.role}})
      : action == "add-project" ? api->post(target + "/projects/" + name, {})
                                : api->remove(target + "/members/" + name);
  if (!answer) return fail(std::move(answer).error());
  context.console.out(context.common.json
                          ? printable_json(*answer)
                          : sanitize_line(arguments.name.value_or(*arguments.team)) + "\n");
  if (const json::value* existed = answer->if_contains("existed");
      existed && *existed == json::value(false) && !context.common.quiet) {
    std::vector<std::string> similar;
    for (const json::value& each : array_at(*answer, "similar"))
      if (each.is_string()) similar.emplace_back(each.as_string());
    context.console.err(
        sanitize_line(fmt::format(
            "{} does not exist yet; it is reserved for the team {}{}", *arguments.name,
            *arguments.team, similar.empty() ? "" : fmt::format(" ({})", did_you_mean(similar)))) +
        "\n");
  }
  return 0;
}

}  // namespace

Action define_team(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<TeamArguments>();
  arguments.positional("ACTION", own->action, "ls, create, add, remove or add-project",
                       ValueKind::text, Presence::required);
  arguments.positional("TEAM", own->team, "the team", ValueKind::text, Presence::optional);
  arguments.positional("NAME", own->name, "the member; add-project: the project", ValueKind::text,
                       Presence::optional);
  arguments.option("--role", "ROLE", own->role, "add: viewer, deployer, approver or admin");
  arguments.flag("--json", common.json, "print the answer as JSON");
  return [own](Context& context) { return team(context, *own); };
}

}  // namespace slipway::cli
