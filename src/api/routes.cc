#include "api/routes.h"

#include <array>

namespace slipway {
namespace {

using enum Permission;
using enum Reach;

// The whole API. Order matters nowhere: no two rows match one request.
constexpr std::array table{
    ApiRoute{"GET", "/healthz", none, "healthz", "Whether the server answers", "", "Health",
             handlers::healthz},
    ApiRoute{"GET", "/metrics", none, "metrics", "Figures for Prometheus", "", "",
             handlers::metrics},
    ApiRoute{"GET", "/v1/openapi.json", none, "openapi", "This description", "", "",
             handlers::openapi},
    ApiRoute{"GET", "/v1/whoami", read, "whoami", "Who the token speaks for", "", "WhoAmI",
             handlers::whoami, some},
    ApiRoute{"POST", "/v1/uploads", deploy, "openUpload",
             "Announce a tree of files; learn which blobs are missing", "UploadRequest", "Upload",
             handlers::open_upload, some},
    ApiRoute{"PUT", "/v1/uploads/{id}/pack", deploy, "putPack",
             "Send the missing blobs as one pack", "Pack", "PackReceipt", handlers::put_pack, some},
    ApiRoute{"POST", "/v1/plan", deploy, "plan", "What a deployment of an upload would do",
             "DeploymentRequest", "Plan", handlers::plan, some},
    ApiRoute{"POST", "/v1/deployments", deploy, "createDeployment", "Deploy an upload",
             "DeploymentRequest", "Deployment", handlers::create_deployment, some},
    ApiRoute{"GET", "/v1/deployments", read, "listDeployments", "Deployments, newest first", "",
             "DeploymentPage", handlers::list_deployments, some},
    ApiRoute{"GET", "/v1/deployments/{ref}", read, "getDeployment", "One deployment", "",
             "Deployment", handlers::get_deployment, some},
    ApiRoute{"GET", "/v1/deployments/{ref}/events", read, "watchDeployment",
             "What happens while it is made, as server-sent events", "", "", handlers::events,
             some},
    ApiRoute{"GET", "/v1/deployments/{ref}/logs", read, "readLogs",
             "Build or run logs, one JSON object a line", "", "", handlers::logs, some},
    ApiRoute{"POST", "/v1/deployments/{ref}/redeploy", deploy, "redeploy",
             "Make it again from the same source", "RedeployRequest", "Deployment",
             handlers::redeploy, some},
    ApiRoute{"DELETE", "/v1/deployments/{ref}", remove, "deleteDeployment",
             "Stop and remove it; undo brings it back", "", "Deployment",
             handlers::delete_deployment, some},
    ApiRoute{"POST", "/v1/undo", remove, "undo", "Bring a removed deployment back", "UndoRequest",
             "Deployment", handlers::undo, some},
    ApiRoute{"GET", "/v1/projects", read, "listProjects", "All projects", "", "ProjectList",
             handlers::list_projects, some},
    ApiRoute{"GET", "/v1/tokens", read, "listTokens", "Tokens that one may see; never their text",
             "", "TokenList", handlers::list_tokens, some},
    ApiRoute{"POST", "/v1/tokens", token_create, "createToken",
             "A narrower token than one's own, or a member's first; its text is shown this once",
             "TokenRequest", "NewToken", handlers::create_token, some},
    ApiRoute{"DELETE", "/v1/tokens/{id}", token_revoke, "revokeToken",
             "End a token and all that were narrowed from it", "", "Revoked",
             handlers::revoke_token, some},
    ApiRoute{"GET", "/v1/agents", read, "listAgents", "Agents that hold tokens, or were killed", "",
             "AgentList", handlers::list_agents},
    ApiRoute{"POST", "/v1/agents/{name}/kill", Permission::kill_agent, "killAgent",
             "End an agent's tokens, its unfinished deployments and its previews", "",
             "KilledAgent", handlers::kill_agent},
    ApiRoute{"POST", "/v1/agents/{name}/revive", Permission::kill_agent, "reviveAgent",
             "Let an agent of this name have tokens again", "", "RevivedAgent",
             handlers::revive_agent},
    ApiRoute{"GET", "/v1/teams", read, "listTeams", "Teams that one may see, with their members",
             "", "TeamList", handlers::list_teams, some},
    ApiRoute{"POST", "/v1/teams", team_manage, "createTeam", "Make a team", "TeamRequest", "Team",
             handlers::create_team},
    ApiRoute{"POST", "/v1/teams/{team}/members/{name}", team_manage, "setMember",
             "Add a member, or change the role", "MemberRequest", "Member", handlers::set_member,
             some},
    ApiRoute{"DELETE", "/v1/teams/{team}/members/{name}", team_manage, "removeMember",
             "Remove a member; their tokens end", "", "Member", handlers::remove_member, some},
    ApiRoute{"POST", "/v1/teams/{team}/projects/{project}", team_manage, "addTeamProject",
             "Give a project to a team", "", "TeamProject", handlers::add_team_project},
};

}  // namespace

std::span<const ApiRoute> api_routes() { return table; }

}  // namespace slipway
