#include "release/environment_routes.h"

#include "deploy/path_routes.h"
#include "deploy/wire_values.h"

namespace slipway {

Result<std::optional<EnvironmentRoutes::Serving>> EnvironmentRoutes::load(
    std::string_view project, std::string_view environment, std::int64_t number) const {
  if (number == 0) return std::nullopt;
  Serving serving;
  SLIPWAY_TRY(serving.release, parts_.store.release(project, environment, number));
  SLIPWAY_TRY(serving.deployment, parts_.repository.get(serving.release.deployment));
  return serving;
}

std::optional<TrafficSplit::Arm> EnvironmentRoutes::arm(const Serving& serving, const Unit& unit) {
  const Crews::Key key = Crews::key_of(serving.release);
  if (unit.artifact->site)
    return TrafficSplit::Arm{
        .target = parts_.sites.get(
            serving.deployment.id, unit.label, *unit.artifact->site, unit.artifact->fallback,
            run_wires(serving.deployment, unit, parts_.names,
                      [&](std::string_view label) {
                        return parts_.names.release_host(serving.release.project,
                                                         serving.release.environment, label);
                      })),
        .stats = stats(key)};
  if (!unit.is_routed()) return std::nullopt;
  return TrafficSplit::Arm{.target = parts_.crews.pool(key, unit.label), .stats = stats(key)};
}

RouteTarget EnvironmentRoutes::target(const Serving& serving, const Unit& unit,
                                      const std::optional<Serving>& canary, const Canary& wanted) {
  auto first = arm(serving, unit);
  if (!first)
    return RouteTarget(
        std::make_shared<const StatusPage>(StatusPage{.kind = "background",
                                                      .project = serving.release.project,
                                                      .deployment = serving.deployment.id.str()}));
  TrafficSplit split;
  split.salt = wanted.salt;
  const auto other = canary ? find_unit(canary->deployment, unit.label) : std::nullopt;
  auto second = other ? arm(*canary, *other) : std::nullopt;
  if (second) {
    second->share = static_cast<std::uint32_t>(wanted.percent) * 100;
    first->share -= second->share;
  }
  split.arms.push_back(*std::move(first));
  if (second) split.arms.push_back(*std::move(second));
  return RouteTarget(std::make_shared<const TrafficSplit>(std::move(split)));
}

Result<std::int64_t> EnvironmentRoutes::publish(std::string_view project,
                                                std::string_view environment) {
  const MutexLock one_at_a_time(publishing_);
  const Place place{project, environment};
  SLIPWAY_TRY(const EnvironmentState state, parts_.store.environment(project, environment));
  SLIPWAY_TRY(const std::optional<Serving> serving, load(project, environment, state.current));
  Canary wanted;
  {
    const MutexLock lock(mutex_);
    if (const auto at = canaries_.find(place); at != canaries_.end()) wanted = at->second;
  }
  if (wanted.number == state.current) wanted = {};
  std::vector<Change> changes;
  std::set<std::string> hosts;
  if (serving) {
    SLIPWAY_TRY(const std::optional<Serving> canary, load(project, environment, wanted.number));
    for (const Unit& unit : units_of(serving->deployment)) {
      if (!unit.label.empty() && !unit.is_routed()) continue;
      const RouteTarget leads_to =
          with_path_rules(serving->deployment, unit, target(*serving, unit, canary, wanted),
                          [&](std::string_view label) {
                            return parts_.names.release_host(project, environment, label);
                          });
      const auto add = [&](std::string host) {
        if (hosts.insert(host).second) changes.emplace_back(std::move(host), leads_to);
      };
      add(parts_.names.release_host(project, environment, unit.label));
      if (unit.label.empty())
        for (std::string& domain : domains(project, environment)) add(std::move(domain));
    }
  }
  std::set<std::string>& before = published_[place];
  for (const std::string& host : before)
    if (!hosts.contains(host)) changes.emplace_back(host, std::nullopt);
  const Duration begun = parts_.clock.monotonic();
  parts_.table.publish(std::move(changes), RouteTable::Claim::environment);
  before = std::move(hosts);
  return (parts_.clock.monotonic() - begun).count();
}

void EnvironmentRoutes::set_canary(const Release& release, int percent, std::string salt) {
  const MutexLock lock(mutex_);
  canaries_[{release.project, release.environment}] = {
      .number = release.number, .percent = percent, .salt = std::move(salt)};
}

void EnvironmentRoutes::clear_canary(std::string_view project, std::string_view environment) {
  const MutexLock lock(mutex_);
  canaries_.erase(Place(project, environment));
}

std::shared_ptr<TrafficStats> EnvironmentRoutes::stats(const Crews::Key& key) {
  const MutexLock lock(mutex_);
  std::shared_ptr<TrafficStats>& found = stats_[key];
  if (!found) found = std::make_shared<TrafficStats>();
  return found;
}

void EnvironmentRoutes::forget(const Crews::Key& key) {
  const MutexLock lock(mutex_);
  stats_.erase(key);
}

std::vector<std::string> EnvironmentRoutes::domains(std::string_view project,
                                                    std::string_view environment) const {
  return parts_.domains ? parts_.domains(project, environment) : std::vector<std::string>();
}

}  // namespace slipway
