#pragma once

#include <functional>

#include "router/exchange.h"

namespace slipway {

// One client connection: reads request after request and has each answered, in order. Lives on its
// lane's thread; `ended` is called last, and may post its destruction but not destroy it.
class Session {
 public:
  Session(Lane& lane, Fd connection, std::function<void(Session&)> ended);

  void start();
  // The router stops: ends now if it rests, else after the current answer.
  void drain();
  void abort() { exchange_.abort(); }

 private:
  Task<void> run();
  Task<bool> read_head(Duration patience);
  Task<void> answer();
  // Who answers the request; path rules may make its target another.
  std::optional<RouteTarget> find_target();
  Task<void> linger();
  void count();

  Lane& lane_;
  std::function<void(Session&)> ended_;
  Exchange exchange_;
  Activity activity_;
  std::string rewritten_target_;  // of the current request, where a path rule takes a prefix away
  bool resting_ = false;          // between requests
  std::uint64_t counted_in_ = 0, counted_out_ = 0;
};

}  // namespace slipway
