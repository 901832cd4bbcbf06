#include "deploy/workers.h"

#include <memory>
#include <vector>

#include "base/log.h"
#include "model/environment.h"
#include "model/release.h"

namespace slipway {

using namespace std::chrono_literals;

namespace {

// How long a task waits when the system has no thread for it.
constexpr auto no_thread_delay = 250ms;

}  // namespace

WorkClass class_of(std::string_view environment) {
  return environment == production_environment ? WorkClass::production
         : environment == preview_environment  ? WorkClass::preview
                                               : WorkClass::release;
}

// A thread that is done has let go of its slot a moment before it ends.
Workers::Workers(std::string name, const Limiter::Limits& limits)
    : limiter_(limits),
      threads_(name, static_cast<std::size_t>(limits.units) * 2),
      timer_(name + ", later") {}

void Workers::post(Share share, Task task, std::chrono::milliseconds delay) {
  Posted posted{std::move(share), std::move(task)};
  if (delay.count() <= 0) return begin(std::move(posted));
  {
    MutexLock lock(mutex_);
    if (stopping_) return;
    later_.emplace(std::chrono::steady_clock::now() + delay, std::move(posted));
    if (!timing_) {
      const Status started = timer_.start([this](const std::stop_token&) { return look(); });
      timing_ = started.has_value();
      if (!started)  // whoever posts next tries again
        log_error("delayed work waits for a thread", {{"error", started.error().message}});
    }
  }
  timer_.wake();
}

std::optional<std::chrono::microseconds> Workers::look() {
  std::vector<Posted> due;
  std::optional<std::chrono::microseconds> rest;
  {
    MutexLock lock(mutex_);
    const Time now = std::chrono::steady_clock::now();
    while (!later_.empty() && later_.begin()->first <= now) {
      due.push_back(std::move(later_.begin()->second));
      later_.erase(later_.begin());
    }
    if (!later_.empty())
      rest = std::chrono::ceil<std::chrono::microseconds>(later_.begin()->first - now);
  }
  for (Posted& each : due) begin(std::move(each));
  return rest;
}

void Workers::begin(Posted posted) {
  {
    MutexLock lock(mutex_);
    if (stopping_) return;
  }
  const Limiter::Claim claim{.work = posted.share.work, .key = posted.share.key};
  // A callback must be one that can be copied.
  const auto waiting = std::make_shared<Posted>(std::move(posted));
  const Status stands = limiter_.enter_later(
      claim, [this, waiting](Limiter::Slot slot) { run(std::move(*waiting), std::move(slot)); });
  if (!stands) log_error("background work was refused", {{"error", stands.error().message}});
}

void Workers::run(Posted posted, Limiter::Slot slot) {
  {
    MutexLock lock(mutex_);
    // Letting go of it here would let in the next one, inside of this call, and so on.
    if (stopping_) return unwanted_.push_back(std::move(slot));
  }
  const auto shared = std::make_shared<Posted>(std::move(posted));
  auto held = std::make_shared<Limiter::Slot>(std::move(slot));
  const Status started =
      threads_.start([shared, held = std::move(held)](const std::stop_token&) mutable {
        shared->task();
        shared->task = {};  // what it holds ends before its place is another's
        held.reset();
      });
  if (started) return;
  log_error("background work waits for a thread", {{"error", started.error().message}});
  post(shared->share, std::move(shared->task), no_thread_delay);
}

void Workers::stop() {
  std::multimap<Time, Posted> dropped;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    dropped.swap(later_);
  }
  timer_.stop();
  threads_.stop();
  for (std::vector<Limiter::Slot> unwanted;; unwanted.clear()) {
    MutexLock lock(mutex_);
    if (unwanted_.empty()) return;
    unwanted.swap(unwanted_);
  }
}

}  // namespace slipway
