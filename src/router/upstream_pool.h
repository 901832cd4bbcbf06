#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "http/stream.h"
#include "router/route_table.h"

namespace slipway {

// Resting keep-alive connections to instances, by endpoint. Each has a read armed, so that one the
// app closes, or that speaks unasked, is dropped when that happens and not when it is next used.
// Belongs to one router thread.
class UpstreamPool {
 public:
  using EndpointPtr = std::shared_ptr<const Backend::Endpoint>;

  UpstreamPool(Loop& loop, std::uint32_t most_idle, Duration idle_timeout);
  ~UpstreamPool();
  UpstreamPool(const UpstreamPool&) = delete;
  UpstreamPool& operator=(const UpstreamPool&) = delete;

  // The most recently used one, or nothing.
  [[nodiscard]] std::unique_ptr<Stream> take(const EndpointPtr& endpoint);
  // `stream` has answered all it was asked. Kept until idle for too long; the oldest goes when
  // there are too many.
  void put(const EndpointPtr& endpoint, std::unique_ptr<Stream> stream);
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Resting {
    std::unique_ptr<Stream> stream;
    Duration since{};
  };
  struct Shelf {
    EndpointPtr endpoint;  // held, so that its address stays its own
    std::vector<Resting> resting;
  };
  void drop(const Backend::Endpoint* endpoint, const Stream* stream);
  void sweep();

  Loop& loop_;
  const std::uint32_t most_idle_;
  const Duration idle_timeout_;
  std::unordered_map<const Backend::Endpoint*, Shelf> shelves_;
  std::size_t size_ = 0;
  std::unique_ptr<Alarm> alarm_;  // while something rests
};

}  // namespace slipway
