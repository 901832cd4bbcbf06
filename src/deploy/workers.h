#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/limiter.h"
#include "base/mutex.h"
#include "base/task_group.h"

namespace slipway {

// Threads for work that blocks, now or after a delay: one for each task that runs. A limiter says
// how many at once, and leaves room to the other keys and to the classes above beside what hangs
// for one. Stopping drops what has not begun and waits for what has. Thread-safe.
class Workers {
 public:
  Workers(std::string name, const Limiter::Limits& limits);
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Whose work it is.
  struct Share {
    WorkClass work = WorkClass::preview;
    std::string key;  // a project, say
  };
  using Task = std::move_only_function<void()>;
  void post(Share share, Task task, std::chrono::milliseconds delay = {});
  void stop();
  // Whether nothing begins any more.
  [[nodiscard]] bool stops() {
    MutexLock lock(mutex_);
    return stopping_;
  }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Posted {
    Share share;
    Task task;
  };
  void begin(Posted posted);
  void run(Posted posted, Limiter::Slot slot);
  // Begins what is due; until the next is.
  [[nodiscard]] std::optional<std::chrono::microseconds> look();

  Mutex mutex_;
  std::multimap<Time, Posted> later_ SLIPWAY_GUARDED_BY(mutex_);
  bool stopping_ SLIPWAY_GUARDED_BY(mutex_) = false;
  bool timing_ SLIPWAY_GUARDED_BY(mutex_) = false;
  Limiter limiter_;
  std::vector<Limiter::Slot> unwanted_ SLIPWAY_GUARDED_BY(mutex_);  // while it stops
  // Last: their threads use the others.
  TaskGroup threads_;
  Worker timer_;
};

// Of what belongs to an environment.
[[nodiscard]] WorkClass class_of(std::string_view environment);

}  // namespace slipway
