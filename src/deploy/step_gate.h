#pragma once

#include <array>
#include <cstdint>
#include <stop_token>
#include <utility>

#include "base/limiter.h"
#include "base/result.h"
#include "engine/engine.h"

namespace slipway {

// Whose step it is: by its labels "project" and "environment" and its control group.
[[nodiscard]] Limiter::Claim claim_of(const SandboxSpec& step);

// So many steps at once of each class: a migration or a scheduled run of production never waits for
// a build or a preview to end, nor do builds wait for what previews schedule. What they share then
// is the processor, by their control groups' weights. Projects take turns. Thread-safe.
class StepGate {
 public:
  explicit StepGate(std::uint32_t places)
      : lines_{Limiter({.units = places}), Limiter({.units = places}), Limiter({.units = places}),
               Limiter({.units = places})} {}

  // Waits for a place. Errors: canceled.
  [[nodiscard]] Result<Limiter::Slot> enter(const Limiter::Claim& claim, std::stop_token stop) {
    return lines_[static_cast<std::size_t>(claim.work)].enter(claim, std::move(stop));
  }
  [[nodiscard]] std::uint64_t held() const;
  [[nodiscard]] std::size_t waiting() const;

 private:
  std::array<Limiter, work_classes> lines_;
};

// Runs steps of another runner, holding a place of the gate meanwhile. Thread-safe.
class GatedRunner final : public StepRunner {
 public:
  GatedRunner(StepRunner& runner, StepGate& gate) : runner_(runner), gate_(gate) {}
  [[nodiscard]] Result<Outcome> run(const SandboxSpec& spec, Duration time_limit,
                                    std::uint64_t output_limit_bytes, const OutputSink& output,
                                    std::stop_token stop) override;

 private:
  StepRunner& runner_;
  StepGate& gate_;
};

}  // namespace slipway
