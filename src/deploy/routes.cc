#include "deploy/routes.h"

#include <unordered_map>

#include "deploy/path_routes.h"
#include "deploy/wire_values.h"

namespace slipway {

Result<RouteTarget> Routes::target(const Deployment& deployment, const Unit& unit,
                                   std::string_view step) {
  if (!is_live(deployment.state)) sites_.forget(deployment.id);
  StatusPage page{.project = deployment.project,
                  .deployment = deployment.id.str(),
                  .step = std::string(step),
                  .error = deployment.error};
  if (is_live(deployment.state)) {
    if (unit.artifact->site)
      return RouteTarget(sites_.get(
          deployment.id, unit.label, *unit.artifact->site, unit.artifact->fallback,
          run_wires(deployment, unit, names_,
                    [&](std::string_view label) { return names_.unit_host(deployment, label); })));
    if (unit.is_routed()) return RouteTarget(fleet_.backend(deployment, unit.label));
    page.kind = "background";
  } else {
    page.kind =
        is_settled(deployment.state) ? std::string(to_string(deployment.state)) : "building";
  }
  return RouteTarget(std::make_shared<const StatusPage>(std::move(page)));
}

Status Routes::add_changes(const Deployment& deployment, Hosts hosts, std::vector<Change>& changes,
                           std::string_view step) {
  for (const Unit& unit : units_of(deployment)) {
    if (!unit.label.empty() && !unit.is_routed()) continue;
    SLIPWAY_TRY(RouteTarget leads_to, target(deployment, unit, step));
    if (is_live(deployment.state))
      leads_to = with_path_rules(
          deployment, unit, std::move(leads_to),
          [&](std::string_view label) { return names_.unit_host(deployment, label); });
    changes.emplace_back(hosts == Hosts::own ? names_.unit_host(deployment, unit.label)
                                             : names_.unit_alias_host(deployment.project,
                                                                      deployment.alias, unit.label),
                         std::move(leads_to));
  }
  return {};
}

Status Routes::publish(const Deployment& deployment, std::string_view step) {
  const MutexLock lock(mutex_);
  std::vector<Change> changes;
  SLIPWAY_CHECK(add_changes(deployment, Hosts::own, changes, step));
  table_.publish(std::move(changes));
  return {};
}

Status Routes::publish_with_alias(const AuditContext& by, const Deployment& deployment) {
  const MutexLock lock(mutex_);
  std::vector<Change> own, alias;
  SLIPWAY_CHECK(add_changes(deployment, Hosts::own, own));
  for (std::size_t i = 0; const Unit& unit : units_of(deployment))
    if (unit.label.empty() || unit.is_routed())  // as add_changes() goes
      alias.emplace_back(names_.unit_alias_host(deployment.project, deployment.alias, unit.label),
                         own[i++].second);
  table_.publish(std::move(own));
  SLIPWAY_TRY(const bool newest, repository_.advance_alias(by, deployment));
  if (newest) table_.publish(std::move(alias));
  return {};
}

Status Routes::retreat(const AuditContext& by, const Deployment& gone) {
  const MutexLock lock(mutex_);
  std::vector<Change> changes;
  SLIPWAY_CHECK(add_changes(gone, Hosts::own, changes));
  SLIPWAY_CHECK(add_changes(gone, Hosts::alias, changes));
  SLIPWAY_TRY(const std::optional<DeploymentId> next,
              repository_.retreat_alias(by, gone.project, gone.alias));
  if (next) {
    SLIPWAY_TRY(const Deployment deployment, repository_.get(*next));
    SLIPWAY_CHECK(add_changes(deployment, Hosts::alias, changes));  // the last word on a host
  }
  table_.publish(std::move(changes));
  return {};
}

Status Routes::publish_all() {
  const MutexLock lock(mutex_);
  std::vector<Change> changes;
  std::unordered_map<DeploymentId, std::vector<Change>> live;
  Status problem;
  SLIPWAY_CHECK(repository_.each([&](const Deployment& deployment) {
    std::vector<Change> own;
    if (Status added = add_changes(deployment, Hosts::own, own); !added) {
      // Its files are damaged: say so at its URL, serve the others.
      problem = added;
      StatusPage page{.kind = "failed",
                      .project = deployment.project,
                      .deployment = deployment.id.str(),
                      .error = added.error()};
      own.assign(1, Change(names_.deployment_host(deployment),
                           RouteTarget(std::make_shared<const StatusPage>(std::move(page)))));
    }
    if (is_live(deployment.state)) {
      std::vector<Change>& alias = live[deployment.id];  // by label until the alias is known
      for (std::size_t i = 0; const Unit& unit : units_of(deployment))
        if ((unit.label.empty() || unit.is_routed()) && i < own.size())
          alias.emplace_back(unit.label, own[i++].second);
    }
    changes.insert(changes.end(), std::make_move_iterator(own.begin()),
                   std::make_move_iterator(own.end()));
  }));
  SLIPWAY_TRY(const std::vector<Repository::Alias> aliases, repository_.aliases());
  for (const Repository::Alias& alias : aliases)
    if (const auto at = live.find(alias.deployment); at != live.end())
      for (const auto& [label, leads_to] : at->second)
        changes.emplace_back(names_.unit_alias_host(alias.project, alias.alias, label), leads_to);
  table_.publish(std::move(changes));
  return problem;
}

}  // namespace slipway
