#include "deploy/service.h"

#include <unordered_set>

#include "base/text.h"
#include "db/urgent.h"
#include "deploy/shown.h"
#include "deploy/units.h"
#include "detect/detect.h"
#include "store/workspace.h"

namespace slipway {

namespace {

// Agents share with whom they act for.
const std::string& person_of(const Actor& actor) {
  return actor.on_behalf_of.empty() ? actor.name : actor.on_behalf_of;
}

}  // namespace

Result<Uploads::Opened> DeployService::open_upload(const AuditContext& by,
                                                   const std::string& project, Manifest manifest) {
  SLIPWAY_CHECK(check_names(project, default_alias));
  parts_.fleet.expect_start();
  return uploads_.open(person_of(by.actor), project, std::move(manifest));
}

Result<Uploads::Opened> DeployService::open_upload(const AuditContext& by,
                                                   const std::string& project,
                                                   const ManifestDelta& delta) {
  SLIPWAY_CHECK(check_names(project, default_alias));
  parts_.fleet.expect_start();
  return uploads_.open(person_of(by.actor), project, delta);
}

Result<BlobStore::PackStats> DeployService::receive_pack(const AuditContext& by, const UploadId& id,
                                                         std::uint64_t announced,
                                                         const BlobStore::Reader& body) {
  return uploads_.receive(person_of(by.actor), id, announced, body);
}

Result<Deployment> DeployService::draft(const NewDeployment& wanted,
                                        std::shared_ptr<const Manifest>& source) {
  SLIPWAY_TRY(const Uploads::Complete sent, uploads_.complete(wanted.upload));
  const Upload& upload = sent.upload;
  source = sent.manifest;
  Deployment deployment;
  deployment.id = DeploymentId::random();
  deployment.project = wanted.project.empty() ? upload.project : wanted.project;
  deployment.alias = wanted.options.alias.empty() ? default_alias : wanted.options.alias;
  SLIPWAY_CHECK(check_names(deployment.project, deployment.alias));
  if (wanted.options.ttl && *wanted.options.ttl <= Duration::zero())
    return fail(Errc::invalid_argument, "the time to live must be longer than nothing",
                "such as --ttl 24h");
  for (const EnvVars* vars : {&wanted.options.env, &wanted.options.build_env})
    for (const auto& [name, value] : *vars)
      if (name.empty() || name.find_first_of("= \n\t") != std::string::npos ||
          name.find('\0') != std::string::npos || value.find('\0') != std::string::npos)
        return fail(Errc::invalid_argument,
                    fmt::format("'{}' cannot name a variable", sanitize_line(name)),
                    "use -e NAME=VALUE");
  deployment.message = wanted.options.message;
  deployment.created_at = parts_.clock.now();
  deployment.source = upload.manifest;
  deployment.source_files = source->entries.size();
  deployment.source_bytes = source->total_bytes();
  deployment.uploaded_files = wanted.uploaded_files;
  deployment.uploaded_bytes = wanted.uploaded_bytes;
  deployment.options = wanted.options;
  deployment.timings_ms = wanted.client_timings_ms;
  SLIPWAY_CHECK(compare_with_shown(deployment, *source, parts_.repository, parts_.blobs));
  return deployment;
}

Result<Deployment> DeployService::deploy(const AuditContext& by, const NewDeployment& wanted,
                                         std::string_view idempotency_key) {
  std::shared_ptr<const Manifest> source;
  SLIPWAY_TRY(Deployment drafted, draft(wanted, source));
  drafted.actor = by.actor;
  SLIPWAY_TRY(drafted.config_version,
              parts_.environments.newest_version(drafted.project, preview_environment));
  SLIPWAY_CHECK(parts_.repository.ensure_project(by, drafted.project, parts_.clock.now()));
  SLIPWAY_TRY(drafted.team, parts_.repository.team_of(drafted.project));
  return record(by, drafted, *source, idempotency_key);
}

Result<Deployment> DeployService::redeploy(const AuditContext& by, const Deployment& of,
                                           std::string message, std::string_view idempotency_key) {
  SLIPWAY_TRY(const std::shared_ptr<const Manifest> manifest,
              parts_.blobs.read_manifest(of.source));
  Deployment deployment;
  deployment.id = DeploymentId::random();
  deployment.project = of.project;
  deployment.alias = of.alias;
  SLIPWAY_TRY(deployment.team, parts_.repository.team_of(of.project));
  deployment.message = message.empty() ? "redeploy of " + of.id.str() : std::move(message);
  deployment.actor = by.actor;
  SLIPWAY_TRY(deployment.config_version,
              parts_.environments.newest_version(deployment.project, preview_environment));
  deployment.created_at = parts_.clock.now();
  deployment.source = of.source;
  deployment.source_files = of.source_files;
  deployment.source_bytes = of.source_bytes;
  deployment.options = of.options;
  SLIPWAY_CHECK(compare_with_shown(deployment, *manifest, parts_.repository, parts_.blobs));
  return record(by, deployment, *manifest, idempotency_key);
}

Result<Deployment> DeployService::plan(const NewDeployment& wanted) {
  std::shared_ptr<const Manifest> manifest;
  SLIPWAY_TRY(Deployment deployment, draft(wanted, manifest));
  const DeployOptions& options = deployment.options;
  deployment.plan = detect(ManifestTree(*manifest, parts_.blobs), answers_of(options));
  return deployment;
}

Result<Deployment> DeployService::find(std::string_view reference, const Visible& visible) {
  const auto seen = [&](const std::optional<Deployment>& found) {
    return found && (!visible || visible(found->project));
  };
  const auto nothing = [&]() -> std::unexpected<Error> {
    return fail(
        Errc::not_found,
        fmt::format("no deployment, project or alias is called '{}'", sanitize_line(reference)),
        "see `slipway ls`");
  };
  if (const auto id = DeploymentId::parse(reference)) {
    auto found = parts_.repository.get(*id);
    if (!found && found.error().code != Errc::not_found) return found;
    if (!found || !seen(*found)) return nothing();
    return found;
  }
  std::string name(reference);
  if (const auto label = parts_.names.label_of(reference)) name = *label;
  // What exists tells a deployment's host from a project that is called alike.
  const auto by_host = [&](std::string_view host) -> std::optional<Deployment> {
    const std::string_view tail = Names::tail_of_host(host);
    const auto id = DeploymentId::parse(fmt::format("dpl_{}", tail));
    if (tail.empty() || !id) return std::nullopt;
    auto found = parts_.repository.get(*id);
    if (!found || host != fmt::format("{}-{}", found->project, tail) || !seen(*found))
      return std::nullopt;
    return *std::move(found);
  };
  if (auto found = by_host(name)) return *std::move(found);
  // "<service>--<any of the others>" is the URL of one service.
  if (const auto dashes = name.find("--"); dashes != std::string::npos) {
    const std::string below = name.substr(dashes + 2);
    if (auto found = by_host(below)) return *std::move(found);
    if (below.contains("--")) name = below;
  }
  if (const auto dashes = name.find("--"); dashes != std::string::npos) {
    SLIPWAY_TRY(std::optional<Deployment> newest,
                parts_.repository.newest(name.substr(dashes + 2), name.substr(0, dashes)));
    if (seen(newest)) return *std::move(newest);
  }
  SLIPWAY_TRY(std::optional<Deployment> newest, parts_.repository.newest(name));
  if (seen(newest)) return *std::move(newest);
  const std::string_view tail =
      std::string_view(name).starts_with("dpl_") ? std::string_view(name).substr(4) : name;
  SLIPWAY_TRY(const std::vector<DeploymentId> starting,
              parts_.repository.find_by_tail(tail, visible));
  if (starting.size() == 1) return parts_.repository.get(starting.front());
  if (starting.size() > 1)
    return fail(Errc::invalid_argument,
                fmt::format("'{}' is the start of several ids", sanitize_line(reference)),
                "give more of it; see `slipway ls`");
  return nothing();
}

std::string DeployService::url(const Deployment& deployment) const {
  return parts_.names.url(parts_.names.deployment_host(deployment));
}

std::string DeployService::alias_url(const Deployment& deployment) const {
  return parts_.names.url(parts_.names.alias_host(deployment.project, deployment.alias));
}

std::filesystem::path DeployService::log_directory(const DeploymentId& id, LogKind kind,
                                                   std::string_view label) const {
  return kind == LogKind::run ? parts_.fleet.log_directory(id, label)
                              : parts_.settings.data / "logs" / id.str() / "build";
}

Status DeployService::end(const AuditContext& by, const Deployment& deployment,
                          DeploymentState state, std::string_view reason) {
  const Urgent urgent;
  SLIPWAY_TRY(const Deployment ended,
              parts_.repository.update(by, deployment.id, [&](Deployment& change) -> Status {
                // What was removed while this was on its way stays removed.
                if (change.state == DeploymentState::deleted) {
                  if (state == DeploymentState::deleted) return {};
                  return fail(Errc::conflict, deployment.id.str() + " was removed meanwhile");
                }
                change.state = state;
                change.state_reason = reason;
                if (state != DeploymentState::deleted) return {};
                change.deleted_at = parts_.clock.now();
                change.deleted_by = by.actor;
                return {};
              }));
  SLIPWAY_CHECK(parts_.routes.retreat(by, ended));
  parts_.fleet.remove(deployment.id);
  return {};
}

Status DeployService::expire(const AuditContext& by, const Deployment& deployment,
                             std::string_view reason) {
  return end(by, deployment, DeploymentState::expired, reason);
}

Status DeployService::check_can_serve(const Deployment& deployment) const {
  bool there = true;
  for (const Unit& unit : units_of(deployment)) {
    const Artifact& artifact = *unit.artifact;
    for (const std::string& layer : artifact.layers) there = there && parts_.layers.find(layer);
    if (!artifact.release_layer.empty())
      there = there && parts_.layers.find(artifact.release_layer);
    if (!artifact.site) continue;
    const auto files = parts_.blobs.read_manifest(*artifact.site);
    std::vector<Digest> digests;
    if (files)
      for (const ManifestEntry& entry : (*files)->entries) digests.push_back(entry.digest);
    there = there && files && parts_.blobs.missing(digests).empty();
  }
  if (there) return {};
  Error error{.code = Errc::failed_precondition,
              .message = fmt::format("what {} ran is not kept any more: it had expired before it "
                                     "was removed",
                                     deployment.id.str()),
              .hint = "its source is kept: make it again"};
  error.next.push_back({"slipway redeploy " + deployment.id.str(), "to make it again"});
  return fail(std::move(error));
}

namespace {

// What a person took away is theirs to bring back, and their own agents'.
Status may_bring_back(const Actor& actor, const Deployment& removed) {
  if (actor.kind != "agent" || !removed.deleted_by || removed.deleted_by->kind != "human" ||
      removed.deleted_by->name == actor.on_behalf_of)
    return {};
  return fail(Errc::permission_denied,
              fmt::format("{} removed {}: no agent of somebody else brings it back",
                          removed.deleted_by->name, removed.id.str()),
              fmt::format("ask {}, or deploy the folder again", removed.deleted_by->name));
}

}  // namespace

Result<Deployment> DeployService::undo(const AuditContext& by,
                                       const std::optional<DeploymentId>& id) {
  const Timestamp now = parts_.clock.now(), oldest = now - parts_.settings.gc.keep_removed;
  std::optional<Deployment> removed;
  if (id) {
    SLIPWAY_TRY(removed, parts_.repository.get(*id));
    if (removed->state != DeploymentState::deleted)
      return fail(Errc::failed_precondition, id->str() + " was not removed");
    if (removed->deleted_at < oldest) removed.reset();
  } else {
    SLIPWAY_TRY(std::vector<Deployment> last, parts_.repository.last_deleted(oldest, 1));
    if (!last.empty()) removed = std::move(last.front());
  }
  if (!removed)
    return fail(Errc::not_found,
                fmt::format("nothing was removed within {}",
                            format_duration(parts_.settings.gc.keep_removed)),
                "deploy the folder again");
  SLIPWAY_CHECK(may_bring_back(by.actor, *removed));
  // What never became ready has no artifact to bring back: it returns as what it was.
  const bool complete = removed->ready_at.has_value();
  // Used from now on, so that nothing of it is collected before the record names it again.
  if (complete) SLIPWAY_CHECK(check_can_serve(*removed));
  const MutexLock one_at_a_time(recording_);
  AuditContext allowed = by;
  if (complete) {
    SLIPWAY_TRY(allowed, may_show_again(by, *removed));
  }
  SLIPWAY_TRY(const Deployment back,
              parts_.repository.update(allowed, removed->id, [&](Deployment& change) -> Status {
                if (change.state != DeploymentState::deleted)
                  return fail(Errc::conflict, "it was brought back already");
                change.deleted_at.reset();
                change.deleted_by.reset();
                change.state_reason = "brought back";
                change.state = complete       ? can_sleep(change) ? DeploymentState::sleeping
                                                                  : DeploymentState::ready
                               : change.error ? DeploymentState::failed
                                              : DeploymentState::canceled;
                // It lives at least an hour more: expiring at once would make undo useless.
                if (change.expires_at)
                  change.expires_at = std::max(*change.expires_at, now + std::chrono::hours{1});
                return {};
              }));
  if (is_live(back.state))
    SLIPWAY_CHECK(parts_.routes.publish_with_alias(by, back));
  else
    SLIPWAY_CHECK(parts_.routes.publish(back));
  return back;
}

}  // namespace slipway
