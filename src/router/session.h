#pragma once

#include <functional>

#include "router/exchange.h"

namespace slipway {

// One client connection: reads request after request and has each answered, in order. Lives on its
// lane's thread; `ended` is called last, and may post its destruction but not destroy it.
class Session {
 public:
  Session(Lane& lane, Fd connection, std::function<void(Session&)> ended);
  ~Session() { stir(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start();
  // The router stops: ends now if it rests, else after the current answer.
  void drain();
  void abort() { exchange_.abort(); }
  // It rests, and another connection needs its place.
  void give_way();

 private:
  Task<void> run();
  Task<bool> read_head(Duration patience);
  Task<void> answer();
  // Who answers the request; path rules may make its target another.
  std::optional<RouteTarget> find_target();
  Task<void> linger();
  void count();
  void rest();
  void stir();

  Lane& lane_;
  std::function<void(Session&)> ended_;
  Exchange exchange_;
  Activity activity_;
  std::string rewritten_target_;  // of the current request, where a path rule takes a prefix away
  bool resting_ = false;          // between requests
  bool asked_ = false;            // for something, ever
  std::list<Session*>::iterator place_;  // while it rests
  std::uint64_t counted_in_ = 0, counted_out_ = 0;
};

}  // namespace slipway
