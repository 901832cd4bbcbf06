#include "deploy/housekeeping.h"

#include <malloc.h>

#include <set>
#include <unordered_set>

#include "base/log.h"
#include "sys/directory.h"
#include "sys/files.h"

namespace slipway {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr Duration flush_interval = 30s, drop_interval = 10s;

// <project>/<environment>/<number> of each release that has logs.
std::vector<fs::path> release_logs_in(const fs::path& root) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::recursive_directory_iterator at(root, error), end; !error && at != end;
       at.increment(error)) {
    if (at.depth() < 2) continue;
    at.disable_recursion_pending();
    out.push_back(at->path().lexically_relative(root));
  }
  return out;
}

std::set<DeploymentId> deployment_logs_in(const fs::path& root) {
  std::set<DeploymentId> out;
  std::error_code ignored;
  for (const fs::directory_entry& entry : entries_of(root, ignored))
    if (auto id = DeploymentId::parse(entry.path().filename().string())) out.insert(*std::move(id));
  return out;
}

}  // namespace

Status Housekeeping::start() {
  return worker_.start([this, last = Done{.collection = parts_.clock.monotonic()},
                        first = true](const std::stop_token&) mutable -> std::optional<Duration> {
    if (!std::exchange(first, false)) look(last);
    return 1s;
  });
}

void Housekeeping::stop() { worker_.stop(); }

void Housekeeping::look(Done& last) {
  // One thing that goes wrong keeps none of the others from being done.
  run_guarded("fleet", [&] { parts_.fleet.tick(); });
  if (parts_.tick_releases) run_guarded("releases", parts_.tick_releases);
  const Duration now = parts_.clock.monotonic();
  if (now - last.expiry >= 1s) {
    last.expiry = now;
    run_guarded("expiry", [&] {
      if (Status expired = expire_previews(); !expired)
        log_warn("previews were not expired", {{"error", expired.error().message}});
    });
    run_guarded("governance", [&] {
      if (Status ticked = parts_.governance.tick(); !ticked)
        log_warn("approvals and waivers were not looked through",
                 {{"error", ticked.error().message}});
    });
  }
  if (now - last.flush >= flush_interval) {
    last.flush = now;
    run_guarded("layers", [&] {
      if (Status flushed = parts_.layers.flush(); !flushed)
        log_warn("layers were not flushed", {{"error", flushed.error().message}});
      ::malloc_trim(0);  // what a burst needed
    });
  }
  if (now - last.drop >= drop_interval) {
    last.drop = now;
    run_guarded("sites",
                [&] { parts_.sites.drop_unused_since(now - parts_.settings.previews.idle); });
  }
  if (now - last.collection >= parts_.settings.gc.interval) {
    last.collection = now;
    run_guarded("garbage collection", [&] {
      const auto freed = collect_garbage();
      if (!freed)
        log_warn("garbage was not collected", {{"error", freed.error().message}});
      else if (*freed > 0)
        log_info("garbage collected", {{"bytes", *freed}});
    });
  }
}

Status Housekeeping::expire_previews() {
  SLIPWAY_TRY(const std::vector<DeploymentId> due, parts_.repository.live_due(parts_.clock.now()));
  for (const DeploymentId& id : due) SLIPWAY_CHECK(expire(id, "its time to live passed"));

  const std::size_t cap = parts_.settings.previews.max_total;
  SLIPWAY_TRY(const std::size_t live, parts_.repository.live_count());
  if (live <= cap) return {};
  SLIPWAY_TRY(const std::vector<DeploymentId> all, parts_.repository.live_ids());
  std::vector<std::pair<Duration, DeploymentId>> by_use;
  for (const DeploymentId& id : all)
    by_use.emplace_back(
        std::max(parts_.fleet.last_used(id), parts_.sites.last_used(id).value_or(Duration::zero())),
        id);
  std::ranges::sort(by_use);
  for (std::size_t i = 0; i + cap < by_use.size(); ++i)
    SLIPWAY_CHECK(expire(by_use[i].second,
                         "the cap on previews was reached, and it was used least recently"));
  return {};
}

Status Housekeeping::expire(const DeploymentId& id, std::string_view reason) {
  SLIPWAY_TRY(const Deployment deployment, parts_.repository.get(id));
  if (Status expired = parts_.service.expire(by_system("housekeeping"), deployment, reason);
      !expired) {
    if (expired.error().code == Errc::conflict) return {};
    return expired;
  }
  log_info("preview expired", {{"deployment", id.str()}, {"reason", reason}});
  return {};
}

Result<std::uint64_t> Housekeeping::collect_garbage() {
  const MutexLock one_at_a_time(collecting_);
  const Timestamp now = parts_.clock.now();
  SLIPWAY_CHECK(parts_.repository.remove_uploads_before(now - parts_.settings.gc.keep_uploads));

  std::unordered_set<Digest> manifests, blobs;
  std::unordered_set<std::string> layers, toolchains, projects_in_use;
  bool building = false;
  std::vector<DeploymentId> forgotten;
  // What a release may have to run again stays, whatever became of its preview.
  std::unordered_set<DeploymentId> released;
  const fs::path log_root = parts_.settings.data / "logs" / "releases";
  // Looked at first: a release that begins meanwhile is not among them.
  const std::vector<fs::path> logs = release_logs_in(log_root);
  // Of deployments that were forgotten just when the server was killed.
  std::set<DeploymentId> orphans = deployment_logs_in(parts_.settings.data / "logs");
  std::set<fs::path> kept_logs;
  SLIPWAY_TRY(const std::vector<Release> releases, parts_.releases.kept());
  for (const Release& release : releases) {
    released.insert(release.deployment);
    kept_logs.insert(fs::path(release.project) / release.environment /
                     std::to_string(release.number));
    for (const auto& [label, layer] : release.release_layers) layers.insert(layer);
  }
  SLIPWAY_CHECK(parts_.repository.each([&](const Deployment& deployment) {
    orphans.erase(deployment.id);
    const bool deleted = deployment.state == DeploymentState::deleted;
    const bool is_released = released.contains(deployment.id);
    if (deleted && !is_released && deployment.deleted_at < now - parts_.settings.gc.keep_removed) {
      forgotten.push_back(deployment.id);
      return;
    }
    projects_in_use.insert(deployment.project);
    building = building || !is_settled(deployment.state);
    // The source stays as long as the deployment is listed (redeploy needs it); an expired one's
    // layers do not.
    manifests.insert(deployment.source);
    for (const Unit& unit : units_of(deployment)) {
      const Artifact& artifact = *unit.artifact;
      if (artifact.site) manifests.insert(*artifact.site);
      if (deployment.state == DeploymentState::expired && !is_released) continue;
      layers.insert(artifact.layers.begin(), artifact.layers.end());
      if (!artifact.release_layer.empty()) layers.insert(artifact.release_layer);
      toolchains.insert(artifact.toolchains.begin(), artifact.toolchains.end());
    }
  }));
  SLIPWAY_TRY(const std::vector<Project> projects, parts_.repository.projects());
  for (const Project& project : projects) {
    if (!projects_in_use.contains(project.name)) continue;
    SLIPWAY_TRY(const std::optional<Digest> base, parts_.repository.base_manifest(project.name));
    if (base) manifests.insert(*base);
  }
  SLIPWAY_TRY(const std::vector<Digest> uploads, parts_.repository.upload_manifests());
  manifests.insert(uploads.begin(), uploads.end());
  for (const Digest& digest : manifests) {
    blobs.insert(digest);
    auto text = parts_.blobs.read(digest);
    if (!text && text.error().code == Errc::not_found) continue;
    // Any other doubt keeps everything: garbage is cheaper than a lost file.
    if (!text) return fail(text.error());
    SLIPWAY_TRY(const Manifest manifest, Manifest::parse(*text));
    for (const ManifestEntry& entry : manifest.entries) blobs.insert(entry.digest);
  }
  if (parts_.volumes != nullptr) SLIPWAY_CHECK(parts_.volumes->collect());
  for (const fs::path& log : logs)
    if (!kept_logs.contains(log)) SLIPWAY_CHECK(remove_tree(log_root / log));
  for (const DeploymentId& id : forgotten) {
    // A promotion may have come in between: then it is not forgotten.
    if (Status purged = parts_.repository.purge(by_system("housekeeping"), id); !purged) {
      if (purged.error().code == Errc::failed_precondition) continue;
      return fail(std::move(purged).error());
    }
    orphans.insert(id);
  }
  for (const DeploymentId& id : orphans)
    SLIPWAY_CHECK(remove_tree(parts_.settings.data / "logs" / id.str()));
  SLIPWAY_CHECK(parts_.repository.give_back_uid_slots());
  for (const Project& project : projects)
    if (!projects_in_use.contains(project.name))
      SLIPWAY_CHECK(parts_.builder.remove_caches(project.name));
  const auto grace = std::chrono::ceil<std::chrono::seconds>(parts_.settings.gc.grace);
  SLIPWAY_TRY(const std::uint64_t layer_bytes,
              parts_.layers.collect(
                  [&](std::string_view id) { return layers.contains(std::string(id)); }, grace));
  SLIPWAY_TRY(
      const std::uint64_t blob_bytes,
      parts_.blobs.collect([&](const Digest& digest) { return blobs.contains(digest); }, grace));
  // A build names its toolchains only when it is done.
  if (building) return layer_bytes + blob_bytes;
  SLIPWAY_TRY(const std::uint64_t toolchain_bytes,
              parts_.builder.collect_toolchains(
                  [&](std::string_view id) { return toolchains.contains(std::string(id)); },
                  parts_.settings.gc.keep_toolchains));
  return layer_bytes + blob_bytes + toolchain_bytes;
}

}  // namespace slipway
