#include "deploy/journey.h"

namespace slipway {
namespace {

std::int64_t milliseconds(Duration duration) {
  return std::chrono::round<std::chrono::milliseconds>(duration).count();
}

}  // namespace

void Journey::begin(std::string_view step, std::string_view detail) {
  Step begun{.name = std::string(step), .state = "running", .detail = std::string(detail)};
  {
    const MutexLock lock(mutex_);
    step_begun_ = clock_.monotonic();
    begun.started_ms = milliseconds(clock_.now() - created_);
    steps_.push_back(begun);
  }
  feed_->add(std::move(begun));
}

void Journey::end(std::string_view state, std::string_view detail) {
  Step ended;
  {
    const MutexLock lock(mutex_);
    if (steps_.empty() || steps_.back().state != "running") return;
    Step& step = steps_.back();
    step.state = state;
    step.took_ms = milliseconds(clock_.monotonic() - step_begun_);
    if (!detail.empty()) step.detail = detail;
    ended = step;
  }
  feed_->add(std::move(ended));
}

void Journey::log(std::string_view line) {
  feed_->add(LogEvent{.line = std::string(line), .step = current()});
}

std::vector<Step> Journey::steps() const {
  const MutexLock lock(mutex_);
  return steps_;
}

std::string Journey::current() const {
  const MutexLock lock(mutex_);
  return steps_.empty() ? std::string() : steps_.back().name;
}

std::int64_t Journey::elapsed_ms() const { return milliseconds(clock_.monotonic() - begun_); }

std::int64_t Journey::took_ms(std::string_view step) const {
  const MutexLock lock(mutex_);
  std::int64_t total = 0;
  for (const Step& each : steps_)
    if (each.name == step) total += each.took_ms;
  return total;
}

}  // namespace slipway
