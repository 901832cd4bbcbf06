#include "deploy/routes.h"

#include <unordered_map>

namespace slipway {

Result<RouteTarget> Routes::target(const Deployment& deployment, std::string_view step) {
  if (is_live(deployment.state)) {
    if (!deployment.artifact.site) return RouteTarget(fleet_.backend(deployment.id));
    SLIPWAY_TRY(const std::shared_ptr<const Manifest> manifest,
                blobs_.read_manifest(*deployment.artifact.site));
    return RouteTarget(
        StaticSite::create(deployment.id, *manifest, deployment.artifact.fallback, blobs_));
  }
  StatusPage page{.project = deployment.project,
                  .deployment = deployment.id.str(),
                  .step = std::string(step),
                  .error = deployment.error};
  page.kind = is_settled(deployment.state) ? std::string(to_string(deployment.state)) : "building";
  return RouteTarget(std::make_shared<const StatusPage>(std::move(page)));
}

Status Routes::publish(const Deployment& deployment, std::string_view step) {
  std::lock_guard lock(mutex_);
  SLIPWAY_TRY(RouteTarget leads_to, target(deployment, step));
  table_.publish({Change(names_.deployment_host(deployment), std::move(leads_to))});
  return {};
}

Status Routes::publish_with_alias(const AuditContext& by, const Deployment& deployment) {
  std::lock_guard lock(mutex_);
  SLIPWAY_TRY(const RouteTarget leads_to, target(deployment));
  table_.publish({Change(names_.deployment_host(deployment), leads_to)});
  SLIPWAY_TRY(const bool newest, repository_.advance_alias(by, deployment));
  if (newest)
    table_.publish({Change(names_.alias_host(deployment.project, deployment.alias), leads_to)});
  return {};
}

Status Routes::retreat(const AuditContext& by, const Deployment& gone) {
  std::lock_guard lock(mutex_);
  SLIPWAY_TRY(const RouteTarget page, target(gone));
  SLIPWAY_TRY(const std::optional<DeploymentId> next,
              repository_.retreat_alias(by, gone.project, gone.alias));
  RouteTarget alias_target = page;
  if (next) {
    SLIPWAY_TRY(const Deployment deployment, repository_.get(*next));
    SLIPWAY_TRY(alias_target, target(deployment));
  }
  table_.publish({Change(names_.deployment_host(gone), page),
                  Change(names_.alias_host(gone.project, gone.alias), std::move(alias_target))});
  return {};
}

Status Routes::publish_all() {
  std::lock_guard lock(mutex_);
  std::vector<Change> changes;
  std::unordered_map<DeploymentId, RouteTarget> live;
  Status problem;
  SLIPWAY_CHECK(repository_.each([&](const Deployment& deployment) {
    auto leads_to = target(deployment);
    if (!leads_to) {  // its files are damaged: say so at its URL, serve the others
      problem = fail(leads_to.error());
      StatusPage page{.kind = "failed",
                      .project = deployment.project,
                      .deployment = deployment.id.str(),
                      .error = leads_to.error()};
      leads_to = RouteTarget(std::make_shared<const StatusPage>(std::move(page)));
    }
    if (is_live(deployment.state)) live.emplace(deployment.id, *leads_to);
    changes.emplace_back(names_.deployment_host(deployment), *std::move(leads_to));
  }));
  SLIPWAY_TRY(const std::vector<Repository::Alias> aliases, repository_.aliases());
  for (const Repository::Alias& alias : aliases)
    if (const auto at = live.find(alias.deployment); at != live.end())
      changes.emplace_back(names_.alias_host(alias.project, alias.alias), at->second);
  table_.publish(std::move(changes));
  return problem;
}

}  // namespace slipway
