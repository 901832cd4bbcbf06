#include "deploy/routes.h"

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

void Routes::replace_hosts(std::string_view project, std::string_view alias,
                           std::vector<Change> now, std::vector<Change>& changes) {
  std::set<std::string> hosts;
  for (Change& change : now) {
    hosts.insert(change.first);
    changes.push_back(std::move(change));
  }
  const std::pair place{std::string(project), std::string(alias)};
  const auto before = alias_hosts_.find(place);
  if (before != alias_hosts_.end())
    for (const std::string& host : before->second)
      if (!hosts.contains(host)) changes.emplace_back(host, std::nullopt);
  if (!hosts.empty())
    alias_hosts_.insert_or_assign(place, std::move(hosts));
  else if (before != alias_hosts_.end())
    alias_hosts_.erase(before);
}

Status Routes::lead_alias(const Deployment& shown, std::vector<Change>& changes) {
  std::vector<Change> now;
  SLIPWAY_CHECK(add_changes(shown, Hosts::alias, now));
  replace_hosts(shown.project, shown.alias, std::move(now), changes);
  return {};
}

Status Routes::add_alias_changes(std::string_view project, std::string_view alias,
                                 std::vector<Change>& changes) {
  SLIPWAY_TRY(const std::optional<DeploymentId> leads, repository_.alias(project, alias));
  std::optional<Deployment> shown;
  if (leads) {
    SLIPWAY_TRY(shown, repository_.get(*leads));
  } else {
    SLIPWAY_TRY(shown, repository_.last_shown(project, alias));
  }
  if (shown) return lead_alias(*shown, changes);
  replace_hosts(project, alias, {}, changes);
  return {};
}

Status Routes::publish(const Deployment& deployment, std::string_view step) {
  const MutexLock lock(mutex_);
  std::vector<Change> changes;
  SLIPWAY_CHECK(add_changes(deployment, Hosts::own, changes, step));
  SLIPWAY_TRY(const std::optional<DeploymentId> leads,
              repository_.alias(deployment.project, deployment.alias));
  if (leads == deployment.id) SLIPWAY_CHECK(lead_alias(deployment, changes));
  table_.publish(std::move(changes));
  return {};
}

Status Routes::publish_with_alias(const AuditContext& by, const Deployment& deployment) {
  const MutexLock lock(mutex_);
  std::vector<Change> own, alias;
  SLIPWAY_CHECK(add_changes(deployment, Hosts::own, own));
  table_.publish(std::move(own));
  SLIPWAY_TRY(const bool newest, repository_.advance_alias(by, deployment));
  if (!newest) return {};
  SLIPWAY_CHECK(lead_alias(deployment, alias));
  table_.publish(std::move(alias));
  return {};
}

Status Routes::retreat(const AuditContext& by, const Deployment& gone) {
  const MutexLock lock(mutex_);
  std::vector<Change> changes;
  SLIPWAY_CHECK(add_changes(gone, Hosts::own, changes));
  SLIPWAY_TRY([[maybe_unused]] const std::optional<DeploymentId> next,
              repository_.retreat_alias(by, gone.project, gone.alias));
  SLIPWAY_CHECK(add_alias_changes(gone.project, gone.alias, changes));
  table_.publish(std::move(changes));
  return {};
}

Status Routes::publish_all() {
  const MutexLock lock(mutex_);
  std::vector<Change> changes;
  Status problem;
  std::map<std::pair<std::string, std::string>, DeploymentId> leads;
  SLIPWAY_TRY([[maybe_unused]] const std::size_t moved,
              repository_.settle_aliases(by_system("routes")));
  SLIPWAY_TRY(const std::vector<Repository::Alias> aliases, repository_.aliases());
  for (const Repository::Alias& alias : aliases)
    leads.emplace(std::pair(alias.project, alias.alias), alias.deployment);
  // Aliases that lead to nothing any more, and the newest that was shown there.
  std::map<std::pair<std::string, std::string>, DeploymentId> ended;
  std::map<std::pair<std::string, std::string>, std::vector<Change>> led;
  SLIPWAY_CHECK(repository_.each([&](const Deployment& deployment) {
    const std::pair place(deployment.project, deployment.alias);
    const auto alias = leads.find(place);
    const auto add = [&]() -> Status {
      SLIPWAY_CHECK(add_changes(deployment, Hosts::own, changes));
      if (alias != leads.end() && alias->second == deployment.id)
        return add_changes(deployment, Hosts::alias, led[place]);
      return {};
    };
    if (Status added = add(); !added) {
      // Its files are damaged: say so at its URL, serve the others.
      problem = added;
      StatusPage page{.kind = "failed",
                      .project = deployment.project,
                      .deployment = deployment.id.str(),
                      .error = added.error()};
      changes.emplace_back(names_.deployment_host(deployment),
                           RouteTarget(std::make_shared<const StatusPage>(std::move(page))));
    }
    if (alias == leads.end() && deployment.ready_at) ended.insert_or_assign(place, deployment.id);
  }));
  for (auto& [place, hosts] : led)
    replace_hosts(place.first, place.second, std::move(hosts), changes);
  for (const auto& [place, id] : ended) {
    SLIPWAY_TRY(const Deployment deployment, repository_.get(id));
    if (Status shown = lead_alias(deployment, changes); !shown) problem = shown;
  }
  table_.publish(std::move(changes));
  return problem;
}

}  // namespace slipway
