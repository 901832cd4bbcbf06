// What people and pipelines ask for: promote, roll back, reconfigure.
#include <algorithm>

#include "base/mutex.h"
#include "base/text.h"
#include "db/urgent.h"
#include "release/releases_state.h"

namespace slipway {
namespace {

// Rollouts that are driven at once, of all environments; each has a thread.
constexpr std::size_t most_drives = 512;
constexpr std::size_t most_smoke_requests = 50, longest_message = 4096;

Status check_canary(const Releases::Promotion& wanted) {
  int last = 0;
  for (const int percent : wanted.canary) {
    if (percent <= last || percent > 99)
      return fail(Errc::invalid_argument, "a canary's steps are percentages from 1 to 99, rising",
                  "such as --canary 5,25,50");
    last = percent;
  }
  if (wanted.canary_step && *wanted.canary_step <= Duration::zero())
    return fail(Errc::invalid_argument, "a canary's step lasts longer than nothing");
  if (wanted.smoke.size() > most_smoke_requests)
    return fail(Errc::invalid_argument,
                fmt::format("{} smoke requests at the most", most_smoke_requests));
  if (wanted.message.size() > longest_message)
    return fail(Errc::too_large, "the message is too long");
  return {};
}

}  // namespace

Status Releases::State::check_environment(std::string_view project,
                                          std::string_view environment) const {
  SLIPWAY_CHECK(check_environment_name(environment));
  if (environment == preview_environment)
    return fail(Errc::invalid_argument, "every deployment is a preview already",
                "promote it to production, staging or an environment of your own");
  if (environment == production_environment || environment == staging_environment) return {};
  SLIPWAY_TRY(const auto alias, parts.repository.newest(project, environment));
  if (alias)
    return fail(Errc::invalid_argument,
                fmt::format("{} has previews with the alias '{}', so no environment is called so",
                            project, environment),
                "choose another name for the environment");
  return {};
}

Status Releases::State::check_promotable(const Deployment& deployment) const {
  if (is_live(deployment.state)) return {};
  SLIPWAY_TRY(const std::vector<Release> releases, parts.store.releases_of(deployment.id));
  // A preview that is gone leaves its artifact to the releases that have served. One that was never
  // more than asked for keeps nothing.
  const bool kept = std::ranges::any_of(
      releases, [](const Release& each) { return each.kept && each.live_at.has_value(); });
  if (kept && deployment.ready_at) return {};
  Error error{.code = Errc::failed_precondition,
              .message = fmt::format("{} is {}, so it cannot be promoted", deployment.id.str(),
                                     to_string(deployment.state)),
              .hint = "promote a deployment that is ready"};
  if (deployment.state == DeploymentState::expired || deployment.state == DeploymentState::deleted)
    error.next.push_back({fmt::format("slipway redeploy {}", deployment.id.str()),
                          "to build it again, then promote that"});
  return fail(std::move(error));
}

Result<Releases::State::Draft> Releases::State::draft(const AuditContext& by,
                                                      const Promotion& wanted) const {
  SLIPWAY_CHECK(check_canary(wanted));
  Draft out;
  SLIPWAY_TRY(out.deployment, parts.repository.get(wanted.deployment));
  const Deployment& deployment = out.deployment;
  SLIPWAY_CHECK(check_environment(deployment.project, wanted.environment));
  SLIPWAY_CHECK(check_promotable(deployment));
  Rollout& rollout = out.rollout;
  rollout.id = RolloutId::random();
  rollout.kind = RolloutKind::promotion;
  rollout.project = deployment.project;
  rollout.environment = wanted.environment;
  rollout.deployment = deployment.id;
  rollout.automatic = wanted.automatic;
  rollout.actor = by.actor;
  rollout.message = wanted.message;
  rollout.canary = wanted.canary;
  rollout.canary_step = wanted.canary_step;
  rollout.smoke = wanted.smoke;
  rollout.created_at = parts.clock.now();
  rollout.artifact = artifact_digest(deployment);
  Release& release = out.release;
  release.project = rollout.project;
  release.environment = rollout.environment;
  release.deployment = deployment.id;
  SLIPWAY_TRY(release.config_version,
              parts.environments.newest_version(rollout.project, rollout.environment));
  release.artifact = rollout.artifact;
  release.message = wanted.message.empty() ? deployment.message : wanted.message;
  release.actor = by.actor;
  release.created_at = rollout.created_at;
  SLIPWAY_TRY(const EnvironmentState state,
              parts.store.environment(rollout.project, rollout.environment));
  rollout.from = state.current;
  if (state.current == 0) return out;
  SLIPWAY_TRY(const Release current,
              parts.store.release(rollout.project, rollout.environment, state.current));
  if (current.deployment == deployment.id && current.config_version == release.config_version)
    return fail(
        Errc::failed_precondition,
        fmt::format("{} is what {} of {} serves already, as release {}", deployment.id.str(),
                    rollout.environment, rollout.project, current.number));
  return out;
}

Result<Rollout> Releases::State::begin(const AuditContext& by, Draft draft, Next next,
                                       const Asked& asked) {
  Rollout& rollout = draft.rollout;
  {
    const MutexLock lock(mutex);
    if (stopping || drives.size() >= most_drives)
      return fail(Errc::unavailable, stopping ? "the server stops" : "too many rollouts at once",
                  "try again in a moment");
  }
  SLIPWAY_TRY(Ruling ruling, parts.governance.decide(asked));
  const std::optional<Release> made =
      next == Next::made ? std::optional(draft.release) : std::nullopt;
  ReleaseStore::Begun begun;
  if (ruling.waits()) {
    SLIPWAY_CHECK(parts.governance.check_open_requests(by.actor, rollout.project));
    const ApprovalRequest request = parts.governance.request_approval(ruling, asked.action);
    rollout.state = RolloutState::waiting;
    rollout.approval = request.id.str();
    rollout.waits_for = RolloutWait::approval;
    rollout.reason = waiting_reason(request.id);
    rollout.steps.push_back({.name = "wait", .state = "running", .detail = request.id.str()});
    SLIPWAY_TRY(begun, parts.store.begin(ruling.by, rollout, made,
                                         GovernanceService::keep(ruling).with(by, request)));
  } else {
    if (!ruling.allows()) return fail(parts.governance.refuse(ruling));
    rollout.state = RolloutState::running;
    rollout.decision = ruling.stored.id.str();
    std::optional<Release> decided = made;
    if (decided) decided->decision = rollout.decision;
    SLIPWAY_TRY(begun,
                parts.store.begin(ruling.by, rollout, decided, GovernanceService::keep(ruling)));
  }
  let_go(begun.replaced, begun.rollout);
  notify();
  if (begun.rollout.state != RolloutState::waiting) {
    submit(begun.rollout);
  } else if (parts.alert) {
    parts.alert({.event = "rollout.waiting",
                 .rollout = begun.rollout,
                 .url = parts.names.url(
                     parts.names.release_host(begun.rollout.project, begun.rollout.environment))});
  }
  return begun.rollout;
}

Result<Rollout> Releases::promote(const AuditContext& by, const Promotion& wanted) {
  State& s = *state_;
  SLIPWAY_TRY(State::Draft draft, s.draft(by, wanted));
  SLIPWAY_TRY(const EnvironmentState state,
              s.parts.store.environment(draft.rollout.project, draft.rollout.environment));
  if (wanted.automatic && !state.paused.empty())
    return fail(
        Errc::failed_precondition,
        fmt::format("{} of {} is paused: {}", state.environment, state.project, state.paused),
        fmt::format("slipway resume {}{}", state.project,
                    state.environment == production_environment ? std::string()
                                                                : " --env " + state.environment));
  SLIPWAY_TRY(const MoveQuestion question,
              MoveQuestion::about(s.parts, draft.release, draft.deployment));
  Asked asked = question.promotion(by, draft.rollout);
  return s.begin(by, std::move(draft), State::Next::made, asked);
}

Result<Rollout> Releases::roll_back(const AuditContext& by, std::string_view project,
                                    std::string_view environment, std::optional<std::int64_t> to,
                                    std::string message, std::optional<std::string> restore) {
  const Urgent urgent;
  State& s = *state_;
  SLIPWAY_TRY(EnvironmentState state, s.parts.store.environment(project, environment));
  if (!to && !restore && !state.active.empty()) {
    SLIPWAY_TRY(const Rollout active, s.parts.store.rollout(state.active));
    // What the canary gave to some is all that there is to take back.
    if (active.state == RolloutState::canary) {
      SLIPWAY_TRY(Rollout ended,
                  cancel(by, active.id,
                         message.empty() ? "a rollback was asked for" : "rollback: " + message));
      // As after any rollback: nothing brings it back by itself.
      SLIPWAY_TRY([[maybe_unused]] const EnvironmentState paused,
                  s.parts.store.update_environment(
                      by, project, environment, [&](EnvironmentState& change) -> Status {
                        change.paused = fmt::format("the canary of release {} was rolled back ({})",
                                                    active.to, active.id.str());
                        return {};
                      }));
      return ended;
    }
  }
  if (state.current == 0)
    return fail(Errc::not_found, fmt::format("{} of {} serves nothing", environment, project),
                fmt::format("promote something to it: slipway promote {}", project));
  State::Draft draft;
  if (to) {
    SLIPWAY_TRY(draft.release, s.parts.store.release(project, environment, *to));
    if (*to == state.current)
      return fail(Errc::failed_precondition,
                  fmt::format("{} of {} serves release {} already", environment, project, *to));
    if (!draft.release.live_at)
      return fail(
          Errc::failed_precondition,
          fmt::format("release {} never served {}: a rollback goes to what has worked "
                      "there",
                      *to, environment),
          fmt::format("promote it instead: slipway promote {}", draft.release.deployment.str()));
    if (!draft.release.kept)
      return fail(Errc::failed_precondition,
                  fmt::format("the artifact of release {} is not kept any more", *to),
                  fmt::format("see what is: slipway releases {}", project));
  } else {
    SLIPWAY_TRY(auto before, release_before(s.parts.store, project, environment, state.current));
    if (!before)
      return fail(Errc::not_found,
                  fmt::format("{} of {} has no release before {} to go back to", environment,
                              project, state.current),
                  fmt::format("see: slipway releases {}", project));
    draft.release = *std::move(before);
  }
  SLIPWAY_TRY(draft.deployment, s.parts.repository.get(draft.release.deployment));
  SLIPWAY_TRY(const MoveQuestion question,
              MoveQuestion::about(s.parts, draft.release, draft.deployment));
  const Asked asked = question.rollback(by, restore.value_or(""));
  SLIPWAY_TRY(const std::vector<Rollout> open, s.parts.store.open_rollouts());
  for (const Rollout& each : open)
    if (each.state == RolloutState::waiting && each.kind == RolloutKind::rollback &&
        each.project == project && each.environment == environment && each.from == state.current &&
        each.to == draft.release.number && each.restore == restore &&
        each.actor.name == by.actor.name && each.actor.on_behalf_of == by.actor.on_behalf_of)
      return each;  // the same waits already
  // What has not been switched to yet is taken back first; what has gives way in begin().
  if (!state.active.empty()) {
    SLIPWAY_TRY(const Rollout active, s.parts.store.rollout(state.active));
    if (active.state == RolloutState::running || active.state == RolloutState::canary) {
      SLIPWAY_TRY(const Ruling ruling, s.parts.governance.decide(asked));
      if (!ruling.allows() && !ruling.waits()) return fail(s.parts.governance.refuse(ruling));
      if (ruling.allows()) {
        auto canceled = cancel(by, active.id, "a rollback was asked for");
        // It may have come to its end meanwhile, either way.
        if (!canceled && canceled.error().code != Errc::failed_precondition)
          return fail(std::move(canceled).error());
      }
    }
  }
  Rollout& rollout = draft.rollout;
  rollout.id = RolloutId::random();
  rollout.kind = RolloutKind::rollback;
  rollout.project = project;
  rollout.environment = environment;
  rollout.from = state.current;
  rollout.to = draft.release.number;
  rollout.deployment = draft.release.deployment;
  rollout.actor = by.actor;
  rollout.message = std::move(message);
  rollout.restore = std::move(restore);
  rollout.created_at = s.parts.clock.now();
  rollout.artifact = draft.release.artifact;
  return s.begin(by, std::move(draft), State::Next::known, asked);
}

Result<AuditContext> Releases::may_take_back(const AuditContext& by, const Rollout& rollout) {
  if (rollout.state != RolloutState::watching || rollout.from == 0) return by;
  State& s = *state_;
  SLIPWAY_TRY(const Release before,
              s.parts.store.release(rollout.project, rollout.environment, rollout.from));
  SLIPWAY_TRY(const Deployment deployment, s.parts.repository.get(before.deployment));
  SLIPWAY_TRY(const MoveQuestion question, MoveQuestion::about(s.parts, before, deployment));
  SLIPWAY_TRY(const Ruling ruling, s.parts.governance.decide(question.rollback(by, "")));
  if (!ruling.allows()) return fail(s.parts.governance.refuse(ruling));
  SLIPWAY_CHECK(s.parts.governance.store().keep(GovernanceService::keep(ruling)));
  return ruling.by;
}

Result<std::optional<Rollout>> Releases::reconfigure(const AuditContext& by,
                                                     std::string_view project,
                                                     std::string_view environment,
                                                     std::int64_t config_version) {
  State& s = *state_;
  SLIPWAY_TRY(const EnvironmentState state, s.parts.store.environment(project, environment));
  if (state.current == 0) return std::nullopt;
  SLIPWAY_TRY(const Release current, s.parts.store.release(project, environment, state.current));
  if (current.config_version == config_version) return std::nullopt;
  Rollout rollout{.id = RolloutId::random(),
                  .kind = RolloutKind::configuration,
                  .project = std::string(project),
                  .environment = std::string(environment),
                  .from = state.current,
                  .deployment = current.deployment,
                  .actor = by.actor,
                  .message = fmt::format("configuration {}", config_version),
                  .created_at = s.parts.clock.now(),
                  .decision = by.decision,
                  .artifact = current.artifact};
  Release next = current;
  next.config_version = config_version;
  next.message = rollout.message;
  next.actor = by.actor;
  next.created_at = rollout.created_at;
  next.decision = by.decision;
  next.live_at.reset();
  SLIPWAY_TRY(const ReleaseStore::Begun begun, s.parts.store.begin(by, rollout, next));
  s.let_go(begun.replaced, begun.rollout);
  s.notify();
  s.submit(begun.rollout);
  return begun.rollout;
}

}  // namespace slipway
