// What happens to a release before it is given any traffic.
#include <algorithm>

#include "base/text.h"
#include "build/step.h"
#include "deploy/instance_spec.h"
#include "deploy/logs.h"
#include "deploy/readiness.h"
#include "deploy/units.h"
#include "http/probe.h"
#include "release/rollout_driver.h"
#include "sys/files.h"

namespace slipway {
namespace {

using namespace std::chrono_literals;

constexpr Duration smoke_timeout = 10s;

// A release command's output goes to a log; it has no steps of its own.
class CommandLog final : public BuildObserver {
 public:
  explicit CommandLog(BuildLog& log) : log_(log) {}
  void step_started(std::string_view, std::string_view) override {}
  void step_ended(std::string_view, std::string_view, Duration) override {}
  void output(std::string_view bytes) override { log_.append(bytes, nothing_); }
  [[nodiscard]] std::string quotable(std::string_view output) const override {
    return log_.hidden(output);
  }
  void flush() { log_.flush(nothing_); }

 private:
  BuildLog& log_;
  const std::function<void(std::string_view)> nothing_ = [](std::string_view) {};
};

bool runs_release_command(const Unit& unit) {
  return unit.service != nullptr && !unit.artifact->site && !unit.artifact->layers.empty() &&
         !trim(unit.service->release.value_or("")).empty();
}

}  // namespace

Status RolloutDriver::verify() const {
  const Digest digest = artifact_digest(deployment_);
  if (digest == to_.artifact && to_.kept) return {};
  Error error{
      .code = to_.kept ? Errc::corrupt : Errc::failed_precondition,
      .message = to_.kept
                     ? fmt::format("the artifact of {} is not what was promoted: {} "
                                   "instead of {}",
                                   deployment_.id.str(), digest.str(), to_.artifact.str())
                     : fmt::format("the artifact of release {} is not kept any more", to_.number),
      .hint = fmt::format("deploy it again: slipway redeploy {}", deployment_.id.str()),
      .phase = "verify"};
  return fail(std::move(error));
}

Status RolloutDriver::restore() {
  if (!rollout_.restore || step_done("restore")) return {};
  SLIPWAY_CHECK(begin_step("restore", *rollout_.restore));
  SLIPWAY_CHECK(parts_.volume_store.record(by_, "volume.restored", rollout_.project,
                                           rollout_.environment, *rollout_.restore));
  // Nothing may run on the volumes meanwhile.
  if (rollout_.from != 0) SLIPWAY_CHECK(parts_.crews.stop(old_key(), 5s));
  SLIPWAY_CHECK(parts_.crews.stop(key(), 5s));
  // When this or what follows fails, end() starts again what served.
  SLIPWAY_CHECK(parts_.volumes.restore(rollout_.project, rollout_.environment, *rollout_.restore));
  return record([&](Rollout& change) -> Status {
    end_step(change, "done");
    return {};
  });
}

Status RolloutDriver::run_release_commands() {
  if (rollout_.kind != RolloutKind::promotion || step_done("release")) return {};
  std::vector<Unit> units = units_of(deployment_);
  if (std::ranges::none_of(units, runs_release_command)) return {};
  if (rollout_.snapshot.empty()) {
    SLIPWAY_CHECK(begin_step("snapshot"));
    SLIPWAY_TRY(const auto snapshot,
                parts_.volumes.snapshot(
                    rollout_.project, rollout_.environment,
                    fmt::format("before release {}", to_.number), [this](std::string_view id) {
                      return parts_.volume_store.record(by_, "volume.snapshotted", rollout_.project,
                                                        rollout_.environment, id);
                    }));
    SLIPWAY_CHECK(record([&](Rollout& change) -> Status {
      if (snapshot) change.snapshot = snapshot->id;
      end_step(change, snapshot ? "done" : "skipped");
      return {};
    }));
  }
  std::vector<std::string> commands;
  for (const Unit& unit : units)
    if (runs_release_command(unit))
      commands.push_back(labelled(deployment_, unit, *unit.service->release));
  SLIPWAY_CHECK(begin_step("release", join(commands, ", ")));
  // Services of one folder share its migrations, and what those left behind.
  struct Released {
    std::vector<std::string> below;
    std::string workdir, layer;
  };
  std::vector<Released> done;
  for (const Unit& unit : units) {
    if (!runs_release_command(unit)) continue;
    const Artifact& artifact = *unit.artifact;
    if (std::ranges::any_of(done, [&](const Released& each) {
          return each.below == artifact.layers && each.workdir == artifact.workdir;
        }))
      continue;
    auto layer = run_release_command(unit, *unit.service->release);
    if (!layer) {
      Error error = std::move(layer).error();
      error.phase = "release";
      if (error.code != Errc::canceled) error.message = labelled(deployment_, unit, error.message);
      return fail(std::move(error));
    }
    done.push_back({artifact.layers, artifact.workdir, *layer});
  }
  std::map<std::string, std::string> layers;
  for (const Unit& unit : units)
    for (const Released& each : done)
      if (unit.artifact->layers == each.below && unit.artifact->workdir == each.workdir)
        layers[std::string(unit.label)] = each.layer;
  SLIPWAY_TRY(to_, parts_.store.update_release(by_, to_.project, to_.environment, to_.number,
                                               [&](Release& change) -> Status {
                                                 change.release_layers = layers;
                                                 return {};
                                               }));
  return record([&](Rollout& change) -> Status {
    end_step(change, "done");
    return {};
  });
}

Result<std::string> RolloutDriver::run_release_command(const Unit& unit,
                                                       const std::string& command) {
  const std::string sandbox =
      fmt::format("{}-release-{}", rollout_.id.tail(), random_id().substr(0, 6));
  const std::string id = fmt::format("release-{}-{}", rollout_.id.tail(),
                                     unit.label.empty() ? "first" : slug(unit.label));
  const LayerStore::Pin pin = parts_.layers.pin({id});
  SLIPWAY_TRY(const Placement placement, parts_.crews.placement(to_, unit));
  SLIPWAY_TRY(SandboxSpec spec, instance_spec({.settings = parts_.settings,
                                               .repository = parts_.repository,
                                               .layers = parts_.layers,
                                               .builder = parts_.builder,
                                               .names = parts_.names,
                                               .environments = parts_.environments},
                                              deployment_, unit, sandbox, command, placement));
  SLIPWAY_TRY(auto draft, parts_.layers.begin(id));
  SLIPWAY_CHECK(make_directories(draft.path() / "app"));
  spec.root.upper = draft.path();
  spec.root.upper_kind = SandboxRoot::Upper::directory;  // it becomes a layer
  spec.limits.disk_bytes = parts_.settings.instances.limits.disk_bytes;
  SLIPWAY_TRY(const auto log,
              // Beside those of its instances, to go with the release.
              BuildLog::create(parts_.crews.log_directory(key(), "").parent_path() / "release",
                               parts_.clock, parts_.settings.builds.limits.output_bytes));
  SLIPWAY_TRY(
      const Environments::Values values,
      parts_.environments.values_for(rollout_.project, rollout_.environment, to_.config_version));
  log->hide(values.secrets);
  CommandLog observer(*log);
  const Status ran = run_step({.name = "release",
                               .command = command,
                               .spec = std::move(spec),
                               .service = unit.service,
                               .limits = parts_.settings.builds.limits},
                              parts_.runner, observer, stop_);
  observer.flush();
  std::ignore = remove_tree(parts_.settings.data / "instances" / sandbox);
  SLIPWAY_CHECK(ran);
  SLIPWAY_CHECK(keep_app_only(draft.path()));
  SLIPWAY_CHECK(draft.commit());
  return id;
}

Status RolloutDriver::start() {
  const bool alone = std::ranges::all_of(units_of(deployment_), [](const Unit& unit) {
    return unit.artifact->site || unit.artifact->start.empty();
  });
  if (alone) return {};
  SLIPWAY_CHECK(begin_step("start", fmt::format("release {}", to_.number)));
  return parts_.crews.start(to_, deployment_, stop_);
}

bool RolloutDriver::is_warm() const {
  return std::ranges::all_of(units_of(deployment_), [&](const Unit& unit) {
    if (unit.artifact->site || !unit.is_routed()) return true;
    const auto backend = parts_.crews.pool(key(), unit.label)->choose();
    return backend && backend->state() == Backend::State::ready;
  });
}

Status RolloutDriver::smoke() {
  if (rollout_.smoke.empty()) return {};
  SLIPWAY_CHECK(begin_step("smoke", fmt::format("{} request{}", rollout_.smoke.size(),
                                                rollout_.smoke.size() == 1 ? "" : "s")));
  for (const SmokeRequest& request : rollout_.smoke) {
    SLIPWAY_CHECK(ask(request));
    if (stop_.stop_requested()) return fail(Errc::canceled, "canceled");
  }
  return {};
}

Status RolloutDriver::ask(const SmokeRequest& request) {
  const std::vector<Unit> units = units_of(deployment_);
  const Unit& unit = units.front();
  const auto wrong = [&](std::string what) {
    Error error{
        .code = Errc::start_failed,
        .message = fmt::format("GET {} {} instead of {}", request.path, what, request.status),
        .hint = "the release was given no traffic; see slipway logs",
        .phase = "smoke",
        .cause = "smoke"};
    return fail(std::move(error));
  };
  int status = 0;
  if (unit.artifact->site) {
    const auto site =
        parts_.sites.get(deployment_.id, unit.label, *unit.artifact->site, unit.artifact->fallback);
    SLIPWAY_TRY(const std::shared_ptr<const SiteIndex> index, site->index());
    status = index->find(request.path.substr(0, request.path.find('?'))).status;
  } else {
    // Each instance by itself: one that cannot answer must not hide behind the others.
    const auto backends = parts_.crews.pool(key(), unit.label)->backends();
    const std::string host =
        parts_.names.release_host(rollout_.project, rollout_.environment, unit.label);
    for (const std::shared_ptr<Backend>& backend : backends) {
      const auto endpoint = backend->endpoint();
      if (!endpoint) return wrong("found an instance that is not ready");
      SLIPWAY_TRY(Fd socket, endpoint->dialer->dial(endpoint->port, endpoint->ipv6));
      const auto answer = probe_http(std::move(socket), host, request.path, smoke_timeout);
      if (!answer) return wrong("got no answer (" + answer.error().message + ")");
      status = *answer;
      if (status != request.status) break;
    }
  }
  if (status != request.status) return wrong(fmt::format("answered {}", status));
  return {};
}

}  // namespace slipway
