#include "api/release_answers.h"
#include "api/routes.h"
#include "base/text.h"
#include "detect/known.h"
#include "json/reader.h"

namespace slipway::handlers {
namespace {

Result<ManifestEntry> entry_from_json(const json::value& value) {
  ManifestEntry entry;
  std::string mode, digest;
  JsonReader reader(value, "delta.changed");
  reader.require("path").require("mode").require("digest");
  reader.read("path", entry.path)
      .read("mode", mode)
      .read("size", entry.size)
      .read("digest", digest);
  if (mode == "x")
    entry.mode = FileMode::executable;
  else if (mode == "l")
    entry.mode = FileMode::symlink;
  else if (mode != "f")
    reader.wrong("mode", "f, x or l");
  if (const auto parsed = Digest::parse(digest))
    entry.digest = *parsed;
  else
    reader.wrong("digest", "a digest");
  SLIPWAY_CHECK(reader.status());
  return entry;
}

Result<ManifestDelta> delta_from_json(const json::value& value) {
  ManifestDelta delta;
  std::string base;
  JsonReader reader(value, "delta");
  reader.require("base").read("base", base).read("removed", delta.removed);
  reader.read_each("changed", delta.changed, entry_from_json);
  if (const auto parsed = Digest::parse(base))
    delta.base = *parsed;
  else
    reader.wrong("base", "a digest");
  SLIPWAY_CHECK(reader.status());
  return delta;
}

Result<UploadId> upload_id(std::string_view text) {
  const auto id = UploadId::parse(text);
  if (!id)
    return fail(Errc::invalid_argument,
                fmt::format("'{}' is not an upload's id", sanitize_line(text)));
  return *id;
}

// What POST /v1/plan and POST /v1/deployments have in common.
Result<DeployService::NewDeployment> new_deployment(const ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  DeployService::NewDeployment wanted;
  DeployOptions& options = wanted.options;
  std::string upload;
  std::optional<std::int64_t> ttl_ms;
  JsonReader reader(body);
  reader.require("upload").read("upload", upload).read("project", wanted.project);
  reader.read("alias", options.alias).read("message", options.message).read("ttl_ms", ttl_ms);
  reader.read("promote_to", options.promote_to);
  reader.read("env", options.env)
      .read("build_env", options.build_env)
      .read("timings_ms", wanted.client_timings_ms);
  if (ttl_ms &&
      (*ttl_ms <= 0 || *ttl_ms > std::chrono::milliseconds(std::chrono::days{3650}).count()))
    reader.wrong("ttl_ms", "between 1 and ten years");
  SLIPWAY_CHECK(reader.status());
  if (const json::value* overrides = reader.find("overrides");
      overrides != nullptr && !overrides->is_null()) {
    JsonReader inner(*overrides, "overrides");
    inner.read("service", options.service)
        .read("root", options.root)
        .read("install", options.install);
    inner.read("build", options.build)
        .read("start", options.start)
        .read("framework", options.framework);
    inner.read("runtime", options.runtime)
        .read("release", options.release)
        .read("output", options.output);
    inner.read("port", options.port).read("health", options.health);
    inner.read("with_workers", options.with_workers);
    inner.read("with_schedules", options.with_schedules);
    inner.read("no_repair", options.no_repair);
    SLIPWAY_CHECK(inner.status());
    SLIPWAY_CHECK(check_framework(options.framework));
  }
  if (const json::value* uploaded = reader.find("uploaded");
      uploaded != nullptr && !uploaded->is_null()) {
    JsonReader inner(*uploaded, "uploaded");
    inner.read("files", wanted.uploaded_files).read("bytes", wanted.uploaded_bytes);
    SLIPWAY_CHECK(inner.status());
  }
  if (options.message.size() > 4096)
    return fail(Errc::too_large, "the message is longer than 4,096 bytes");
  if (ttl_ms) options.ttl = std::chrono::milliseconds(*ttl_ms);
  SLIPWAY_TRY(wanted.upload, upload_id(upload));
  return wanted;
}

// Where the folder comes from, as the client says, and whether its user said yes to a project that
// others came from.
struct FromFolder {
  std::string origin;
  bool accepted = false;
};
Result<FromFolder> from_folder(const ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  FromFolder out;
  JsonReader reader(body);
  reader.read("origin", out.origin).read("accept_origin", out.accepted);
  if (out.origin.size() > 1024 || out.origin.contains('\n')) reader.wrong("origin", "one line");
  SLIPWAY_CHECK(reader.status());
  return out;
}

// The upload, when the caller may deploy it to where the request says.
Result<Upload> own_upload(const ApiContext& context, const ApiCall& call,
                          const DeployService::NewDeployment& wanted) {
  SLIPWAY_TRY(Upload upload, context.repository.get_upload(wanted.upload));
  // Another's is as one that there is not.
  if (!in_reach(context, call, upload.project))
    return fail(Errc::not_found, "no upload " + wanted.upload.str(),
                "uploads are kept for an hour: send it again");
  const std::string& alias = wanted.options.alias;
  SLIPWAY_CHECK(authorize(context, call, wanted.project.empty() ? upload.project : wanted.project,
                          alias.empty() ? "preview" : alias));
  return upload;
}

}  // namespace

Result<ApiResponse> open_upload(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const json::value body, call.body_json());
  std::string project;
  std::optional<std::string> manifest_text;
  JsonReader reader(body);
  reader.require("project").read("project", project).read("manifest", manifest_text);
  SLIPWAY_CHECK(reader.status());
  SLIPWAY_CHECK(authorize(context, call, project, {}));
  Uploads::Opened opened;
  if (const json::value* delta = reader.find("delta"); delta != nullptr && !delta->is_null()) {
    SLIPWAY_TRY(const ManifestDelta parsed, delta_from_json(*delta));
    SLIPWAY_TRY(opened, context.service.open_upload(call.by, project, parsed));
  } else if (manifest_text) {
    SLIPWAY_TRY(Manifest parsed, Manifest::parse(*manifest_text));
    SLIPWAY_TRY(opened, context.service.open_upload(call.by, project, std::move(parsed)));
  } else {
    return fail(Errc::invalid_argument, "manifest or delta is missing");
  }
  json::array missing;
  for (const Digest& digest : opened.missing) missing.push_back(json::value(digest.str()));
  return json_response(201, json::object{{"id", opened.id.str()},
                                         {"manifest", opened.manifest.str()},
                                         {"missing", std::move(missing)}});
}

Result<ApiResponse> put_pack(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const UploadId id, upload_id(call.path_value("id")));
  SLIPWAY_TRY(const Upload upload, context.repository.get_upload(id));
  SLIPWAY_CHECK(authorize(context, call, upload.project, {}));
  ApiRequest& request = call.request;
  std::size_t used = 0;
  const BlobStore::Reader body = [&](std::span<char> out) -> Result<std::size_t> {
    if (request.body_comes) return request.body_comes->read(out);
    const std::size_t n = request.body.copy(out.data(), out.size(), used);
    used += n;
    return n;
  };
  SLIPWAY_TRY(const BlobStore::PackStats stats,
              context.service.receive_pack(call.by, id, request.body_bytes, body));
  return json_response(200, json::object{{"files", stats.files}, {"bytes", stats.bytes}});
}

Result<ApiResponse> plan(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const DeployService::NewDeployment wanted, new_deployment(call));
  SLIPWAY_TRY([[maybe_unused]] const Upload upload, own_upload(context, call, wanted));
  SLIPWAY_TRY(const Deployment planned, context.service.plan(wanted));
  const json::object whole = deployment_json(context, planned);
  json::array decisions;
  for (const DecisionPoint point : {DecisionPoint::build, DecisionPoint::preview}) {
    SLIPWAY_TRY(const StoredDecision said, context.service.decision_on(call.by, point, planned));
    decisions.push_back(decision_of_trial(said));
  }
  return json_response(200, json::object{{"project", planned.project},
                                         {"decisions", std::move(decisions)},
                                         {"alias", planned.alias},
                                         {"plan", whole.at("plan")},
                                         {"changed", whole.at("changed")},
                                         {"source", whole.at("source")}});
}

Result<ApiResponse> create_deployment(const ApiContext& context, ApiCall& call) {
  SLIPWAY_TRY(const DeployService::NewDeployment wanted, new_deployment(call));
  SLIPWAY_TRY(const Upload upload, own_upload(context, call, wanted));
  const std::string& project = wanted.project.empty() ? upload.project : wanted.project;
  SLIPWAY_TRY(const FromFolder folder, from_folder(call));
  if (!folder.accepted) SLIPWAY_CHECK(context.repository.check_origin(project, folder.origin));
  SLIPWAY_CHECK(admit_deployment(context, call, project, upload.manifest, wanted.options));
  const Result<Deployment> made = context.service.deploy(call.by, wanted, call.idempotency_key());
  if (!made) {
    give_deployment_back(context, call);
    return fail(made.error());
  }
  SLIPWAY_CHECK(context.repository.remember_origin(project, folder.origin));
  return json_response(202, deployment_json(context, *made));
}

}  // namespace slipway::handlers
