// What the policies have a say in: recording a deployment, removing one, and going on with either
// once people agreed.
#include <tuple>

#include "base/log.h"
#include "base/mutex.h"
#include "db/urgent.h"
#include "deploy/service.h"
#include "deploy/shown.h"
#include "model/environment.h"
#include "model/environment_class.h"

namespace slipway {
namespace {

// What ends at once has ended when its removal is answered; what takes longer ends in the
// background. Only a few wait, so that many removals keep no thread from other requests.
constexpr auto brief_wait = std::chrono::milliseconds{300};
constexpr int most_who_wait = 2;

std::string resource_of(const Deployment& deployment) {
  return "deployment/" + deployment.id.str();
}

std::optional<DeploymentId> deployment_of(const ApprovalRequest& request) {
  return DeploymentId::parse(
      std::string_view(request.resource).substr(request.resource.find('/') + 1));
}

// `serving`: releases of it that serve now, which its removal leaves alone.
Asked about_removal(const AuditContext& by, const Deployment& deployment, const Settings& settings,
                    const std::vector<Release>& serving) {
  Asked asked = asked_about(by, DecisionPoint::remove, "remove", deployment);
  const auto undo_for =
      std::chrono::duration_cast<std::chrono::seconds>(settings.gc.keep_removed).count();
  const bool live = !serving.empty();
  for (const Release& release : serving) {
    const std::string_view where = environment_class(release.environment);
    if (where == production_environment || asked.environment == preview_environment)
      asked.environment = where;
  }
  asked.more = [id = deployment.id.str(), undo_for, live](Facts& facts) {
    facts.add("config_change", {{"kind", "deployment"},
                                {"name", id},
                                {"subject", "deployment:" + id},
                                {"change", "removed"},
                                {"live", live ? 1 : 0},
                                {"undo_for", undo_for},
                                {"used_by", "none"},
                                {"loads_code", 0}});
  };
  return asked;
}

}  // namespace

DeployService::DeployService(Parts parts) : parts_(parts) {
  parts_.governance.on_vote(
      "deploy", [this](const ApprovalRequest& request) { return go_on_deploying(request); });
  parts_.governance.on_vote(
      "remove", [this](const ApprovalRequest& request) { return go_on_removing(request); });
}

Result<StoredDecision> DeployService::decision_on(const AuditContext& by, DecisionPoint point,
                                                  const Deployment& planned) {
  Deployment asked = planned;
  asked.actor = by.actor;
  SLIPWAY_TRY(const std::shared_ptr<const Manifest> source,
              parts_.blobs.read_manifest(planned.source));
  Asked about_it = asked_about(by, point, "deploy", asked);
  about_it.source = source.get();
  return parts_.governance.what_if(about_it, {});
}

Result<Deployment> DeployService::record(const AuditContext& by, const Deployment& deployment,
                                         const Manifest& source, std::string_view idempotency_key) {
  // What was made under this key before was decided on then.
  if (!idempotency_key.empty()) {
    SLIPWAY_TRY(std::optional<Deployment> made, parts_.repository.made_with(idempotency_key));
    if (made) return *std::move(made);
  }
  Asked asked = asked_about(by, DecisionPoint::build, "deploy", deployment);
  asked.source = &source;
  Result<Deployment> added = deployment;
  {
    // Another's answer may take long; then limits may be overshot by what is asked meanwhile.
    std::optional<MutexLock> one_at_a_time;
    if (!parts_.governance.asks_others()) one_at_a_time.emplace(recording_);
    SLIPWAY_TRY(const std::optional<Waiting> same, waiting_alike(deployment));
    if (same) {
      one_at_a_time.reset();
      SLIPWAY_CHECK(go_on_deploying(same->request));  // the facts or the rules may be others by now
      return parts_.repository.get(same->deployment.id);
    }
    SLIPWAY_TRY(Ruling ruling, parts_.governance.decide(asked));
    if (ruling.waits()) {
      SLIPWAY_CHECK(parts_.governance.check_open_requests(by.actor, deployment.project));
      Deployment waiting = deployment;
      const ApprovalRequest request = parts_.governance.request_approval(ruling, "deploy");
      waiting.state_reason = waiting_reason(request.id);
      waiting.approval = request.id;
      return parts_.repository.add(ruling.by, waiting, idempotency_key,
                                   GovernanceService::keep(ruling).with(by, request));
    }
    if (!ruling.allows()) return fail(parts_.governance.refuse(ruling));
    added = parts_.repository.add(ruling.by, deployment, idempotency_key,
                                  GovernanceService::keep(ruling));
  }
  if (added && added->id == deployment.id) parts_.pipeline.submit(*added);
  return added;
}

Result<std::optional<DeployService::Waiting>> DeployService::waiting_alike(
    const Deployment& deployment) {
  DeployOptions wanted = deployment.options;
  wanted.message.clear();
  SLIPWAY_TRY(const auto open, parts_.governance.store().approvals("open", deployment.project));
  for (const ApprovalRequest& request : open) {
    const auto id = deployment_of(request);
    if (request.action != "deploy" || !id) continue;
    auto other = parts_.repository.get(*id);
    if (!other || !waits_for_approval(*other)) continue;
    DeployOptions options = other->options;
    options.message.clear();
    const auto person = [](const Actor& actor) {
      return std::tie(actor.kind, actor.name, actor.on_behalf_of);
    };
    if (other->alias == deployment.alias && other->source == deployment.source &&
        options == wanted && person(other->actor) == person(deployment.actor))
      return Waiting{*std::move(other), request};
  }
  return std::nullopt;
}

Result<AuditContext> DeployService::may_show_again(const AuditContext& by,
                                                   const Deployment& removed) {
  Deployment shown = removed;
  SLIPWAY_TRY(const std::shared_ptr<const Manifest> source,
              parts_.blobs.read_manifest(removed.source));
  SLIPWAY_CHECK(compare_with_shown(shown, *source, parts_.repository, parts_.blobs));
  Asked asked = asked_about(by, DecisionPoint::preview, "undo", shown);
  asked.source = source.get();
  return parts_.governance.require(asked,
                                   ChangeDigest(by.actor, "undo").add("id", removed.id.str()));
}

Result<Deployment> DeployService::remove(const AuditContext& by, const Deployment& deployment) {
  if (deployment.state == DeploymentState::deleted) return deployment;
  if (by.actor.kind == "agent" && deployment.actor.kind == "human" &&
      waits_for_approval(deployment))
    return fail(Errc::permission_denied,
                fmt::format("{} waits for people because {} asked: no agent takes that back",
                            deployment.id.str(), deployment.actor.name),
                fmt::format("ask {}, or whoever may approve {}", deployment.actor.name,
                            deployment.approval.str()));
  const Urgent urgent;
  SLIPWAY_TRY(const std::vector<Release> serving, parts_.releases.serving(deployment.id));
  SLIPWAY_TRY(Ruling ruling,
              parts_.governance.decide(about_removal(by, deployment, parts_.settings, serving)));
  if (ruling.waits()) {
    SLIPWAY_TRY(const auto known, parts_.governance.store().approvals_of(resource_of(deployment)));
    const auto open = std::ranges::find_if(known, [](const ApprovalRequest& request) {
      return request.state == "open" && request.action == "remove";
    });
    Deployment waiting = deployment;
    if (open != known.end()) {
      waiting.state_reason = "removal is " + waiting_reason(open->id);
      waiting.approval = open->id;
      return waiting;
    }
    SLIPWAY_CHECK(parts_.governance.check_open_requests(by.actor, deployment.project));
    const ApprovalRequest request = parts_.governance.request_approval(ruling, "remove");
    SLIPWAY_CHECK(
        parts_.governance.store().keep(GovernanceService::keep(ruling).with(by, request)));
    waiting.state_reason = "removal is " + waiting_reason(request.id);
    waiting.approval = request.id;
    return waiting;
  }
  if (!ruling.allows()) return fail(parts_.governance.refuse(ruling));
  SLIPWAY_CHECK(parts_.governance.store().keep(GovernanceService::keep(ruling)));
  return take_away(ruling.by, deployment);
}

Result<Deployment> DeployService::take_away(const AuditContext& by, const Deployment& deployment) {
  parts_.pipeline.cancel(deployment.id, "removed");
  SLIPWAY_TRY(const auto requests, parts_.governance.store().approvals_of(resource_of(deployment)));
  for (const ApprovalRequest& request : requests)
    if (request.state == "open" && request.action == "deploy")
      SLIPWAY_CHECK(parts_.governance.close(by, request.id, "withdrawn", "it was removed"));
  SLIPWAY_CHECK(end(by, deployment, DeploymentState::deleted, "removed"));
  SLIPWAY_CHECK(withdraw_promotions(by, deployment));
  wait_briefly(deployment.id);
  return parts_.repository.get(deployment.id);
}

Status DeployService::may_end_promotions(const AuditContext& by,
                                         const Deployment& deployment) const {
  if (by.actor.kind != "agent") return {};
  SLIPWAY_TRY(const std::vector<Release> releases, parts_.releases.releases_of(deployment.id));
  for (const Release& each : releases)
    if (each.kept && each.live_at) return {};  // then they go on
  SLIPWAY_TRY(const std::vector<Rollout> open, parts_.releases.open_rollouts());
  for (const Rollout& rollout : open)
    if (rollout.deployment == deployment.id && rollout.state == RolloutState::waiting &&
        rollout.actor.kind == "human")
      return fail(
          Errc::permission_denied,
          fmt::format("the promotion of {} waits for people because {} asked: no agent "
                      "takes that back",
                      deployment.id.str(), rollout.actor.name),
          fmt::format("ask {}, or whoever may approve {}", rollout.actor.name, rollout.approval));
  return {};
}

// What was removed is not promoted by those who approve later, unless a release that has served
// keeps its artifact anyway.
Status DeployService::withdraw_promotions(const AuditContext& by, const Deployment& deployment) {
  SLIPWAY_TRY(const std::vector<Release> releases, parts_.releases.releases_of(deployment.id));
  for (const Release& each : releases)
    if (each.kept && each.live_at) return {};
  SLIPWAY_TRY(const std::vector<Rollout> open, parts_.releases.open_rollouts());
  for (const Rollout& rollout : open) {
    if (rollout.deployment != deployment.id || rollout.state != RolloutState::waiting) continue;
    const std::string reason = fmt::format("{} was removed", deployment.id.str());
    const auto ended = parts_.releases.update(by, rollout.id, [&](Rollout& change) -> Status {
      if (change.state != RolloutState::waiting)
        return fail(Errc::conflict, "it went on meanwhile");
      change.state = RolloutState::canceled;
      change.reason = reason;
      change.ended_at = parts_.clock.now();
      if (!change.steps.empty()) change.steps.back().state = "canceled";
      return {};
    });
    if (!ended && ended.error().code != Errc::conflict) return fail(ended.error());
    if (const auto approval = ApprovalId::parse(rollout.approval); ended && approval)
      std::ignore = parts_.governance.close(by, *approval, "withdrawn", reason);
  }
  return {};
}

void DeployService::wait_briefly(const DeploymentId& id) {
  if (waiting_.fetch_add(1) < most_who_wait) {
    const Deadline deadline = Deadline::after(parts_.clock, brief_wait);
    if (parts_.pipeline.wait_until_settled(id, brief_wait))
      std::ignore = parts_.fleet.wait_until_ended(id, deadline.left(parts_.clock));
  }
  waiting_.fetch_sub(1);
}

Status DeployService::go_on_deploying(const ApprovalRequest& request) {
  const auto id = deployment_of(request);
  if (!id) return fail(Errc::corrupt, "an approval of no deployment");
  const MutexLock one_at_a_time(recording_);
  const Result<Deployment> found = parts_.repository.get(*id);
  const bool waits = found && waits_for_approval(*found) && found->approval == request.id;
  if (!waits) {
    // Removed or superseded meanwhile; or it went on just before the server died.
    if (request.state != "open") return {};
    const bool removed = !found || is_settled(found->state);
    return parts_.governance.close(by_system("policy"), request.id,
                                   removed ? "withdrawn" : "approved",
                                   removed ? "its deployment is gone" : "enough people agreed");
  }
  const auto end_as = [&](DeploymentState state, const std::string& reason,
                          const std::optional<Error>& error) {
    const auto ended =
        parts_.repository.update(by_system("policy"), *id, [&](Deployment& change) -> Status {
          change.state = state;
          change.state_reason = reason;
          change.error = error;
          return {};
        });
    return ended ? parts_.routes.publish(*ended) : Status(fail(ended.error()));
  };
  if (request.state == "rejected" || request.state == "expired" || request.state == "withdrawn")
    return end_as(DeploymentState::canceled,
                  fmt::format("approval {}: {}", request.id.str(), request.closed_reason), {});
  if (request.state != "open") return {};
  const auto requester = parts_.governance.requester_of(request);
  if (!requester) {
    if (requester.error().code != Errc::permission_denied) return fail(requester.error());
    SLIPWAY_CHECK(end_as(DeploymentState::canceled, requester.error().message, requester.error()));
    return parts_.governance.close(by_system("policy"), request.id, "withdrawn",
                                   requester.error().message);
  }
  SLIPWAY_TRY(const std::shared_ptr<const Manifest> source,
              parts_.blobs.read_manifest(found->source));
  Deployment compared = *found;  // something else may be shown by now
  SLIPWAY_CHECK(compare_with_shown(compared, *source, parts_.repository, parts_.blobs));
  Asked asked = asked_about(*requester, request.point, "deploy", compared);
  asked.source = source.get();
  SLIPWAY_TRY(const Ruling ruling, parts_.governance.decide(asked));
  if (ruling.waits()) return {};
  if (!ruling.allows()) {
    // Something else forbids it by now.
    Error error = parts_.governance.refuse(ruling);
    SLIPWAY_CHECK(end_as(DeploymentState::failed, "denied by policy", error));
    return parts_.governance.close(by_system("policy"), request.id, "withdrawn", error.message);
  }
  SLIPWAY_TRY(const Deployment queued, parts_.repository.update(
                                           ruling.by, *id,
                                           [&](Deployment& change) -> Status {
                                             change.state_reason = "approved: " + request.id.str();
                                             change.approval = {};
                                             return {};
                                           },
                                           GovernanceService::keep(ruling)));
  if (Status closed = parts_.governance.close(by_system("policy"), request.id, "approved",
                                              "enough people agreed");
      !closed)
    log_warn("an approval was not closed", {{"error", closed.error().message}});
  parts_.pipeline.submit(queued);
  return {};
}

Status DeployService::go_on_removing(const ApprovalRequest& request) {
  if (request.state != "open") return {};
  const Urgent urgent;
  const auto close_as = [&](std::string_view state, std::string_view reason) {
    return parts_.governance.close(by_system("policy"), request.id, state, std::string(reason));
  };
  const auto id = deployment_of(request);
  const Result<Deployment> found =
      id ? parts_.repository.get(*id) : Result<Deployment>(fail(Errc::not_found, "gone"));
  if (!found || found->state == DeploymentState::deleted)
    return close_as("withdrawn", "its deployment is gone");
  const auto requester = parts_.governance.requester_of(request);
  if (!requester) {
    if (requester.error().code != Errc::permission_denied) return fail(requester.error());
    return close_as("withdrawn", requester.error().message);
  }
  SLIPWAY_TRY(const std::vector<Release> serving, parts_.releases.serving(*id));
  SLIPWAY_TRY(const Ruling ruling, parts_.governance.decide(about_removal(
                                       *requester, *found, parts_.settings, serving)));
  if (ruling.waits()) return {};
  if (!ruling.allows()) {
    const Error error = parts_.governance.refuse(ruling);
    return close_as("withdrawn", error.message);
  }
  SLIPWAY_CHECK(parts_.governance.store().keep(GovernanceService::keep(ruling)));
  SLIPWAY_TRY([[maybe_unused]] const Deployment gone, take_away(ruling.by, *found));
  // keep() has closed it, unless nothing asks for approvals any more.
  return ruling.uses.empty() ? close_as("approved", "nobody needs to agree any more") : Status();
}

}  // namespace slipway
