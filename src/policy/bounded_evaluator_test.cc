#include "policy/bounded_evaluator.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

using namespace std::chrono_literals;

class Answers final : public RuleEvaluator {
 public:
  [[nodiscard]] Result<std::unique_ptr<RuleSession>> open(const Facts&,
                                                          const std::set<std::string, std::less<>>&,
                                                          const RuleLimits&) const override {
    return std::make_unique<Session>();
  }

 private:
  class Session final : public RuleSession {
   public:
    [[nodiscard]] Result<RuleRows> run(std::string_view) override { return RuleRows{}; }
  };
};

TEST(BoundedEvaluator, RunsRulesUntilItsShareOfTheProcessorIsUsedUp) {
  const Answers inner;
  const BoundedEvaluator bounded(inner, 20ms);
  const auto session = bounded.open({}, {}, {}).value();
  EXPECT_TRUE(session->run("SELECT 1"));
  EXPECT_TRUE(bounded.spent());
  while (session->run("SELECT 1")) {
  }
  EXPECT_EQ(session->run("SELECT 1").error().code, Errc::too_large);
  EXPECT_FALSE(bounded.open({}, {}, {}));
  EXPECT_EQ(bounded.spent().error().code, Errc::too_large);
}

}  // namespace
}  // namespace slipway
