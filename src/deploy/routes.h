#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "db/repository.h"
#include "deploy/fleet.h"
#include "deploy/names.h"
#include "deploy/sites.h"
#include "router/route_table.h"

namespace slipway {

// Says which host names lead where: turns recorded deployments and aliases into routes.
// Thread-safe.
class Routes {
 public:
  Routes(RouteTable& table, const Names& names, Fleet& fleet, Repository& repository, Sites& sites)
      : table_(table), names_(names), fleet_(fleet), repository_(repository), sites_(sites) {}

  // The deployment's own host shows what its recorded state asks for: the app, or a page that says
  // why not. An alias that leads to it follows. `step` names what is under way.
  [[nodiscard]] Status publish(const Deployment& deployment, std::string_view step = {});
  // As publish(); then makes the alias lead to it, unless the alias leads to a newer one.
  [[nodiscard]] Status publish_with_alias(const AuditContext& by, const Deployment& deployment);
  // After a deployment went away: its alias leads to the newest one left, or shows the page of the
  // newest that it led to.
  [[nodiscard]] Status retreat(const AuditContext& by, const Deployment& gone);
  // All of it, at start.
  [[nodiscard]] Status publish_all();

 private:
  using Change = std::pair<std::string, std::optional<RouteTarget>>;
  // Of one unit.
  [[nodiscard]] Result<RouteTarget> target(const Deployment& deployment, const Unit& unit,
                                           std::string_view step = {});
  // Of every unit at its own host; with `alias`, at the alias's hosts instead.
  enum class Hosts { own, alias };
  [[nodiscard]] Status add_changes(const Deployment& deployment, Hosts hosts,
                                   std::vector<Change>& changes, std::string_view step = {});
  // All hosts of an alias as the records have it; those that it had and has no more go.
  [[nodiscard]] Status add_alias_changes(std::string_view project, std::string_view alias,
                                         std::vector<Change>& changes) SLIPWAY_REQUIRES(mutex_);
  // As add_alias_changes(), when it is known what the alias shows.
  [[nodiscard]] Status lead_alias(const Deployment& shown, std::vector<Change>& changes)
      SLIPWAY_REQUIRES(mutex_);
  void replace_hosts(std::string_view project, std::string_view alias, std::vector<Change> now,
                     std::vector<Change>& changes) SLIPWAY_REQUIRES(mutex_);

  RouteTable& table_;
  const Names& names_;
  Fleet& fleet_;
  Repository& repository_;
  Sites& sites_;
  Mutex mutex_;  // one publisher at a time, so that an older state never overwrites a newer
  // Hosts that aliases have, by project and alias.
  std::map<std::pair<std::string, std::string>, std::set<std::string>> alias_hosts_
      SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
