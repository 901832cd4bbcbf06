#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "base/mutex.h"
#include "base/result.h"

namespace slipway {

// Where threads come from. Nothing else makes one.
//
// A group has a name (its threads carry it), a bound, a stop token, and an end: its destructor asks
// its tasks to stop and waits for all of them. A task that throws ends nothing but itself: that is
// logged, and the task's own handler is told, so that whatever it was doing is settled as failed.
// Thread-safe. Nothing that a task refers to may be destroyed before its group: the group is the
// last member of its owner, or the owner calls stop() first.
class TaskGroup {
 public:
  using Work = std::move_only_function<void(const std::stop_token& stop)>;
  // Told of the exception that ended the work, as an error of code `internal`, on the task's
  // thread. What it throws is logged.
  using OnFailure = std::move_only_function<void(const Error& error)>;
  // Asked before a thread is made; an error stands for a system that has no more. For tests.
  using Gate = std::function<Status()>;

  // `name`: what its tasks do, as in "no thread for NAME". `bound`: as many at once.
  TaskGroup(std::string name, std::size_t bound, Gate gate = {});
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Runs `work` on a thread of its own. An error means that nothing runs, nothing is counted, and
  // neither of the two will be called. Errors: unavailable (it stops, the bound is reached, or the
  // system has no more threads).
  [[nodiscard]] Status start(Work work, OnFailure on_failure = {});

  // No task is started any more; those that run are asked to stop.
  void request_stop();
  // No task is started any more; waits until those that run have ended. Not from a task of its own,
  // which would wait for itself: that aborts.
  void join();
  // Both.
  void stop();

  [[nodiscard]] std::stop_token stop_token() const { return stop_.get_token(); }
  [[nodiscard]] std::size_t running() const;
  [[nodiscard]] std::size_t bound() const { return bound_; }

 private:
  using Threads = std::list<std::thread>;
  void run(Threads::iterator self, Work work, OnFailure on_failure);
  void run_settled(Work work, OnFailure on_failure) const;

  const std::string name_;
  const std::size_t bound_;
  const Gate gate_;
  std::stop_source stop_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool closed_ SLIPWAY_GUARDED_BY(mutex_) = false;
  Threads threads_ SLIPWAY_GUARDED_BY(mutex_);  // that run
  Threads ended_ SLIPWAY_GUARDED_BY(mutex_);    // that have nothing left to do but return
};

// One thread that does the same again and again: a round, then rest until its time comes or
// somebody wakes it. A round that throws is logged and tried again after a second. Thread-safe.
class Worker {
 public:
  // Answers how long to rest at most; nothing means until it is woken.
  using Round = std::move_only_function<std::optional<std::chrono::microseconds>(
      const std::stop_token& stop)>;

  explicit Worker(std::string name, TaskGroup::Gate gate = {});
  ~Worker() { stop(); }

  // The first round begins at once. Once. Errors: unavailable.
  [[nodiscard]] Status start(Round round);
  // The next round begins now, or as soon as the one under way is over.
  void wake();
  // Asks the round under way to stop, which is the last one.
  void request_stop() { group_.request_stop(); }
  // Likewise, and waits for it. Not from a round.
  void stop();

 private:
  void run(Round& round, const std::stop_token& stop);

  const std::string name_;
  Mutex mutex_;
  CondVar changed_;
  bool woken_ SLIPWAY_GUARDED_BY(mutex_) = false;
  TaskGroup group_;  // last: its thread uses the others
};

// Calls `work()`; what it throws is logged under the name of `task` and ends nothing else. For
// loops that take one job after the other.
void run_guarded(std::string_view task, const std::function<void()>& work);

// Calls `work(i)` for each i below `count`, each on a thread of its own but for one on this thread,
// and returns when all are done. Those for which the system has no thread run here, one after the
// other. When some throw, one of their exceptions is thrown here after all have ended.
void run_side_by_side(std::string_view name, std::size_t count,
                      const std::function<void(std::size_t)>& work);

}  // namespace slipway
