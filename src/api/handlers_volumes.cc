#include "api/routes.h"
#include "api/volume_policy.h"
#include "json/reader.h"
#include "model/environment.h"
#include "model/environment_class.h"
#include "model/release.h"

namespace slipway::handlers {
namespace {

json::object snapshot_json(const Volumes::Snapshot& snapshot) {
  return {{"id", snapshot.id},
          {"at", to_rfc3339(snapshot.at)},
          {"bytes", snapshot.bytes},
          {"reason", snapshot.reason}};
}

struct Place {
  std::string project, environment;
};

Result<Place> place_of(const ApiContext& context, const ApiCall& call) {
  Place place{call.path_value("project"), call.path_value("environment")};
  SLIPWAY_CHECK(check_names(place.project, preview_environment));
  SLIPWAY_CHECK(check_environment_name(place.environment));
  SLIPWAY_CHECK(authorize(context, call, place.project, place.environment));
  if (place.environment == preview_environment)
    return fail(Errc::invalid_argument, "each preview has volumes of its own, which go with it",
                fmt::format("see: slipway volume ls {}", place.project));
  return place;
}

// What the policies say to a change of an environment's volumes.
Result<AuditContext> allow(const ApiContext& context, const ApiCall& call, const Place& place,
                           DecisionPoint point, std::string_view change, std::string_view what) {
  return context.governance.require(
      {.point = point,
       .by = call.by,
       .project = place.project,
       .environment = std::string(environment_class(place.environment)),
       .resource = fmt::format("volume/{}/{}", place.project, place.environment),
       .action = "volume",
       .about = {{"change", what}},
       .more =
           [&](Facts& facts) {
             facts.add("config_change", {{"kind", "setting"},
                                         {"name", "volumes"},
                                         {"subject", "setting:volumes"},
                                         {"change", change},
                                         {"live", place.environment == "production" ? 1 : 0},
                                         {"undo_for", 48 * 3600},
                                         {"used_by", "none"},
                                         {"loads_code", 0}});
           }},
      ChangeDigest(call.by.actor, "volume")
          .add("place", place.environment)
          .add("change", change)
          .add("what", what));
}

// Records it before it is made.
Volumes::Before recorded(const ApiContext& context, const AuditContext& by, const Place& place) {
  return [&context, by, place](std::string_view id) {
    return context.volume_store.record(by, "volume.snapshotted", place.project, place.environment,
                                       id);
  };
}

// Files cannot be changed under what runs on them.
Status check_stopped(const ApiContext& context, const Place& place) {
  SLIPWAY_TRY(const EnvironmentState state,
              context.release_store.environment(place.project, place.environment));
  if (!state.active.empty())
    return fail(Errc::failed_precondition,
                fmt::format("{} of {} is being changed by {}", place.environment, place.project,
                            state.active.str()),
                "wait for its end");
  for (const std::int64_t number : {state.current, state.previous})
    if (number > 0 && !context.crews.instances({place.project, place.environment, number}).empty())
      return fail(Errc::failed_precondition,
                  fmt::format("release {} of {} runs on its volumes", number, place.environment),
                  fmt::format("go back to a release and a snapshot at once: slipway rollback {} "
                              "--env {} --restore SNAPSHOT",
                              place.project, place.environment));
  return {};
}

}  // namespace
}  // namespace slipway::handlers

namespace slipway {

Result<AuditContext> allow_restore(const ApiContext& context, const ApiCall& call,
                                   std::string_view project, std::string_view environment,
                                   std::string_view snapshot, std::string_view how) {
  SLIPWAY_CHECK(
      context.identity.authorize(call.principal, Permission::promote, project, environment));
  return handlers::allow(context, call, {std::string(project), std::string(environment)},
                         DecisionPoint::config, "modified",
                         fmt::format("restore {} {}", snapshot, how));
}

}  // namespace slipway

namespace slipway::handlers {

Result<ApiResponse> list_volumes(const ApiContext& context, ApiCall& call) {
  const std::string& project = call.path_value("project");
  SLIPWAY_CHECK(check_names(project, preview_environment));
  json::array owners;
  for (const std::string& owner : context.volumes.owners(project)) {
    const auto preview = DeploymentId::parse(owner);
    if (!authorize(context, call, project, preview ? preview_environment : std::string_view(owner)))
      continue;
    SLIPWAY_TRY(const std::vector<Volumes::Volume> all, context.volumes.list(project, owner));
    json::array volumes;
    for (const Volumes::Volume& each : all)
      volumes.push_back(json::object{{"name", each.name}, {"bytes", each.bytes}});
    std::size_t snapshots = 0;
    if (const auto kept = context.volumes.snapshots(project, owner)) snapshots = kept->size();
    const auto problem = context.volumes.excess(project, owner);
    owners.push_back(
        json::object{{"owner", owner},
                     {"environment", preview ? preview_environment : owner},
                     {"volumes", std::move(volumes)},
                     {"snapshots", snapshots},
                     {"problem", problem ? json::value(*problem) : json::value(nullptr)}});
  }
  if (owners.empty()) SLIPWAY_CHECK(authorize(context, call, project, {}));
  SLIPWAY_TRY(const std::string shared, context.volume_store.share(project));
  return json_response(200, json::object{{"owners", std::move(owners)},
                                         {"previews_copy", shared.empty() ? json::value(nullptr)
                                                                          : json::value(shared)}});
}

Result<ApiResponse> remove_volumes(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Place place, place_of(context, call));
  SLIPWAY_CHECK(check_stopped(context, place));
  SLIPWAY_TRY(const AuditContext by,
              allow(context, call, place, DecisionPoint::remove, "removed", "remove the volumes"));
  // So that it can be undone.
  SLIPWAY_TRY(const auto kept, context.volumes.snapshot(place.project, place.environment,
                                                        "before the volumes were removed",
                                                        recorded(context, by, place)));
  SLIPWAY_CHECK(context.volume_store.record(by, "volume.removed", place.project, place.environment,
                                            kept ? kept->id : ""));
  SLIPWAY_CHECK(context.volumes.remove(place.project, place.environment));
  return json_response(200, json::object{{"project", place.project},
                                         {"environment", place.environment},
                                         {"snapshot", kept ? json::value(snapshot_json(*kept))
                                                           : json::value(nullptr)}});
}

Result<ApiResponse> share_volumes(const ApiContext& context, ApiCall& call) {
  const std::string& project = call.path_value("project");
  SLIPWAY_CHECK(check_names(project, preview_environment));
  SLIPWAY_CHECK(authorize(context, call, project, {}));
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string from;
  JsonReader reader(body);
  reader.require("from").read("from", from);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_TRY(const std::string before, context.volume_store.share(project));
  // Ending it concerns the environment that was shared.
  const Place place{project, from.empty() ? before : from};
  if (!place.environment.empty()) SLIPWAY_CHECK(check_environment_name(place.environment));
  SLIPWAY_CHECK(authorize(context, call, project, place.environment));
  if (from == preview_environment)
    return fail(Errc::invalid_argument, "previews have their own data already");
  if (!from.empty() && call.by.actor.kind != "human")
    return fail(Errc::permission_denied,
                fmt::format("only people let previews copy the data of {}", from),
                "ask somebody who may promote to it");
  SLIPWAY_TRY(const AuditContext by,
              allow(context, call, place, DecisionPoint::config, "modified",
                    from.empty() ? std::string("let previews copy no data")
                                 : fmt::format("let previews copy the data of {}", from)));
  SLIPWAY_CHECK(context.identity.claim_project(by, call.principal, call.permission, project));
  SLIPWAY_CHECK(context.volume_store.set_share(by, project, from));
  return json_response(200, json::object{{"project", project},
                                         {"previews_copy", from.empty() ? json::value(nullptr)
                                                                        : json::value(from)}});
}

Result<ApiResponse> list_snapshots(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Place place, place_of(context, call));
  SLIPWAY_TRY(const std::vector<Volumes::Snapshot> all,
              context.volumes.snapshots(place.project, place.environment));
  json::array out;
  for (const Volumes::Snapshot& each : all) out.push_back(snapshot_json(each));
  return json_response(200, json::object{{"snapshots", std::move(out)}});
}

Result<ApiResponse> make_snapshot(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string reason;
  JsonReader reader(body);
  reader.read("reason", reason);
  SLIPWAY_CHECK(reader.status());
  if (reason.size() > 500) return fail(Errc::invalid_argument, "reason is too long");
  SLIPWAY_TRY(const Place place, place_of(context, call));
  SLIPWAY_TRY(const AuditContext by, allow(context, call, place, DecisionPoint::config, "added",
                                           "make a snapshot: " + reason));
  SLIPWAY_TRY(const auto made,
              context.volumes.snapshot(place.project, place.environment,
                                       reason.empty() ? "by " + call.by.actor.name : reason,
                                       recorded(context, by, place)));
  if (!made)
    return fail(Errc::not_found,
                fmt::format("{} of {} has no volumes", place.environment, place.project));
  return json_response(201, snapshot_json(*made));
}

Result<ApiResponse> restore_snapshot(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Place place, place_of(context, call));
  const std::string& id = call.path_value("id");
  SLIPWAY_TRY(const std::vector<Volumes::Snapshot> all,
              context.volumes.snapshots(place.project, place.environment));
  if (std::ranges::find(all, id, &Volumes::Snapshot::id) == all.end())
    return fail(
        Errc::not_found, fmt::format("{} has no such snapshot", place.environment),
        fmt::format("see: slipway volume snapshots {} --env {}", place.project, place.environment));
  SLIPWAY_CHECK(check_stopped(context, place));
  SLIPWAY_TRY(const AuditContext by,
              allow_restore(context, call, place.project, place.environment, id, "by hand"));
  SLIPWAY_CHECK(
      context.volume_store.record(by, "volume.restored", place.project, place.environment, id));
  SLIPWAY_CHECK(context.volumes.restore(place.project, place.environment, id));
  return list_snapshots(context, call);
}

Result<ApiResponse> remove_snapshot(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const Place place, place_of(context, call));
  const std::string& id = call.path_value("id");
  SLIPWAY_TRY(const AuditContext by, allow(context, call, place, DecisionPoint::config, "removed",
                                           "remove the snapshot " + id));
  SLIPWAY_CHECK(context.volume_store.record(by, "volume.snapshot_removed", place.project,
                                            place.environment, id));
  SLIPWAY_CHECK(context.volumes.remove_snapshot(place.project, place.environment, id));
  return list_snapshots(context, call);
}

}  // namespace slipway::handlers
