#include "deploy/preview_volumes.h"

#include <map>

#include "base/log.h"

namespace slipway {

Result<std::string> PreviewVolumes::source_for(const Deployment& deployment) const {
  std::optional<Deployment> last;
  for (const std::string& owner : parts_.volumes.owners(deployment.project)) {
    const auto id = DeploymentId::parse(owner);
    if (!id || *id == deployment.id || !parts_.volumes.exist(deployment.project, owner)) continue;
    const auto other = parts_.repository.get(*id);
    if (!other || other->project != deployment.project || other->alias != deployment.alias)
      continue;
    // One that never answered may have left anything.
    if (!other->ready_at || other->created_at > deployment.created_at) continue;
    if (!last || other->created_at > last->created_at) last = *other;
  }
  if (last) return last->id.str();
  return parts_.store.share(deployment.project);
}

Result<std::vector<BindMount>> PreviewVolumes::binds(const Deployment& deployment,
                                                     const Unit& unit) const {
  const std::string owner = deployment.id.str();
  if (unit.service == nullptr || unit.service->volumes.empty()) return std::vector<BindMount>();
  if (!parts_.volumes.exist(deployment.project, owner)) {
    SLIPWAY_TRY(const std::string source, source_for(deployment));
    if (!source.empty()) SLIPWAY_CHECK(parts_.volumes.inherit(deployment.project, owner, source));
  }
  return parts_.volumes.binds(deployment.project, owner, unit);
}

std::optional<std::string> PreviewVolumes::excess(const DeploymentId& id) const {
  const auto deployment = parts_.repository.get(id);
  if (!deployment || !parts_.volumes.exist(deployment->project, id.str())) return std::nullopt;
  return parts_.volumes.excess(deployment->project, id.str());
}

Status PreviewVolumes::collect() const {
  const Timestamp now = parts_.clock.now();
  for (const std::string& project : parts_.volumes.projects()) {
    std::map<std::string, Deployment> newest;  // by alias, of those that were ready
    std::vector<Deployment> idle;
    for (const std::string& owner : parts_.volumes.owners(project)) {
      const auto id = DeploymentId::parse(owner);
      if (!id) {
        // What serves is not ended for it; people are told.
        if (const auto excess = parts_.volumes.excess(project, owner))
          log_warn("an environment's volumes are too large",
                   {{"project", project}, {"environment", owner}, {"reason", *excess}});
        continue;
      }
      const auto deployment = parts_.repository.get(*id);
      if (!deployment && deployment.error().code == Errc::not_found) {
        SLIPWAY_CHECK(parts_.volumes.remove(project, owner));
        continue;
      }
      if (!deployment) return fail(deployment.error());
      if (deployment->ready_at) {
        Deployment& known = newest[deployment->alias];
        if (known.id.empty() || known.created_at < deployment->created_at) known = *deployment;
      }
      // What was removed can be brought back until it is forgotten.
      if (is_settled(deployment->state) && !is_live(deployment->state) &&
          deployment->state != DeploymentState::deleted)
        idle.push_back(*deployment);
    }
    for (const Deployment& each : idle) {
      const Timestamp ended = each.expires_at.value_or(each.created_at);
      const bool is_last = newest[each.alias].id == each.id;
      if (is_last && now < ended + parts_.settings.previews.ttl) continue;
      SLIPWAY_CHECK(parts_.volumes.remove(project, each.id.str()));
    }
  }
  return {};
}

}  // namespace slipway
