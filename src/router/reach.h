#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "router/exchange.h"
#include "router/pages.h"
#include "router/traffic.h"

namespace slipway {

// Whom a request is for: a backend, or a place in a split at which there is a pool.
struct Destination {
  std::shared_ptr<Backend> backend;
  std::shared_ptr<const TrafficSplit> split;  // instead of a backend
  std::uint32_t place = 0;
};

// Finds an instance for one request and connects to it: wakes it or waits for it; goes on to
// another one of its pool when it takes no connection, or of the release that serves by now. None
// of the request has been sent meanwhile, so this is right for any method. While it lives the
// request counts as open on the instance. Belongs to the exchange's thread.
class Reach {
 public:
  using EndpointPtr = std::shared_ptr<const Backend::Endpoint>;

  Reach(Exchange& exchange, Destination to);
  ~Reach() { leave(); }
  Reach(const Reach&) = delete;
  Reach& operator=(const Reach&) = delete;

  // A resting connection, if the instance is ready and there is one. What the app has closed is
  // known to be closed, so that a request which must not be sent twice may go over it, too.
  [[nodiscard]] std::unique_ptr<Stream> take_resting();
  // A new connection; the exchange's upstream. Null: there is a page to answer with, unless the
  // client has gone.
  [[nodiscard]] Task<std::unique_ptr<Stream>> connect();
  [[nodiscard]] Page take_page() { return *std::move(page_); }
  [[nodiscard]] bool has_page() const { return page_.has_value(); }

  // Of the connection that was found last.
  [[nodiscard]] const EndpointPtr& endpoint() const { return endpoint_; }
  [[nodiscard]] Backend& backend() { return *backend_; }

 private:
  Task<bool> settle();  // endpoint_ is set, or page_
  Task<void> wait_for_backend(int& wakes);
  bool go_elsewhere();
  bool follow_route();
  bool enter(std::shared_ptr<Backend> next);
  void leave();
  BackendPool& pool() const;

  Exchange& x_;
  Destination to_;
  std::shared_ptr<Backend> backend_;  // null: its pool is empty
  EndpointPtr endpoint_;
  std::optional<Page> page_;
  std::vector<const Backend*> tried_;  // since the last pause
};

}  // namespace slipway
