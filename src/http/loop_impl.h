#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/mutex.h"
#include "http/loop.h"

namespace slipway {

struct Loop::Impl {
  explicit Impl(Duration tick_length);

  void add(Alarm& alarm);
  void remove(Alarm& alarm);
  void tick();

  boost::asio::io_context context;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  boost::asio::steady_timer timer;
  Duration tick_length;
  Duration now{};
  Alarm* first = nullptr;
  Alarm* cursor = nullptr;  // the next to look at, while a sweep runs
  bool ticking = false;
  // Shared with poster()s: they hold the lock while they post, so that the context is alive.
  struct Gate {
    Mutex mutex;
    boost::asio::io_context* context SLIPWAY_GUARDED_BY(mutex) = nullptr;
  };
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();

 private:
  void schedule();
  static Duration steady_now();
  friend class Loop;
  friend class Alarm;
};

}  // namespace slipway
