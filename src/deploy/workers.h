#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace slipway {

// A small pool of threads for work that blocks, now or after a delay. Stopping drops what has not
// begun and waits for what has. Thread-safe.
class Workers {
 public:
  explicit Workers(unsigned threads);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void post(std::function<void()> task, std::chrono::milliseconds delay = {});
  void stop();

 private:
  void run();

  Mutex mutex_;
  CondVar changed_;
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> tasks_
      SLIPWAY_GUARDED_BY(mutex_);
  bool stopping_ SLIPWAY_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace slipway
