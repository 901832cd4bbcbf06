#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>

#include "base/ids.h"
#include "base/mutex.h"
#include "model/deployment.h"

namespace slipway {

// What happens while a deployment is made, for those who watch.
struct LogEvent {
  std::string line;
  std::string step;
};
using DeployEvent = std::variant<Step, LogEvent, DeploymentState>;

// The events of one deployment, from the first, for any number of watchers. The newest `max_events`
// are kept. Thread-safe.
class EventFeed {
 public:
  // No other feed has its name, so that a watcher that comes back after a restart notices that the
  // events it counted are not these.
  [[nodiscard]] const std::string& name() const { return name_; }
  void add(DeployEvent event);
  // No more will come; wakes every watcher.
  void finish();

  // The event number `cursor` (counted from 0; one that was dropped yields the oldest kept) and
  // moves the cursor behind it. Waits up to `wait` for one. Nothing when none came; then see
  // finished().
  [[nodiscard]] std::optional<DeployEvent> next(std::uint64_t& cursor,
                                                std::chrono::milliseconds wait);
  [[nodiscard]] bool finished(std::uint64_t cursor) const;

 private:
  static constexpr std::size_t max_events = 4000;
  const std::string name_ = random_id();
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<DeployEvent> events_ SLIPWAY_GUARDED_BY(mutex_);
  std::uint64_t first_ SLIPWAY_GUARDED_BY(mutex_) = 0;  // number of events_.front()
  bool finished_ SLIPWAY_GUARDED_BY(mutex_) = false;
};

// The feeds of the deployments being made now. Thread-safe.
class EventHub {
 public:
  [[nodiscard]] std::shared_ptr<EventFeed> open(const DeploymentId& id);
  // Nothing when the deployment is settled.
  [[nodiscard]] std::shared_ptr<EventFeed> find(const DeploymentId& id) const;
  void close(const DeploymentId& id);

 private:
  mutable Mutex mutex_;
  std::unordered_map<DeploymentId, std::shared_ptr<EventFeed>> feeds_ SLIPWAY_GUARDED_BY(mutex_);
};

}  // namespace slipway
