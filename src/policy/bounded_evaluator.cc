#include "policy/bounded_evaluator.h"

#include <fmt/format.h>
#include <time.h>

namespace slipway {
namespace {

std::chrono::nanoseconds of_this_thread() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace

class BoundedEvaluator::Session final : public RuleSession {
 public:
  Session(const BoundedEvaluator& owner, std::unique_ptr<RuleSession> inner)
      : owner_(owner), inner_(std::move(inner)) {}
  [[nodiscard]] Result<RuleRows> run(std::string_view sql) override {
    SLIPWAY_CHECK(owner_.spent());
    return inner_->run(sql);
  }

 private:
  const BoundedEvaluator& owner_;
  std::unique_ptr<RuleSession> inner_;
};

BoundedEvaluator::BoundedEvaluator(const RuleEvaluator& inner, std::chrono::nanoseconds most)
    : inner_(inner), most_(most), begun_(of_this_thread()) {}

Status BoundedEvaluator::spent() const {
  over_ = over_ || of_this_thread() - begun_ > most_;
  if (!over_) return {};
  return fail(Errc::too_large,
              fmt::format("to try these rules takes more than {} s of a processor",
                          std::chrono::duration_cast<std::chrono::seconds>(most_).count()),
              "fewer rules or cheaper queries, or a smaller replay");
}

Result<std::unique_ptr<RuleSession>> BoundedEvaluator::open(
    const Facts& facts, const std::set<std::string, std::less<>>& tables,
    const RuleLimits& limits) const {
  SLIPWAY_CHECK(spent());
  SLIPWAY_TRY(auto session, inner_.open(facts, tables, limits));
  return std::make_unique<Session>(*this, std::move(session));
}

}  // namespace slipway
