#include "router/route_table.h"

namespace slipway {

Backend::State Backend::state() const {
  const MutexLock lock(mutex_);
  return state_;
}

std::shared_ptr<const Backend::Endpoint> Backend::endpoint() const {
  const MutexLock lock(mutex_);
  return endpoint_;
}

Error Backend::crash_error() const {
  const MutexLock lock(mutex_);
  return error_;
}

void Backend::settle(State state, std::shared_ptr<const Endpoint> endpoint, Error error) {
  std::vector<std::function<void()>> waiters;
  {
    const MutexLock lock(mutex_);
    state_ = state;
    endpoint_ = std::move(endpoint);
    error_ = std::move(error);
    wake_claimed_ = false;
    waiters.swap(waiters_);
  }
  for (const auto& waiter : waiters) waiter();
}

void Backend::set_ready(Endpoint endpoint) {
  settle(State::ready, std::make_shared<const Endpoint>(std::move(endpoint)), {});
}
void Backend::set_asleep() { settle(State::asleep, nullptr, {}); }
void Backend::set_crashed(Error error) { settle(State::crashed, nullptr, std::move(error)); }

void Backend::set_waking() {
  const MutexLock lock(mutex_);
  state_ = State::waking;
  endpoint_ = nullptr;
}

void Backend::request_started(Duration now) {
  last_request_.store(now.count(), std::memory_order_relaxed);
  open_requests_.fetch_add(1, std::memory_order_relaxed);
}
void Backend::request_ended(Duration now) {
  last_request_.store(now.count(), std::memory_order_relaxed);
  open_requests_.fetch_sub(1, std::memory_order_relaxed);
}

void Backend::when_settled(std::function<void()> waiter) {
  {
    const MutexLock lock(mutex_);
    if (state_ == State::asleep || state_ == State::waking) {
      waiters_.push_back(std::move(waiter));
      return;
    }
  }
  waiter();
}

bool Backend::claim_wake() {
  const MutexLock lock(mutex_);
  if (state_ != State::asleep || wake_claimed_) return false;
  wake_claimed_ = true;
  return true;
}

void Backend::give_up_wake() {
  const MutexLock lock(mutex_);
  wake_claimed_ = false;
}

}  // namespace slipway
