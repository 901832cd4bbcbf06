#include "api/release_answers.h"

#include <boost/json/serialize.hpp>

#include "api/environment_work.h"
#include "json/convert.h"
#include "json/release_json.h"

namespace slipway {
namespace {

json::object instance_json(const Crews::Instance& instance) {
  return {{"instance", instance.sandbox},
          {"service", instance.label},
          {"state", instance.state},
          {"restarts", instance.restarts},
          {"open_requests", instance.open_requests},
          {"detail", or_null(instance.detail)}};
}

json::value work_json(const std::optional<EnvironmentWork::Item>& work) {
  if (!work) return nullptr;
  const std::string_view state = work->running ? "running" : work->error ? "failed" : "done";
  return json::object{{"id", work->id},
                      {"what", work->what},
                      {"state", state},
                      {"error", work->error ? json::value(to_json(*work->error)) : nullptr}};
}

}  // namespace

std::string revision_of(const Rollout& rollout) {
  return sha256(json::serialize(to_json(rollout))).hex().substr(0, 16);
}

json::object proof_answer(const ApiContext& context, const DeploymentId& deployment,
                          const Digest& release) {
  const auto found = context.repository.get(deployment);
  const Digest verified = found ? artifact_digest(*found) : Digest();
  return {{"deployment", found ? json::value(verified.str()) : json::value(nullptr)},
          {"release", release.str()},
          {"equal", found && verified == release}};
}

json::object rollout_answer(const ApiContext& context, const Rollout& rollout) {
  json::object out = to_json(rollout);
  out["url"] = context.releases.url(rollout.project, rollout.environment);
  out["proof"] = proof_answer(context, rollout.deployment, rollout.artifact);
  out["revision"] = revision_of(rollout);
  out["next"] = rollout.state == RolloutState::waiting
                    ? next_of(context, "deployment/" + rollout.deployment.str())
                    : json::array();
  return out;
}

json::array ServingPlaces::of(const Deployment& deployment) {
  const auto [known, is_new] = current_.try_emplace(deployment.project);
  if (is_new)
    if (const auto states = context_.release_store.environments(deployment.project))
      for (const EnvironmentState& state : *states) {
        if (state.current == 0) continue;
        if (auto release =
                context_.release_store.release(state.project, state.environment, state.current))
          known->second.push_back(*std::move(release));
      }
  json::array out;
  for (const Release& release : known->second)
    if (release.deployment == deployment.id)
      out.push_back(
          json::object{{"environment", release.environment},
                       {"release", release.number},
                       {"url", context_.releases.url(release.project, release.environment)}});
  return out;
}

json::object release_answer(const ApiContext& context, const Release& release,
                            const EnvironmentState& state) {
  json::object out = to_json(release);
  const bool current = release.number == state.current;
  out["current"] = current;
  out["previous"] = release.number == state.previous;
  out["can_roll_back"] = !current && release.kept && release.live_at.has_value();
  json::array verdicts;
  if (const auto rollout = context.release_store.rollout(release.rollout))
    for (const CanaryVerdict& verdict : rollout->verdicts) verdicts.push_back(to_json(verdict));
  out["verdicts"] = std::move(verdicts);
  return out;
}

json::object environment_answer(const ApiContext& context, const Releases::EnvironmentView& view) {
  json::object out = to_json(view.state);
  out["url"] = view.url;
  out["domains"] = to_array(view.domains);
  out["release"] =
      view.current ? json::value(release_answer(context, *view.current, view.state)) : nullptr;
  out["instances"] = to_array(view.instances, instance_json);
  out["work"] = work_json(context.work.last(view.state.project, view.state.environment));
  return out;
}

Result<Releases::EnvironmentView> environment_view(const ApiContext& context,
                                                   const std::string& project,
                                                   const std::string& environment) {
  SLIPWAY_TRY(std::vector<Releases::EnvironmentView> all, context.releases.environments(project));
  for (Releases::EnvironmentView& each : all)
    if (each.state.environment == environment) return std::move(each);
  return Releases::EnvironmentView{.state = {.project = project, .environment = environment},
                                   .current = {},
                                   .url = context.releases.url(project, environment),
                                   .domains = {},
                                   .instances = {}};
}

json::object decision_of_trial(const StoredDecision& decision) {
  json::object out = to_json(decision);
  out["id"] = nullptr;
  return out;
}

json::object preview_answer(const ApiContext& context, const Releases::Preview& preview) {
  const Rollout& rollout = preview.rollout;
  json::object out{{"dry_run", true},
                   {"decision", decision_of_trial(preview.decision)},
                   {"rollout", to_json(rollout)},
                   {"url", context.releases.url(rollout.project, rollout.environment)},
                   {"current", preview.current ? json::value(to_json(*preview.current)) : nullptr},
                   {"candidate", deployment_json(context, preview.candidate)},
                   {"files", json::object{{"added", to_array(preview.files.added)},
                                          {"modified", to_array(preview.files.modified)},
                                          {"removed", to_array(preview.files.removed)}}},
                   {"env", json::object{{"added", to_array(preview.env_added)},
                                        {"removed", to_array(preview.env_removed)},
                                        {"missing", to_array(preview.env_missing)}}},
                   {"plan_changes", to_array(preview.plan_changes)},
                   {"cost", json::object{{"instances", preview.instances},
                                         {"memory_bytes", preview.memory_bytes}}}};
  out["proof"] = json::object{{"deployment", artifact_digest(preview.candidate).str()},
                              {"release", rollout.artifact.str()},
                              {"equal", artifact_digest(preview.candidate) == rollout.artifact}};
  return out;
}

}  // namespace slipway
