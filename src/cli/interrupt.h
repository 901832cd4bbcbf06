#pragma once

#include <signal.h>

#include <functional>

#include "base/task_group.h"
#include "sys/fd.h"

namespace slipway::cli {

// While it lives, SIGINT and SIGTERM call `handler` on a thread of its own, with 1 for the first
// signal, 2 for the second and so on, instead of ending the process. Make it before any other
// thread: those inherit the blocked signals. One at a time in a process.
class InterruptWatch {
 public:
  using Handler = std::function<void(int count)>;
  explicit InterruptWatch(Handler handler);
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

 private:
  void watch(const Handler& handler);

  sigset_t before_{};
  Fd signals_, stop_;
  TaskGroup thread_{"interrupt", 1};  // last: it uses the others
};

}  // namespace slipway::cli
