#include "deploy/workers.h"

#include "base/log.h"

namespace slipway {

Workers::Workers(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

Workers::~Workers() { stop(); }

void Workers::post(std::function<void()> task, std::chrono::milliseconds delay) {
  {
    const MutexLock lock(mutex_);
    if (stopping_) return;
    tasks_.emplace(std::chrono::steady_clock::now() + delay, std::move(task));
  }
  changed_.notify_one();
}

void Workers::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    tasks_.clear();
  }
  changed_.notify_all();
  threads_.clear();
}

void Workers::run() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    if (tasks_.empty()) {
      changed_.wait(mutex_);
      continue;
    }
    const auto due = tasks_.begin()->first;
    if (due > std::chrono::steady_clock::now()) {
      changed_.wait_until(mutex_, due);
      continue;
    }
    const std::function<void()> task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    lock.unlock();
    try {
      task();
    } catch (const std::exception& error) {
      log_error("a background task failed", {{"error", error.what()}});
    }
    lock.lock();
  }
}

}  // namespace slipway
