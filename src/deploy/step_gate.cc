#include "deploy/step_gate.h"

#include <fmt/format.h>

#include "deploy/workers.h"

namespace slipway {

Limiter::Claim claim_of(const SandboxSpec& step) {
  // Without a project, those who share a range of uids share a turn.
  Limiter::Claim claim{.work = WorkClass::build, .key = fmt::format("uid {}", step.uid_slot)};
  if (step.cgroup == "previews") claim.work = WorkClass::preview;
  for (const auto& [name, value] : step.labels) {
    if (name == "project") claim.key = value;
    if (name == "environment") claim.work = class_of(value);
  }
  return claim;
}

std::uint64_t StepGate::held() const {
  std::uint64_t all = 0;
  for (const Limiter& line : lines_) all += line.held();
  return all;
}

std::size_t StepGate::waiting() const {
  std::size_t all = 0;
  for (const Limiter& line : lines_) all += line.waiting();
  return all;
}

Result<StepRunner::Outcome> GatedRunner::run(const SandboxSpec& spec, Duration time_limit,
                                             std::uint64_t output_limit_bytes,
                                             const OutputSink& output, std::stop_token stop) {
  SLIPWAY_TRY(const Limiter::Slot slot, gate_.enter(claim_of(spec), stop));
  return runner_.run(spec, time_limit, output_limit_bytes, output, stop);
}

}  // namespace slipway
