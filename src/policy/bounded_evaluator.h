#pragma once

#include <chrono>

#include "policy/evaluator.h"

namespace slipway {

// Runs rules by another evaluator, which must outlive it, until a share of the processor is used
// up; then everything that is asked of it fails with too_large. Each rule has its own limits, but a
// set may have thousands of them, each tried many times. Of one thread, whose processor time counts
// from the beginning of its life.
class BoundedEvaluator final : public RuleEvaluator {
 public:
  BoundedEvaluator(const RuleEvaluator& inner, std::chrono::nanoseconds most);
  [[nodiscard]] Result<std::unique_ptr<RuleSession>> open(
      const Facts& facts, const std::set<std::string, std::less<>>& tables,
      const RuleLimits& limits) const override;
  // Fails when the share was used up: then nothing that came of this evaluator is true.
  [[nodiscard]] Status spent() const;

 private:
  class Session;
  const RuleEvaluator& inner_;
  const std::chrono::nanoseconds most_, begun_;
  mutable bool over_ = false;
};

}  // namespace slipway
