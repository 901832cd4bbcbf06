#include "release/release_schedules.h"

#include "base/log.h"

namespace slipway {

void ReleaseSchedules::tick() {
  const auto states = parts_.store.environments();
  if (!states) {
    log_warn("the schedules of releases were not followed", {{"error", states.error().message}});
    return;
  }
  for (const EnvironmentState& state : *states) {
    if (state.environment != production_environment) continue;
    std::string name = state.current == 0 ? ""
                                          : fmt::format("{}/{}/{}", state.project,
                                                        state.environment, state.current);
    std::string& watched = watched_[state.project];
    if (name == watched) continue;
    if (!watched.empty()) parts_.schedules.unwatch(watched);
    watched = std::move(name);
    if (!watched.empty()) follow(watched, state);
  }
}

void ReleaseSchedules::follow(const std::string& name, const EnvironmentState& state) {
  const auto release = parts_.store.release(state.project, state.environment, state.current);
  const auto deployment =
      release ? parts_.repository.get(release->deployment) : fail(release.error());
  if (!deployment) {
    log_warn("the schedules of a release do not run",
             {{"release", name}, {"error", deployment.error().message}});
    return;
  }
  const Crews::Key key = Crews::key_of(*release);
  parts_.schedules.watch(Schedules::ServingRelease{
      .name = name,
      .environment = state.environment,
      .deployment = std::make_shared<const Deployment>(*deployment),
      .placement = [&crews = parts_.crews, release = *release](
                       const Unit& unit) { return crews.placement(release, unit); },
      .log_directory = [&crews = parts_.crews,
                        key](std::string_view label) { return crews.log_directory(key, label); },
      .endpoint = [&crews = parts_.crews,
                   key](std::string_view label) -> std::shared_ptr<const Backend::Endpoint> {
        const auto backend = crews.pool(key, label)->choose();
        return backend ? backend->endpoint() : nullptr;
      }});
}

}  // namespace slipway
