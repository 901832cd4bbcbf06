#include "deploy/sites.h"

#include <algorithm>

namespace slipway {

std::shared_ptr<const StaticSite> Sites::get(const DeploymentId& id, std::string_view label,
                                             const Digest& manifest, StaticFallback fallback,
                                             FilledWires wires) {
  const MutexLock lock(mutex_);
  ByLabel& all = sites_[id];
  const auto found = std::ranges::find_if(
      all, [&](const Entry& entry) { return entry.label == label && entry.wires == wires; });
  if (found != all.end()) return found->site;
  auto site = StaticSite::create(id, manifest, fallback, blobs_, clock_.monotonic(), wires);
  return all.emplace_back(std::string(label), std::move(wires), std::move(site)).site;
}

void Sites::forget(const DeploymentId& id) {
  const MutexLock lock(mutex_);
  sites_.erase(id);
}

std::optional<Duration> Sites::last_used(const DeploymentId& id) const {
  const MutexLock lock(mutex_);
  const auto found = sites_.find(id);
  if (found == sites_.end()) return std::nullopt;
  std::optional<Duration> used;
  for (const Entry& entry : found->second)
    used = std::max(used.value_or(Duration::min()), entry.site->last_request());
  return used;
}

std::size_t Sites::drop_unused_since(Duration since) {
  const MutexLock lock(mutex_);
  std::size_t dropped = 0;
  for (const auto& [id, all] : sites_)
    for (const Entry& entry : all)
      dropped += entry.site->drop_index_unless_used_since(since) ? 1 : 0;
  return dropped;
}

}  // namespace slipway
