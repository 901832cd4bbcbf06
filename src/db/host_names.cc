#include "db/host_names.h"

#include <fmt/format.h>

#include "model/release.h"

namespace slipway {

Status check_project_host(Database::Session& session, std::string_view project) {
  constexpr std::size_t tail_length = 10;
  if (project.size() < tail_length + 2 || project[project.size() - tail_length - 1] != '-')
    return {};
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT 1 FROM deployment WHERE id=? AND project=?"));
  const std::string_view tail = project.substr(project.size() - tail_length);
  const std::string_view of = project.substr(0, project.size() - tail_length - 1);
  SLIPWAY_TRY(const bool taken, query.bind(1, fmt::format("dpl_{}", tail)).bind(2, of).step());
  if (!taken) return {};
  return fail(Errc::conflict,
              fmt::format("'{}' is the host name of a deployment of {}", project, of),
              fmt::format("choose another name, such as {}-app", project));
}

Status check_deployment_hosts(Database::Session& session, const Deployment& deployment) {
  SLIPWAY_TRY(Statement named, session.prepare("SELECT 1 FROM project WHERE name=?"));
  const std::string host = fmt::format("{}-{}", deployment.project, deployment.id.tail());
  SLIPWAY_TRY(const bool taken, named.bind(1, host).step());
  if (taken)
    return fail(Errc::conflict, fmt::format("there is a project called {}", host), "try again");
  // One that is on its way counts as one that serves.
  SLIPWAY_TRY(Statement serves,
              session.prepare("SELECT 1 FROM release_entry WHERE project=?1 AND environment=?2 AND"
                              " (live_at IS NOT NULL OR EXISTS (SELECT 1 FROM rollout WHERE"
                              "  project=?1 AND environment=?2 AND state IN"
                              "  ('waiting','running','canary','watching'))) LIMIT 1"));
  SLIPWAY_TRY(const bool is_environment,
              serves.bind(1, deployment.project).bind(2, deployment.alias).step());
  if (is_environment)
    return fail(
        Errc::conflict,
        fmt::format("{} is an environment of {}: no alias of previews is called so",
                    deployment.alias, deployment.project),
        fmt::format("use another alias, or promote: slipway promote ID --to {}", deployment.alias));
  return {};
}

Status check_environment_host(Database::Session& session, std::string_view project,
                              std::string_view environment) {
  if (environment == production_environment || environment == staging_environment) return {};
  SLIPWAY_TRY(Statement query,
              session.prepare("SELECT 1 FROM deployment WHERE project=? AND alias=?"
                              " AND state<>'deleted' LIMIT 1"));
  SLIPWAY_TRY(const bool taken, query.bind(1, project).bind(2, environment).step());
  if (!taken) return {};
  return fail(Errc::conflict,
              fmt::format("{} has previews with the alias '{}', so no environment is called so",
                          project, environment),
              "choose another name for the environment");
}

}  // namespace slipway
