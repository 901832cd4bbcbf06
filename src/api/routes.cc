#include "api/routes.h"

#include <array>

namespace slipway {
namespace {

using enum Permission;

// The whole API. Order matters nowhere: no two rows match one request.
constexpr std::array table{
    ApiRoute{"GET", "/healthz", none, "healthz", "Whether the server answers", "", "Health",
             handlers::healthz},
    ApiRoute{"GET", "/metrics", none, "metrics", "Figures for Prometheus", "", "",
             handlers::metrics},
    ApiRoute{"GET", "/v1/openapi.json", none, "openapi", "This description", "", "",
             handlers::openapi},
    ApiRoute{"GET", "/v1/whoami", read, "whoami", "Who the token speaks for", "", "WhoAmI",
             handlers::whoami},
    ApiRoute{"POST", "/v1/uploads", deploy, "openUpload",
             "Announce a tree of files; learn which blobs are missing", "UploadRequest", "Upload",
             handlers::open_upload},
    ApiRoute{"PUT", "/v1/uploads/{id}/pack", deploy, "putPack",
             "Send the missing blobs as one pack", "Pack", "PackReceipt", handlers::put_pack},
    ApiRoute{"POST", "/v1/plan", deploy, "plan", "What a deployment of an upload would do",
             "DeploymentRequest", "Plan", handlers::plan},
    ApiRoute{"POST", "/v1/deployments", deploy, "createDeployment", "Deploy an upload",
             "DeploymentRequest", "Deployment", handlers::create_deployment},
    ApiRoute{"GET", "/v1/deployments", read, "listDeployments", "Deployments, newest first", "",
             "DeploymentPage", handlers::list_deployments},
    ApiRoute{"GET", "/v1/deployments/{ref}", read, "getDeployment", "One deployment", "",
             "Deployment", handlers::get_deployment},
    ApiRoute{"GET", "/v1/deployments/{ref}/events", read, "watchDeployment",
             "What happens while it is made, as server-sent events", "", "", handlers::events},
    ApiRoute{"GET", "/v1/deployments/{ref}/logs", read, "readLogs",
             "Build or run logs, one JSON object a line", "", "", handlers::logs},
    ApiRoute{"POST", "/v1/deployments/{ref}/redeploy", deploy, "redeploy",
             "Make it again from the same source", "RedeployRequest", "Deployment",
             handlers::redeploy},
    ApiRoute{"DELETE", "/v1/deployments/{ref}", remove, "deleteDeployment",
             "Stop and remove it; undo brings it back", "", "Deployment",
             handlers::delete_deployment},
    ApiRoute{"POST", "/v1/undo", remove, "undo", "Bring a removed deployment back", "UndoRequest",
             "Deployment", handlers::undo},
    ApiRoute{"GET", "/v1/projects", read, "listProjects", "All projects", "", "ProjectList",
             handlers::list_projects},
};

}  // namespace

std::span<const ApiRoute> api_routes() { return table; }

}  // namespace slipway
