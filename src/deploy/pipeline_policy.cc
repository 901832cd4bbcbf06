// The decision on showing what was built.
#include "base/log.h"
#include "deploy/pipeline.h"
#include "deploy/shown.h"

namespace slipway {

Status Pipeline::ask_policies(Making& making) {
  if (making.stop.stop_requested()) return fail(Errc::canceled, "canceled");
  Deployment& deployment = making.deployment;
  AuditContext by = by_system("pipeline");
  by.actor = deployment.actor;
  SLIPWAY_TRY(by.role, parts_.governance.store().role_about("deployment/" + deployment.id.str()));
  // Something else may be shown by now than when it was recorded.
  SLIPWAY_CHECK(compare_with_shown(deployment, making.source, parts_.repository, parts_.blobs));
  Asked asked = asked_about(by, DecisionPoint::preview, "deploy", deployment);
  asked.source = &making.source;
  SLIPWAY_TRY(making.ruling, parts_.governance.decide(asked));
  if (making.ruling->allows()) return {};
  if (making.ruling->waits()) {
    Status room = parts_.governance.check_open_requests(by.actor, deployment.project);
    if (!room) making.ruling.reset();
    SLIPWAY_CHECK(room);
    return fail(Errc::failed_precondition, "it waits for an approval");
  }
  Error refusal = parts_.governance.refuse(*making.ruling);
  making.ruling.reset();  // kept already
  return fail(std::move(refusal));
}

void Pipeline::hold(const Deployment& deployment, Journey& journey, Ruling& ruling) {
  const ApprovalRequest request = parts_.governance.request_approval(ruling, "deploy");
  const auto held = parts_.repository.update(
      ruling.by, deployment.id,
      [&](Deployment& change) -> Status {
        if (is_settled(change.state)) return fail(Errc::conflict, "it was ended meanwhile");
        change.state = DeploymentState::queued;
        change.state_reason = waiting_reason(request.id);
        change.approval = request.id;
        // What was decided on is what is decided on again once people agreed.
        change.plan = deployment.plan;
        change.findings = deployment.findings;
        change.steps = journey.steps();
        return {};
      },
      GovernanceService::keep(ruling).with(ruling.by, request));
  if (!held)
    log_error("a deployment that waits for approval was not recorded",
              {{"deployment", deployment.id.str()}, {"error", held.error().message}});
  journey.state(DeploymentState::queued);
  parts_.events.close(deployment.id);
}

}  // namespace slipway
