#include "deploy/events.h"

namespace slipway {

void EventFeed::add(DeployEvent event) {
  {
    const MutexLock lock(mutex_);
    events_.push_back(std::move(event));
    if (events_.size() > max_events) {
      events_.pop_front();
      ++first_;
    }
  }
  changed_.notify_all();
}

void EventFeed::finish() {
  {
    const MutexLock lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
}

std::optional<DeployEvent> EventFeed::next(std::uint64_t& cursor, std::chrono::milliseconds wait) {
  MutexLock lock(mutex_);
  changed_.wait_for(mutex_, wait, [&]() SLIPWAY_REQUIRES(mutex_) {
    return finished_ || cursor < first_ + events_.size();
  });
  cursor = std::max(cursor, first_);
  if (cursor >= first_ + events_.size()) return std::nullopt;
  return events_[static_cast<std::size_t>(cursor++ - first_)];
}

bool EventFeed::finished(std::uint64_t cursor) const {
  const MutexLock lock(mutex_);
  return finished_ && cursor >= first_ + events_.size();
}

std::shared_ptr<EventFeed> EventHub::open(const DeploymentId& id) {
  const MutexLock lock(mutex_);
  auto& feed = feeds_[id];
  if (!feed) feed = std::make_shared<EventFeed>();
  return feed;
}

std::shared_ptr<EventFeed> EventHub::find(const DeploymentId& id) const {
  const MutexLock lock(mutex_);
  const auto at = feeds_.find(id);
  return at == feeds_.end() ? nullptr : at->second;
}

void EventHub::close(const DeploymentId& id) {
  std::shared_ptr<EventFeed> feed;
  {
    const MutexLock lock(mutex_);
    const auto at = feeds_.find(id);
    if (at == feeds_.end()) return;
    feed = std::move(at->second);
    feeds_.erase(at);
  }
  feed->finish();
}

}  // namespace slipway
