#include "router/health.h"

#include <fmt/format.h>

#include <optional>

#include "base/guarded.h"

namespace slipway {
namespace {

// An answer this young is good for another question.
constexpr Duration fresh = std::chrono::milliseconds{200};

struct PartState {
  bool asked = false;  // and not answered yet
  Duration asked_at{};
  std::optional<Duration> answered_at;
  Status answer;
};

}  // namespace

struct Health::State {
  explicit State(std::size_t count) { parts.lock()->resize(count); }
  Guarded<std::vector<PartState>> parts;
  Guarded<std::vector<std::weak_ptr<const std::function<void()>>>> watchers;

  void tell() {
    std::vector<std::weak_ptr<const std::function<void()>>> now;
    watchers.lock()->swap(now);
    for (const auto& each : now)
      if (const auto news = each.lock()) {
        watchers.lock()->push_back(each);
        (*news)();
      }
  }
};

Health::Health(const Clock& clock, std::vector<Part> parts)
    : clock_(clock), parts_(std::move(parts)), state_(std::make_shared<State>(parts_.size())) {}

Health::Look Health::look(std::function<void()> news) {
  Look look{.began = clock_.monotonic(),
            .news = std::make_shared<const std::function<void()>>(std::move(news))};
  state_->watchers.lock()->push_back(look.news);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const bool ask = state_->parts.with([&](std::vector<PartState>& parts) {
      PartState& part = parts[i];
      if (part.asked || (part.answered_at && *part.answered_at + fresh >= look.began)) return false;
      part.asked = true;
      part.asked_at = look.began;
      return true;
    });
    if (!ask) continue;
    parts_[i].ask([state = state_, i, &clock = clock_](Status answer) {
      state->parts.with([&](std::vector<PartState>& parts) {
        parts[i].asked = false;
        parts[i].answered_at = clock.monotonic();
        parts[i].answer = std::move(answer);
      });
      state->tell();
    });
  }
  return look;
}

std::optional<std::vector<HealthReason>> Health::verdict(const Look& look) const {
  const Duration now = clock_.monotonic();
  std::vector<HealthReason> reasons;
  auto parts = state_->parts.lock();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const PartState& part = (*parts)[i];
    if (part.answered_at && *part.answered_at + fresh >= look.began && !part.asked) {
      if (!part.answer) reasons.push_back({parts_[i].name, part.answer.error().message});
    } else if (const Duration waited = now - std::min(part.asked_at, look.began); waited >= bound) {
      reasons.push_back(
          {parts_[i].name,
           fmt::format("has not answered for {} ms",
                       std::chrono::duration_cast<std::chrono::milliseconds>(waited).count())});
    } else {
      return std::nullopt;
    }
  }
  return reasons;
}

}  // namespace slipway
