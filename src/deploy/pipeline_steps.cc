// The steps of making one deployment.
#include "base/text.h"
#include "build/failure.h"
#include "build/step.h"
#include "deploy/cron.h"
#include "deploy/instance_spec.h"
#include "deploy/learning.h"
#include "deploy/pipeline.h"
#include "deploy/pipeline_observer.h"
#include "deploy/units.h"
#include "deploy/wire_values.h"
#include "detect/detect.h"
#include "repair/repair.h"
#include "store/workspace.h"
#include "sys/files.h"

namespace slipway {
namespace {

std::unexpected<Error> nothing_to_run(const Plan& plan) {
  Error error{.code = Errc::build_failed,
              .message = "nothing in this folder says how to run it",
              .phase = "detect"};
  error.cause = "nothing_to_run";
  error.hint =
      "add an index.html, a package.json with a start script, an app.py …, or say it: --start "
      "COMMAND";
  if (!plan.warnings.empty()) {
    error.message = plan.warnings.front().message;
    if (!plan.warnings.front().fix.empty()) error.hint = plan.warnings.front().fix;
  }
  error.next.push_back({"slipway detect", "to see what was found"});
  return fail(std::move(error));
}

// A build that found something wins over one that had nothing to look for.
void merge_cache(std::string& all, const std::string& one) {
  if (all == "none" || one == "miss") all = one;
}

bool needs_build(const Service& service) {
  return service.kind != "cron" || service.start.has_value();
}

}  // namespace

Result<Manifest> Pipeline::read_source(const Digest& digest) const {
  SLIPWAY_TRY(const std::shared_ptr<const Manifest> manifest, parts_.blobs.read_manifest(digest));
  return *manifest;
}

Result<std::vector<std::string>> Pipeline::source_layers(const Deployment& deployment,
                                                         const Manifest& source) {
  std::optional<Manifest> base;
  SLIPWAY_TRY(const std::optional<Digest> base_digest,
              parts_.repository.base_manifest(deployment.project));
  if (base_digest && *base_digest != deployment.source) {
    if (auto read = read_source(*base_digest)) base = *std::move(read);
  }
  SLIPWAY_TRY(std::vector<std::string> layers,
              parts_.layers.materialize(source, "app", parts_.blobs, base ? &*base : nullptr));
  // One layer means that it was made in full: the next trees are compared with this one.
  if (layers.size() == 1 && base_digest != deployment.source)
    SLIPWAY_CHECK(parts_.repository.set_base_manifest(deployment.project, deployment.source));
  return layers;
}

namespace {

// Whether what a build said may be about a value that it did not get.
bool may_lack_a_value(const Error& error) {
  const std::string said = to_lower(join(error.excerpt, "\n"));
  constexpr std::string_view words[] = {"environment", "env var",    "process.env",
                                        "undefined",   "not set",    "is required",
                                        "connect",     "credential", "api key"};
  return std::ranges::any_of(words, [&](std::string_view word) { return said.contains(word); });
}

// What ends by an error of its own often lacks a variable that nobody set.
Error with_unset_variables(Error error, const std::vector<Warning>& findings) {
  constexpr std::size_t most = 4;
  const bool builds = error.phase == "build";
  const bool crash =
      error.cause == "crash" || (builds && error.cause == "unknown" && may_lack_a_value(error));
  if (!crash && error.cause != "missing_env" && error.cause != "missing_service") return error;
  std::vector<std::string> names, places;
  for (const Warning& finding : findings) {
    if (finding.code != "variable_unset" || !finding.fix.contains(" -e ")) continue;
    std::string name = finding.message.substr(0, finding.message.find(' '));
    if (error.message.contains(name)) continue;
    places.push_back(fmt::format("{} ({}:{})", name, finding.file, finding.line));
    names.push_back(std::move(name));
  }
  if (names.empty()) return error;
  const std::size_t more = places.size() - std::min(places.size(), most);
  places.resize(places.size() - more);
  const std::string unset =
      join(places, ", ") + (more > 0 ? fmt::format(" and {} more", more) : "");
  if (!crash) {
    error.hint = fmt::format("{}; the code reads {}, too, and nobody set it", error.hint, unset);
    return error;
  }
  error.hint = fmt::format("nobody set {}, which the code reads; if that is not it, {}", unset,
                           error.hint.empty() ? "look at the log" : error.hint);
  error.next.insert(error.next.begin(),
                    {fmt::format("slipway deploy {} {}=VALUE", builds ? "-b" : "-e", names.front()),
                     builds ? "to set it for the build" : "to set it"});
  return error;
}

}  // namespace

Status Pipeline::make_steps(Making& making) {
  Deployment& deployment = making.deployment;
  SLIPWAY_CHECK(parts_.routes.publish(deployment, "queued"));
  SLIPWAY_CHECK(detect_units(making));
  making.told = deployment.findings;
  const Status running = make_running(making);
  const Errc how = running ? Errc::internal : running.error().code;
  if (!running && how != Errc::start_failed && how != Errc::build_failed) return running;
  find_unset(making);
  if (how != Errc::build_failed) look_at(making);
  if (!running) return fail(with_unset_variables(running.error(), deployment.findings));
  return {};
}

Status Pipeline::make_running(Making& making) {
  Deployment& deployment = making.deployment;
  for (;;) {
    SLIPWAY_CHECK(build_units(making));
    SLIPWAY_CHECK(ask_policies(making));
    Status ran = release_units(making);
    if (ran && has_instances(deployment)) ran = start_units(making);
    if (ran) return {};
    // A cause that another build can repair, and it is known whose build.
    Error error = ran.error();
    if (making.failed_start || deployment.options.no_repair ||
        (error.code != Errc::start_failed && error.code != Errc::build_failed))
      return ran;
    const std::vector<Unit> units = units_of(deployment);
    const auto failed = std::ranges::find_if(units, [&](const Unit& unit) {
      return error.message.starts_with(labelled(deployment, unit, ""));
    });
    if (failed == units.end()) return ran;
    error.message.erase(0, labelled(deployment, *failed, "").size());
    const std::string said = join(error.excerpt, "\n");
    if (!repair::next_repair({.service = *failed->service, .error = error, .log = said}, {}))
      return ran;
    making.journey.end("failed");
    parts_.fleet.remove(deployment.id);
    making.failed_unit = failed->label;
    making.failed_start = std::move(error);
  }
}

Status Pipeline::start_units(Making& making) {
  Deployment& deployment = making.deployment;
  deployment.state = DeploymentState::starting;
  making.journey.state(deployment.state);
  std::vector<std::string> commands;
  for (const Unit& unit : units_of(deployment))
    if (unit.has_instance()) commands.push_back(labelled(deployment, unit, unit.artifact->start));
  making.journey.begin("start", join(commands, ", "));
  SLIPWAY_CHECK(parts_.fleet.start(deployment, making.stop));
  making.journey.end("done");
  learn_from_run(deployment, [&](std::string_view label) -> std::optional<int> {
    const auto endpoint = parts_.fleet.backend(deployment, label)->endpoint();
    if (!endpoint) return std::nullopt;
    return endpoint->port;
  });
  return {};
}

Status Pipeline::detect_units(Making& making) {
  Deployment& deployment = making.deployment;
  const DeployOptions& options = deployment.options;
  making.journey.begin("detect");
  SLIPWAY_TRY(making.source, read_source(deployment.source));
  deployment.plan = detect(ManifestTree(making.source, parts_.blobs), answers_of(options));
  if (deployment.plan.services.empty()) return nothing_to_run(deployment.plan);
  SLIPWAY_TRY(const std::optional<Deployment> before, parts_.repository.before(deployment));
  if (before) apply_lessons(deployment.plan, *before);
  choose_units(deployment);
  for (const Unit& unit : units_of(deployment))
    for (const std::string& problem : Volumes::problems(unit))
      deployment.findings.push_back({.code = "volume_refused",
                                     .message = labelled(deployment, unit, problem),
                                     .fix = "keep a folder of the app's own, such as data"});
  for (const Unit& unit : units_of(deployment)) {
    if (unit.kind() != "cron" || unit.service->schedule.empty()) continue;
    const auto schedule = CronSchedule::parse(unit.service->schedule);
    if (schedule && schedule->next_after(parts_.clock.now())) continue;
    deployment.findings.push_back(
        {.code = "schedule_never_runs",
         .message = labelled(
             deployment, unit,
             fmt::format(
                 "the schedule \"{}\" never runs: {}", sanitize_line(unit.service->schedule),
                 schedule ? "there is no such day" : sanitize_line(schedule.error().message))),
         .fix = "five fields as crontab(5) has them, for example 0 3 * * *"});
  }
  std::vector<std::string> what;
  for (const Unit& unit : units_of(deployment))
    what.push_back(labelled(
        deployment, unit,
        unit.service->framework.empty() ? unit.service->provider : unit.service->framework));
  making.journey.end("done", join(what, ", "));
  if (making.stop.stop_requested()) return fail(Errc::canceled, "canceled");
  return {};
}

Status Pipeline::build_units(Making& making) {
  Deployment& deployment = making.deployment;
  const std::vector<Unit> units = units_of(deployment);
  std::vector<std::string> source_layers;
  std::uint32_t uid_slot = 0;
  if (std::ranges::any_of(units, [](const Unit& unit) {
        return unit.service->start || unit.service->install || unit.service->build ||
               unit.service->provider == "dockerfile";
      })) {
    SLIPWAY_TRY(const std::uint64_t free, free_bytes(parts_.settings.data));
    if (free < parts_.settings.gc.min_free_disk)
      return fail(Errc::disk_full,
                  fmt::format("{} are free, a build needs {}", format_bytes(free),
                              format_bytes(parts_.settings.gc.min_free_disk)),
                  "free some disk space (`slipway rm` old deployments), or lower gc.min_free_disk");
    making.journey.begin("source");
    SLIPWAY_TRY(source_layers, this->source_layers(deployment, making.source));
    making.pins.push_back(parts_.layers.pin(source_layers));
    making.journey.end("done");
    SLIPWAY_TRY(uid_slot, parts_.repository.uid_slot(deployment.project + "/build"));
  }
  SLIPWAY_TRY(const Environments::Values configured, parts_.environments.values_for(deployment));
  making.log.hide(configured.secrets);
  deployment.findings = making.told;
  for (const Unit& unit : units) {
    if (!needs_build(*unit.service)) continue;
    BuildRequest request{
        .project = deployment.project,
        .trust = deployment.actor.kind == "agent" ? BuildTrust::agents : BuildTrust::people,
        .service = unit.service,
        .source = &making.source,
        .source_layers = source_layers,
        .build_env = configured.build,
        .uid_slot = uid_slot,
        .limits = parts_.settings.builds.limits,
        .repairs = deployment.options.no_repair ? BuildRequest::Repairs::none
                                                : BuildRequest::Repairs::made,
        .failed_start = making.failed_start && making.failed_unit == unit.label
                            ? &*making.failed_start
                            : nullptr};
    for (const auto& [name, value] : deployment.options.build_env)
      request.build_env.insert_or_assign(name, value);
    if (EnvVars wires = build_wires(deployment, unit); !wires.empty()) {
      request.wires = BuildRequest::Wires::told;
      request.build_env.merge(wires);
    }
    PipelineObserver observer(making.journey, making.log,
                              units.size() > 1 ? sanitize_line(unit.name()) : "");
    auto built = parts_.builder.build(request, observer, making.stop);
    if (!built) {
      Error error = std::move(built).error();
      if (error.code != Errc::canceled) error.message = labelled(deployment, unit, error.message);
      return fail(std::move(error));
    }
    making.pins.push_back(parts_.layers.pin(built->artifact.layers));
    artifact_of(deployment, unit.label) = std::move(built->artifact);
    merge_cache(deployment.cache_install, built->cache_install);
    merge_cache(deployment.cache_build, built->cache_build);
    for (Warning& finding : built->findings) {
      finding.message = labelled(deployment, unit, finding.message);
      deployment.findings.push_back(std::move(finding));
    }
    if (making.stop.stop_requested()) return fail(Errc::canceled, "canceled");
  }
  for (const Unit& unit : units_of(deployment))
    if (unit.is_routed() && !unit.artifact->site && unit.artifact->start.empty()) {
      Error error{.code = Errc::build_failed,
                  .message = labelled(deployment, unit, "nothing says how to start it"),
                  .hint = "say it with --start COMMAND",
                  .phase = "detect"};
      error.cause = "nothing_to_run";
      return fail(std::move(error));
    }
  return {};
}

Status Pipeline::release_units(Making& making) {
  Deployment& deployment = making.deployment;
  struct Released {
    std::string command, workdir, layer;
    std::vector<std::string> below;
  };
  std::vector<Released> done;
  for (const Unit& unit : units_of(deployment)) {
    const Artifact& artifact = *unit.artifact;
    if (artifact.site || artifact.layers.empty()) continue;
    // Services of one folder share its migrations, and what those left behind.
    const auto same = std::ranges::find_if(done, [&](const Released& each) {
      return each.below == artifact.layers && each.workdir == artifact.workdir;
    });
    if (same != done.end()) {
      artifact_of(deployment, unit.label).release_layer = same->layer;
      continue;
    }
    const std::string command = unit.service->release.value_or("");
    if (trim(command).empty()) continue;
    making.journey.begin("release", labelled(deployment, unit, command));
    auto layer = release(making, unit, command);
    if (!layer) {
      Error error = std::move(layer).error();
      if (error.code != Errc::canceled) error.message = labelled(deployment, unit, error.message);
      return fail(std::move(error));
    }
    making.journey.end("done");
    done.push_back({command, artifact.workdir, *layer, artifact.layers});
    artifact_of(deployment, unit.label).release_layer = *layer;
  }
  // A unit before the one whose release it shares.
  for (const Unit& unit : units_of(deployment))
    for (const Released& each : done)
      if (unit.artifact->layers == each.below && unit.artifact->workdir == each.workdir)
        artifact_of(deployment, unit.label).release_layer = each.layer;
  return {};
}

Result<std::string> Pipeline::release(Making& making, const Unit& unit,
                                      const std::string& command) {
  const Deployment& deployment = making.deployment;
  const std::string sandbox =
      fmt::format("{}-release-{}", deployment.id.tail(), random_id().substr(0, 6));
  const std::string id = fmt::format("release-{}-{}", deployment.id.tail(),
                                     unit.label.empty() ? "first" : slug(unit.label));
  making.pins.push_back(parts_.layers.pin({id}));
  SLIPWAY_TRY(SandboxSpec spec, instance_spec({.settings = parts_.settings,
                                               .repository = parts_.repository,
                                               .layers = parts_.layers,
                                               .builder = parts_.builder,
                                               .names = parts_.names,
                                               .environments = parts_.environments,
                                               .previews = parts_.volumes},
                                              deployment, unit, sandbox, command));
  SLIPWAY_TRY(auto draft, parts_.layers.begin(id));
  SLIPWAY_CHECK(make_directories(draft.path() / "app"));
  spec.root.upper = draft.path();
  spec.root.upper_kind = SandboxRoot::Upper::directory;  // it becomes a layer
  spec.limits.disk_bytes = parts_.settings.instances.limits.disk_bytes;
  PipelineObserver observer(making.journey, making.log, "");
  const Status ran = run_step({.name = "release",
                               .command = command,
                               .spec = std::move(spec),
                               .service = unit.service,
                               .limits = parts_.settings.builds.limits},
                              parts_.runner, observer, making.stop);
  observer.flush();
  std::ignore = remove_tree(parts_.settings.data / "instances" / sandbox);
  SLIPWAY_CHECK(ran);
  SLIPWAY_CHECK(keep_app_only(draft.path()));
  SLIPWAY_CHECK(draft.commit());
  return id;
}

}  // namespace slipway
