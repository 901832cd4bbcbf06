#include "router/upstream_pool.h"

#include <algorithm>

namespace slipway {

UpstreamPool::UpstreamPool(Loop& loop, std::uint32_t most_idle, Duration idle_timeout)
    : loop_(loop), most_idle_(most_idle), idle_timeout_(idle_timeout) {}
UpstreamPool::~UpstreamPool() = default;

std::unique_ptr<Stream> UpstreamPool::take(const EndpointPtr& endpoint) {
  const auto shelf = shelves_.find(endpoint.get());
  if (shelf == shelves_.end() || shelf->second.resting.empty()) return nullptr;
  // The app may be about to close what rested longer than it should; the sweep will drop it.
  if (shelf->second.resting.back().since + idle_timeout_ <= loop_.coarse_now()) return nullptr;
  std::unique_ptr<Stream> stream = std::move(shelf->second.resting.back().stream);
  shelf->second.resting.pop_back();
  --size_;
  stream->on_unasked_input(nullptr);
  return stream;
}

void UpstreamPool::put(const EndpointPtr& endpoint, std::unique_ptr<Stream> stream) {
  stream->shrink();
  stream->arm();
  Shelf& shelf = shelves_[endpoint.get()];
  if (!shelf.endpoint) shelf.endpoint = endpoint;
  stream->on_unasked_input([this, key = endpoint.get(), raw = stream.get()] { drop(key, raw); });
  shelf.resting.push_back({std::move(stream), loop_.coarse_now()});
  ++size_;
  if (shelf.resting.size() > most_idle_) {
    shelf.resting.erase(shelf.resting.begin());
    --size_;
  }
  if (!alarm_) alarm_ = std::make_unique<Alarm>(loop_, [this] { sweep(); });
  if (size_ == 1) alarm_->set(idle_timeout_);
}

void UpstreamPool::drop(const Backend::Endpoint* endpoint, const Stream* stream) {
  const auto shelf = shelves_.find(endpoint);
  if (shelf == shelves_.end()) return;
  auto& resting = shelf->second.resting;
  const auto found =
      std::ranges::find_if(resting, [&](const Resting& one) { return one.stream.get() == stream; });
  if (found == resting.end()) return;
  // Not from within its own handler.
  loop_.post([dead = std::make_shared<Resting>(std::move(*found))] {});
  resting.erase(found);
  --size_;
}

void UpstreamPool::sweep() {
  const Duration now = loop_.coarse_now();
  for (auto shelf = shelves_.begin(); shelf != shelves_.end();) {
    auto& resting = shelf->second.resting;
    const auto first_young = std::ranges::find_if(
        resting, [&](const Resting& one) { return one.since + idle_timeout_ > now; });
    size_ -= static_cast<std::size_t>(first_young - resting.begin());
    resting.erase(resting.begin(), first_young);
    shelf = resting.empty() ? shelves_.erase(shelf) : std::next(shelf);
  }
  if (size_ > 0)
    alarm_->set(idle_timeout_ / 4);
  else
    loop_.post([this] {
      if (size_ == 0) alarm_.reset();
    });
}

}  // namespace slipway
