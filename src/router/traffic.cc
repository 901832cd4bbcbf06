#include "router/traffic.h"

#include <algorithm>
#include <numeric>

namespace slipway {
namespace {

// The lower, the better.
int rank_of(Backend::State state, bool in_service) {
  switch (state) {
    case Backend::State::ready:
      return in_service ? 0 : 2;
    case Backend::State::asleep:
    case Backend::State::waking:
      return in_service ? 1 : 3;
    case Backend::State::crashed:
      return 4;
  }
  return 4;
}

}  // namespace

void TrafficStats::count(bool error, std::uint64_t micros) {
  latency_[LatencyHistogram::bucket(micros)].fetch_add(1, std::memory_order_relaxed);
  // Later than the request, so that no sample has more errors than requests.
  if (error) errors_.fetch_add(1, std::memory_order_release);
}

TrafficSample TrafficStats::sample() const {
  TrafficSample sample;
  sample.errors = errors_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < latency_.size(); ++i)
    sample.latency.counts[i] = latency_[i].load(std::memory_order_relaxed);
  sample.requests = sample.latency.total();
  return sample;
}

void BackendPool::add(std::shared_ptr<Backend> backend) {
  const MutexLock lock(mutex_);
  seats_.push_back({.backend = std::move(backend)});
}

void BackendPool::remove(const Backend* backend) {
  const MutexLock lock(mutex_);
  std::erase_if(seats_, [&](const Seat& seat) { return seat.backend.get() == backend; });
}

void BackendPool::set_in_service(const Backend* backend, bool in_service) {
  const MutexLock lock(mutex_);
  for (Seat& seat : seats_)
    if (seat.backend.get() == backend) seat.in_service = in_service;
}

const std::shared_ptr<Backend>* BackendPool::pick(std::span<const Backend* const> left_out) {
  const Seat* best = nullptr;
  std::pair<int, int> best_rank;
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    const Seat& seat = seats_[(next_ + i) % seats_.size()];
    if (std::ranges::find(left_out, seat.backend.get()) != left_out.end()) continue;
    const std::pair rank{rank_of(seat.backend->state(), seat.in_service),
                         seat.backend->open_requests()};
    if (best != nullptr && best_rank <= rank) continue;
    best = &seat;
    best_rank = rank;
  }
  if (best == nullptr) return nullptr;
  next_ = static_cast<std::size_t>(best - seats_.data()) + 1;
  return &best->backend;
}

std::shared_ptr<Backend> BackendPool::choose() {
  const MutexLock lock(mutex_);
  const auto* backend = seats_.size() == 1 ? &seats_.front().backend : pick({});
  return backend != nullptr ? *backend : nullptr;
}

std::shared_ptr<Backend> BackendPool::enter(Duration now) {
  const MutexLock lock(mutex_);
  const auto* backend = seats_.size() == 1 ? &seats_.front().backend : pick({});
  if (backend == nullptr) return nullptr;
  (*backend)->request_started(now);
  return *backend;
}

std::shared_ptr<Backend> BackendPool::enter_another(Duration now,
                                                    std::span<const Backend* const> tried) {
  const MutexLock lock(mutex_);
  const auto* backend = pick(tried);
  if (backend == nullptr || (*backend)->state() != Backend::State::ready) return nullptr;
  (*backend)->request_started(now);
  return *backend;
}

std::vector<std::shared_ptr<Backend>> BackendPool::backends() const {
  const MutexLock lock(mutex_);
  std::vector<std::shared_ptr<Backend>> all;
  for (const Seat& seat : seats_) all.push_back(seat.backend);
  return all;
}

int BackendPool::open_requests() const {
  const MutexLock lock(mutex_);
  return std::transform_reduce(seats_.begin(), seats_.end(), 0, std::plus<>(),
                               [](const Seat& seat) { return seat.backend->open_requests(); });
}

const TrafficSplit::Arm& TrafficSplit::arm_of(std::uint32_t place) const {
  for (const Arm& arm : arms) {
    if (place < arm.share) return arm;
    place -= arm.share;
  }
  return arms.back();
}

}  // namespace slipway
