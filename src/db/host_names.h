#pragma once

#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "db/database.h"
#include "model/deployment.h"

// No two things have one host name below the server's domain. A project's production has
// "<project>", a deployment "<project>-<tail of its id>", an alias "<alias>--<project>", an
// environment "<environment>--<project>"; each of these is asked for in the transaction that
// records who would have it. Errors: conflict.
namespace slipway {

// For a project that is made: no deployment of another has its name for a host.
[[nodiscard]] Status check_project_host(Database::Session& session, std::string_view project);
// For a deployment that is recorded or comes back: no project has its host for a name, and its
// alias is no environment of the project.
[[nodiscard]] Status check_deployment_hosts(Database::Session& session,
                                            const Deployment& deployment);
// For an environment's release: it is no alias of the project's previews.
[[nodiscard]] Status check_environment_host(Database::Session& session, std::string_view project,
                                            std::string_view environment);

}  // namespace slipway
