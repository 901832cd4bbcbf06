#include "json/convert.h"
#include "json/json.h"
#include "json/reader.h"

namespace slipway {
namespace {

json::object to_json(const EnvVars& vars) {
  json::object out;
  for (const auto& [name, value] : vars) out[name] = value;
  return out;
}

json::array names_of(const EnvVars& vars) {
  return to_array(vars, [](const auto& var) { return json::value(var.first); });
}

json::object to_json(const Step& step) {
  return {{"name", step.name},
          {"state", step.state},
          {"started_ms", step.started_ms},
          {"took_ms", step.took_ms},
          {"detail", or_null(step.detail)}};
}

json::object changed_json(const Deployment& deployment) {
  return {{"base", or_null(deployment.base.str())},
          {"added", to_array(deployment.changed.added)},
          {"modified", to_array(deployment.changed.modified)},
          {"removed", to_array(deployment.changed.removed)}};
}

json::object timings_json(const Deployment& deployment) {
  json::object out;
  for (const std::string_view name :
       {"hash", "upload", "detect", "scan", "install", "build", "start", "total"}) {
    const auto at = deployment.timings_ms.find(std::string(name));
    out[name] = at == deployment.timings_ms.end() ? 0 : at->second;
  }
  return out;
}

json::object overrides_json(const DeployOptions& options) {
  return {{"service", or_null(options.service)}, {"root", or_null(options.root)},
          {"install", or_null(options.install)}, {"build", or_null(options.build)},
          {"start", or_null(options.start)},     {"framework", or_null(options.framework)},
          {"runtime", or_null(options.runtime)}, {"release", or_null(options.release)},
          {"output", or_null(options.output)},   {"port", or_null(options.port)},
          {"health", or_null(options.health)}};
}

json::value image_json(const std::optional<ImageRun>& image) {
  if (!image) return nullptr;
  json::array groups;
  for (const std::uint32_t group : image->groups) groups.emplace_back(group);
  return json::object{{"argv", to_array(image->argv)},
                      {"uid", image->uid},
                      {"gid", image->gid},
                      {"groups", std::move(groups)},
                      {"stop_signal", image->stop_signal},
                      {"volumes", to_array(image->volumes)},
                      {"bases", to_array(image->bases)}};
}

Result<ImageRun> image_from_json(const json::value& value) {
  ImageRun out;
  JsonReader reader(value, "image");
  std::uint64_t uid = 0, gid = 0;
  reader.read("argv", out.argv).read("uid", uid).read("gid", gid);
  reader.read("stop_signal", out.stop_signal).read("volumes", out.volumes);
  reader.read("bases", out.bases);
  const auto id_of = [&](std::uint64_t id, const char* name) {
    if (id > 65'535) reader.wrong(name, "an id of the sandbox's range");
    return static_cast<std::uint32_t>(id);
  };
  out.uid = id_of(uid, "uid");
  out.gid = id_of(gid, "gid");
  reader.read_each("groups", out.groups, [](const json::value& group) -> Result<std::uint32_t> {
    boost::system::error_code error;
    const auto id = group.to_number<std::uint32_t>(error);
    if (error || id > 65'535) return fail(Errc::invalid_argument, "image.groups holds no id");
    return id;
  });
  SLIPWAY_CHECK(reader.status());
  return out;
}

json::object artifact_json(const Artifact& artifact) {
  return {{"layers", to_array(artifact.layers)},
          {"release_layer", or_null(artifact.release_layer)},
          {"start", or_null(artifact.start)},
          {"workdir", or_null(artifact.workdir)},
          {"env", to_json(artifact.env)},
          {"wired", to_array(artifact.wired)},
          {"toolchains", to_array(artifact.toolchains)},
          {"built_with", to_array(artifact.built_with)},
          {"image", image_json(artifact.image)},
          {"site", artifact.site ? json::value(artifact.site->str()) : json::value(nullptr)},
          {"fallback", artifact.fallback == StaticFallback::single_page_app ? "single_page_app"
                                                                            : "not_found_page"},
          {"port", or_null(artifact.port)},
          {"health_path", artifact.health_path}};
}

json::object finding_json(const Warning& finding);

// What records and clients have in common.
json::object common_json(const Deployment& d) {
  return {{"id", d.id.str()},
          {"project", d.project},
          {"team", d.team},
          {"alias", d.alias},
          {"state", to_string(d.state)},
          {"state_reason", or_null(d.state_reason)},
          {"waits_for", d.approval.empty() ? json::value(nullptr) : json::value("approval")},
          {"approval", or_null(d.approval.str())},
          {"message", or_null(d.message)},
          {"config_version", d.config_version},
          {"actor", to_json(d.actor)},
          {"created_at", to_rfc3339(d.created_at)},
          {"ready_at", or_null(d.ready_at)},
          {"expires_at", or_null(d.expires_at)},
          {"deleted_at", or_null(d.deleted_at)},
          {"deleted_by", d.deleted_by ? json::value(to_json(*d.deleted_by)) : json::value(nullptr)},
          {"source",
           json::object{
               {"digest", d.source.str()}, {"files", d.source_files}, {"bytes", d.source_bytes}}},
          {"uploaded", json::object{{"files", d.uploaded_files}, {"bytes", d.uploaded_bytes}}},
          {"changed", changed_json(d)},
          {"plan", to_json(d.plan)},
          {"cache", json::object{{"install", d.cache_install}, {"build", d.cache_build}}},
          {"timings_ms", timings_json(d)},
          {"steps", to_array(d.steps, [](const Step& step) { return to_json(step); })},
          {"findings", to_array(d.findings, finding_json)},
          {"promote_to", or_null(d.options.promote_to)},
          {"rollout", or_null(d.rollout.str())},
          {"not_promoted",
           d.not_promoted ? json::value(to_json(*d.not_promoted)) : json::value(nullptr)},
          {"error", d.error ? json::value(to_json(*d.error)) : json::value(nullptr)}};
}

Result<DeployOptions> options_from_json(const json::value& value) {
  DeployOptions out;
  JsonReader reader(value, "options");
  std::optional<std::int64_t> ttl_ms;
  reader.read("env", out.env).read("build_env", out.build_env).read("ttl_ms", ttl_ms);
  reader.read("alias", out.alias).read("message", out.message).read("service", out.service);
  reader.read("root", out.root)
      .read("install", out.install)
      .read("build", out.build)
      .read("start", out.start);
  reader.read("framework", out.framework).read("runtime", out.runtime);
  reader.read("release", out.release).read("output", out.output);
  reader.read("port", out.port).read("health", out.health);
  reader.read("with_workers", out.with_workers).read("with_schedules", out.with_schedules);
  reader.read("no_repair", out.no_repair);
  SLIPWAY_CHECK(reader.status());
  if (ttl_ms) out.ttl = std::chrono::milliseconds(*ttl_ms);
  return out;
}

Result<Artifact> artifact_from_json(const json::value& value) {
  Artifact out;
  JsonReader reader(value, "artifact");
  std::optional<std::string> site;
  std::string fallback;
  reader.read("layers", out.layers)
      .read("start", out.start)
      .read("workdir", out.workdir)
      .read("env", out.env);
  reader.read("release_layer", out.release_layer).read("built_with", out.built_with);
  reader.read("wired", out.wired);
  reader.read("toolchains", out.toolchains).read("site", site).read("fallback", fallback);
  reader.read("port", out.port).read("health_path", out.health_path);
  if (const json::value* image = reader.find("image"); image != nullptr && !image->is_null()) {
    SLIPWAY_TRY(out.image, image_from_json(*image));
  }
  if (fallback == "single_page_app") out.fallback = StaticFallback::single_page_app;
  if (site) {
    out.site = Digest::parse(*site);
    if (!out.site) reader.wrong("site", "a digest");
  }
  SLIPWAY_CHECK(reader.status());
  return out;
}

Result<Companion> companion_from_json(const json::value& value) {
  Companion out;
  JsonReader reader(value, "companions");
  reader.read("label", out.label).read("service", out.service).read("runs", out.runs);
  if (const json::value* artifact = reader.find("artifact")) {
    SLIPWAY_TRY(out.artifact, artifact_from_json(*artifact));
  }
  SLIPWAY_CHECK(reader.status());
  return out;
}

json::object finding_json(const Warning& finding) {
  return {{"code", finding.code},
          {"message", finding.message},
          {"file", or_null(finding.file)},
          {"line", finding.line},
          {"fix", finding.fix}};
}

Result<Warning> finding_from_json(const json::value& value) {
  Warning out;
  JsonReader reader(value, "findings");
  reader.read("code", out.code).read("message", out.message).read("file", out.file);
  reader.read("line", out.line).read("fix", out.fix);
  SLIPWAY_CHECK(reader.status());
  return out;
}

// A service's state follows its deployment's; what does not run here is off.
std::string_view state_of(const Deployment& deployment, const Unit& unit) {
  if (!unit.runs) return "off";
  if (is_live(deployment.state) && unit.kind() == "cron") return "scheduled";
  if (deployment.state == DeploymentState::sleeping && unit.artifact->site) return "ready";
  return to_string(deployment.state);
}

// What a service asked of its runtime, where it says so, and the version that it got.
json::value runtime_json(const Unit& unit) {
  if (unit.service == nullptr || unit.service->runtime.name.empty()) return nullptr;
  const RuntimeNeed& runtime = unit.service->runtime;
  json::value version = nullptr;
  for (const auto* tools : {&unit.artifact->toolchains, &unit.artifact->built_with})
    for (const std::string& tool : *tools)
      if (version.is_null() && tool.starts_with(runtime.name + "@"))
        version = json::string(std::string_view(tool).substr(runtime.name.size() + 1));
  return json::object{{"name", runtime.name},
                      {"wanted", or_null(runtime.version)},
                      {"source", or_null(runtime.source)},
                      {"version", std::move(version)}};
}

json::array services_json(const Deployment& deployment, const DeploymentUrls& urls) {
  if (deployment.plan.services.empty()) return {};
  return to_array(units_of(deployment), [&](const Unit& unit) {
    const auto url = [&](const std::string& first, const auto& others) -> json::value {
      if (!unit.is_routed()) return nullptr;
      if (unit.label.empty()) return json::string(first);
      const auto at = others.find(std::string(unit.label));
      return at == others.end() ? json::value(nullptr) : json::value(at->second);
    };
    const std::string_view schedule = unit.service ? std::string_view(unit.service->schedule) : "";
    return json::object{{"name", unit.name()},
                        {"label", or_null(std::string(unit.label))},
                        {"kind", unit.kind()},
                        {"url", url(urls.url, urls.service_urls)},
                        {"alias_url", url(urls.alias_url, urls.service_alias_urls)},
                        {"state", state_of(deployment, unit)},
                        {"schedule", or_null(std::string(schedule))},
                        {"runtime", runtime_json(unit)},
                        {"toolchains", to_array(unit.artifact->toolchains)}};
  });
}

Result<Step> step_from_json(const json::value& value) {
  Step out;
  JsonReader reader(value, "steps");
  reader.read("name", out.name).read("state", out.state).read("started_ms", out.started_ms);
  reader.read("took_ms", out.took_ms).read("detail", out.detail);
  SLIPWAY_CHECK(reader.status());
  return out;
}

// Reads the object below `name` when there is one.
template <class Read>
Status read_below(const JsonReader& reader, std::string_view name, Read&& read) {
  const json::value* member = reader.find(name);
  if (member == nullptr || member->is_null()) return {};
  JsonReader below(*member, std::string(name));
  read(below);
  return below.status();
}

}  // namespace

json::object to_json(const Actor& actor) {
  return {{"kind", actor.kind},
          {"name", actor.name},
          {"on_behalf_of", or_null(actor.on_behalf_of)},
          {"chain", to_array(actor.chain)},
          {"token", or_null(actor.token)},
          {"path", or_null(actor.path)},
          {"session", or_null(actor.session)},
          {"task", or_null(actor.task)}};
}

json::object to_json(const Deployment& deployment, const DeploymentUrls& urls) {
  json::object out = common_json(deployment);
  out["url"] = urls.url;
  out["alias_url"] = urls.alias_url;
  out["env"] = names_of(deployment.options.env);
  out["build_env"] = names_of(deployment.options.build_env);
  out["overrides"] = overrides_json(deployment.options);
  out["toolchains"] = to_array(deployment.artifact.toolchains);
  out["services"] = services_json(deployment, urls);
  return out;
}

json::object to_record(const Deployment& deployment) {
  json::object out = common_json(deployment);
  json::object options = overrides_json(deployment.options);
  options["alias"] = deployment.options.alias;
  options["message"] = deployment.options.message;
  options["env"] = to_json(deployment.options.env);
  options["build_env"] = to_json(deployment.options.build_env);
  if (deployment.options.ttl)
    options["ttl_ms"] =
        std::chrono::duration_cast<std::chrono::milliseconds>(*deployment.options.ttl).count();
  options["with_workers"] = deployment.options.with_workers;
  options["with_schedules"] = deployment.options.with_schedules;
  options["no_repair"] = deployment.options.no_repair;
  out["options"] = std::move(options);
  json::object timings;  // only what was measured
  for (const auto& [name, took] : deployment.timings_ms) timings[name] = took;
  out["timings_ms"] = std::move(timings);
  out["artifact"] = artifact_json(deployment.artifact);
  out["first"] = deployment.first;
  out["companions"] = to_array(deployment.companions, [](const Companion& each) {
    return json::object{{"label", each.label},
                        {"service", each.service},
                        {"artifact", artifact_json(each.artifact)},
                        {"runs", each.runs}};
  });
  return out;
}

Result<Deployment> deployment_from_record(const json::value& value) {
  Deployment out;
  std::string id, state, source, base, rollout, approval;
  JsonReader reader(value, "deployment");
  reader.require("id").require("state").require("project").require("source");
  reader.read("id", id)
      .read("project", out.project)
      .read("team", out.team)
      .read("alias", out.alias);
  reader.read("state", state).read("state_reason", out.state_reason).read("message", out.message);
  reader.read("created_at", out.created_at).read("ready_at", out.ready_at);
  reader.read("expires_at", out.expires_at).read("deleted_at", out.deleted_at);
  if (const json::value* by = reader.find("deleted_by"); by != nullptr && by->is_object()) {
    SLIPWAY_TRY(out.deleted_by, actor_from_json(*by));
  }
  reader.read("timings_ms", out.timings_ms).read_each("steps", out.steps, step_from_json);
  reader.read("config_version", out.config_version).read("rollout", rollout);
  reader.read("approval", approval);
  reader.read("first", out.first)
      .read_each("companions", out.companions, companion_from_json)
      .read_each("findings", out.findings, finding_from_json);
  SLIPWAY_CHECK(read_below(reader, "actor", [&](JsonReader& actor) {
    actor.read("kind", out.actor.kind)
        .read("name", out.actor.name)
        .read("on_behalf_of", out.actor.on_behalf_of)
        .read("chain", out.actor.chain)
        .read("token", out.actor.token)
        .read("path", out.actor.path)
        .read("session", out.actor.session)
        .read("task", out.actor.task);
  }));
  SLIPWAY_CHECK(read_below(reader, "source", [&](JsonReader& below) {
    below.read("digest", source).read("files", out.source_files).read("bytes", out.source_bytes);
  }));
  SLIPWAY_CHECK(read_below(reader, "uploaded", [&](JsonReader& uploaded) {
    uploaded.read("files", out.uploaded_files).read("bytes", out.uploaded_bytes);
  }));
  SLIPWAY_CHECK(read_below(reader, "changed", [&](JsonReader& changed) {
    changed.read("base", base).read("added", out.changed.added);
    changed.read("modified", out.changed.modified).read("removed", out.changed.removed);
  }));
  SLIPWAY_CHECK(read_below(reader, "cache", [&](JsonReader& cache) {
    cache.read("install", out.cache_install).read("build", out.cache_build);
  }));
  if (const json::value* plan = reader.find("plan")) {
    SLIPWAY_TRY(out.plan, plan_from_json(*plan));
  }
  if (const json::value* options = reader.find("options")) {
    SLIPWAY_TRY(out.options, options_from_json(*options));
  }
  if (const json::value* artifact = reader.find("artifact")) {
    SLIPWAY_TRY(out.artifact, artifact_from_json(*artifact));
  }
  if (const json::value* error = reader.find("error"); error != nullptr && !error->is_null()) {
    SLIPWAY_TRY(out.error, error_from_json(*error));
  }
  if (const json::value* why = reader.find("not_promoted"); why != nullptr && !why->is_null()) {
    SLIPWAY_TRY(out.not_promoted, error_from_json(*why));
  }
  if (auto parsed = DeploymentId::parse(id))
    out.id = *parsed;
  else
    reader.wrong("id", "a deployment id");
  if (auto parsed = DeploymentId::parse(base)) out.base = *parsed;
  if (auto parsed = RolloutId::parse(rollout)) out.rollout = *parsed;
  if (auto parsed = ApprovalId::parse(approval)) out.approval = *parsed;
  reader.read("promote_to", out.options.promote_to);
  if (auto parsed = parse_deployment_state(state))
    out.state = *parsed;
  else
    reader.wrong("state", "a known state");
  if (auto parsed = Digest::parse(source))
    out.source = *parsed;
  else
    reader.wrong("source.digest", "a digest");
  SLIPWAY_CHECK(reader.status());
  return out;
}

}  // namespace slipway
