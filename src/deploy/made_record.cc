#include "deploy/made_record.h"

namespace slipway {

Status take_made(Deployment& record, const Deployment& made) {
  if (record.state == DeploymentState::deleted)
    return fail(Errc::conflict, "the deployment was removed");
  record.plan = made.plan;
  record.first = made.first;
  record.artifact = made.artifact;
  record.companions = made.companions;
  record.findings = made.findings;
  record.cache_install = made.cache_install;
  record.cache_build = made.cache_build;
  record.timings_ms = made.timings_ms;
  record.steps = made.steps;
  if (is_settled(record.state)) return {};
  record.state = made.state;
  record.ready_at = made.ready_at;
  record.expires_at = made.expires_at;
  record.error = made.error;
  if (made.state == DeploymentState::canceled) record.state_reason = made.state_reason;
  return {};
}

}  // namespace slipway
